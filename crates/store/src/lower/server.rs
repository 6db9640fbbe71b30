//! The row of `server`: who it is and where it listens.

use std::net::{IpAddr, SocketAddr};

use site::{Listener, Server, Tls};

use crate::findings::{Findings, at};
use crate::rows::{Cell, ServerRow};
use crate::setting::{Settings, TlsSettings};

pub(super) fn server(
    row: &ServerRow,
    settings: &Settings,
    findings: &mut Findings,
) -> Option<Server> {
    let chroot = findings.text(at!(row, "server".chroot));
    let access_log = findings.text(at!(row, "server".access_log));
    let error_log = findings.text(at!(row, "server".error_log));
    let pid_file = findings.text(at!(row, "server".pid_file));
    let control_port = control_port(row, settings, findings);
    let uuid = findings.text(at!(row, "server".uuid));
    // Mongrel2 never reads the name.
    let name = match &row.name {
        Cell::Text(name) => name.clone(),
        _ => String::new(),
    };
    Some(Server {
        uuid: uuid?.to_owned(),
        name,
        chroot: chroot?.to_owned(),
        access_log: access_log?.to_owned(),
        error_log: error_log?.to_owned(),
        pid_file: pid_file?.to_owned(),
        control_port: control_port?,
        daemonize: settings.daemonize,
    })
}

/// The column, else the setting, which has a default.
fn control_port(row: &ServerRow, settings: &Settings, findings: &mut Findings) -> Option<String> {
    let at = at!(row, "server".control_port);
    match findings.text(at)? {
        "" => Some(settings.control_port.clone()),
        text => {
            findings.endpoint(at)?;
            Some(text.to_owned())
        }
    }
}

pub(super) fn listener(
    row: &ServerRow,
    settings: &Settings,
    findings: &mut Findings,
) -> Option<Listener> {
    let address = address(row, findings);
    let port = findings.port(at!(row, "server".port));
    let tls = tls(row, settings, findings);
    Some(Listener { addr: SocketAddr::new(address?, port?), tls: tls? })
}

/// None: a fault.
fn tls(row: &ServerRow, settings: &Settings, findings: &mut Findings) -> Option<Option<Tls>> {
    let at = at!(row, "server".use_ssl);
    if findings.integer(at, i64::MIN..=i64::MAX)? == 0 {
        return Some(None);
    }
    let Some(certdir) = settings.options.certdir.clone() else {
        findings.fault(at, "TLS needs the setting certdir, and is not built yet: must be 0");
        return None;
    };
    findings.fault(at, "TLS is not built yet: must be 0");
    let TlsSettings { ciphers, ca_chain, .. } = settings.tls.clone();
    let client_certificate = settings.tls.client_certificate();
    Some(Some(Tls { certdir, ciphers, ca_chain, client_certificate }))
}

fn address(row: &ServerRow, findings: &mut Findings) -> Option<IpAddr> {
    let at = at!(row, "server".bind_addr);
    let address = findings.text(at)?.parse().ok();
    if address.is_none() {
        findings.fault(at, "must be a numeric address, as in 127.0.0.1, 0.0.0.0 or ::1");
    }
    address
}
