//! From rows to a `Site`: every check a configuration has to pass, all faults at once.

mod hosts;
mod mime;
mod server;
mod targets;

use std::path::Path;

use site::Site;

use crate::fault::{Fault, Faults, Place, Warning};
use crate::findings::{Findings, at};
use crate::nearest::nearest;
use crate::read::{OpenFault, read};
use crate::rows::{Cell, Rows, ServerRow, one_line};
use crate::setting::settings;
use targets::{Lists, Targets};

/// A server that can start, and what to tell its operator.
#[derive(Clone, Debug)]
pub struct Lowered {
    pub site: Site,
    pub warnings: Vec<Warning>,
}

/// Why a server can't be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadFault {
    #[error("the configuration can't be opened")]
    Open(#[from] OpenFault),
    #[error(
        "there is no server '{}'{}; the database has {}",
        one_line(uuid),
        did_you_mean(nearest.as_deref()),
        list(known)
    )]
    UnknownServer {
        uuid: String,
        known: Vec<ServerLine>,
        /// The uuid that looks most like the one asked for.
        nearest: Option<String>,
    },
    #[error("the configuration of server '{uuid}' has faults")]
    Faults {
        uuid: String,
        #[source]
        faults: Faults,
    },
}

/// A row of `server` for messages: cells that are not what they should be are shown as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerLine {
    pub id: i64,
    pub uuid: String,
    pub name: String,
    pub default_host: String,
    pub bind_addr: String,
    pub port: String,
    pub use_ssl: bool,
}

/// All servers of a database, in row order.
pub fn servers(rows: &Rows) -> Vec<ServerLine> {
    let shown = |cell: &Cell| match cell {
        Cell::Text(text) => text.clone(),
        other => other.to_string(),
    };
    let line = |row: &ServerRow| ServerLine {
        id: row.id,
        uuid: shown(&row.uuid),
        name: shown(&row.name),
        default_host: shown(&row.default_host),
        bind_addr: shown(&row.bind_addr),
        port: shown(&row.port),
        use_ssl: !matches!(row.use_ssl, Cell::Integer(0)),
    };
    rows.servers.iter().map(line).collect()
}

/// Checks the configuration of one server.
///
/// # Errors
/// Every fault there is; an unknown uuid is one.
pub fn lower(rows: &Rows, uuid: &str) -> Result<Lowered, Faults> {
    let mut findings = Findings::default();
    let Some(row) = find(rows, uuid) else {
        let known = servers(rows);
        let nearest = nearest(uuid, known.iter().map(|line| line.uuid.as_str()));
        let value = Cell::Text(uuid.to_owned()).to_string();
        return Err(Faults(vec![Fault {
            place: Place { table: "server", row: None, column: "uuid", value },
            accepted: format!("no such row, the database has {}", list(&known)),
            nearest: nearest.map(str::to_owned),
        }]));
    };
    warn_of_twins(rows, row, &mut findings);
    let settings = settings(&rows.settings, &mut findings);
    let handler_security = settings.security.lower(&rows.settings, &mut findings);
    let mime = mime::types(&rows.mimetypes, &settings.bounds, &mut findings);
    let server = server::server(row, &settings, &mut findings);
    let listener = server::listener(row, &settings, &mut findings);
    let mut targets = Targets::new(rows, &settings.bounds);
    if let Some(server) = &server {
        targets.reserve_control_port(row, &server.control_port);
    }
    let hosts = hosts::hosts(rows, row, &settings, (&mut targets, &mut findings));
    warn_of_plugins(rows, row, &mut findings);
    match (server, listener, hosts) {
        (Some(server), Some(listener), Some(hosts)) if findings.faults.is_empty() => {
            let Lists { handlers, proxies, dirs } = targets.into_lists();
            let crate::setting::Settings { limits, uploads, options, .. } = settings;
            let site = Site {
                server,
                listener,
                hosts,
                handlers,
                proxies,
                dirs,
                mime,
                limits,
                uploads,
                options,
                handler_security,
            };
            Ok(Lowered { site, warnings: findings.warnings })
        }
        _ => Err(Faults(findings.faults)),
    }
}

/// Reads a database and checks one server of it.
///
/// # Errors
/// The database can't be read, has no such server, or the server has faults.
pub fn load(path: &Path, uuid: &str) -> Result<Lowered, LoadFault> {
    load_rows(&read(path)?, uuid)
}

pub(crate) fn load_rows(rows: &Rows, uuid: &str) -> Result<Lowered, LoadFault> {
    if find(rows, uuid).is_none() {
        let known = servers(rows);
        let nearest = nearest(uuid, known.iter().map(|line| line.uuid.as_str()));
        let (uuid, nearest) = (uuid.to_owned(), nearest.map(str::to_owned));
        return Err(LoadFault::UnknownServer { uuid, known, nearest });
    }
    lower(rows, uuid).map_err(|faults| LoadFault::Faults { uuid: uuid.to_owned(), faults })
}

/// The first row of the uuid, as in Mongrel2.
fn find<'r>(rows: &'r Rows, uuid: &str) -> Option<&'r ServerRow> {
    rows.servers.iter().find(|row| matches!(&row.uuid, Cell::Text(text) if text == uuid))
}

fn warn_of_twins(rows: &Rows, chosen: &ServerRow, findings: &mut Findings) {
    for row in &rows.servers {
        if row.uuid == chosen.uuid && row.id != chosen.id {
            let what = format!("row {} has the same uuid and goes first", chosen.id);
            findings.warn(at!(row, "server".uuid), what);
        }
    }
}

fn warn_of_plugins(rows: &Rows, server: &ServerRow, findings: &mut Findings) {
    let what = "plugins in C are not loaded, the server runs without it";
    let is_ours = |cell: &Cell| *cell == Cell::Integer(server.id);
    for row in rows.filters.iter().filter(|row| is_ours(&row.server_id)) {
        findings.warn(at!(row, "filter".name), what);
    }
    for row in rows.xrequests.iter().filter(|row| is_ours(&row.server_id)) {
        findings.warn(at!(row, "xrequest".name), what);
    }
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|uuid| format!(" (did you mean '{}'?)", one_line(uuid))).unwrap_or_default()
}

fn list(servers: &[ServerLine]) -> String {
    if servers.is_empty() {
        return "no server".to_owned();
    }
    let lines: Vec<String> = servers
        .iter()
        .map(|server| format!("'{}' ({})", one_line(&server.uuid), one_line(&server.name)))
        .collect();
    lines.join(", ")
}

#[cfg(test)]
mod tests;
