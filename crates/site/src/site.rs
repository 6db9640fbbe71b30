//! The whole of one server's configuration after every check; immutable and shared by `Arc`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::limits::Limits;
use crate::lookup::{Host, Hosts};
use crate::mime::MimeTypes;
use crate::options::{Options, Uploads};
use crate::security::HandlerSecurity;
use crate::target::{Dir, Handler, Proxy};

/// One server, ready to run: share it as `Arc<Site>`, never lock it.
#[derive(Clone, Debug)]
pub struct Site {
    pub server: Server,
    pub listener: Listener,
    pub hosts: Hosts,
    /// Each pair of sockets once, in the order the routes name them; `Handler::index` points here.
    pub handlers: Vec<Arc<Handler>>,
    /// `Proxy::index` points here.
    pub proxies: Vec<Arc<Proxy>>,
    /// `Dir::index` points here.
    pub dirs: Vec<Arc<Dir>>,
    pub mime: MimeTypes,
    pub limits: Limits,
    pub uploads: Uploads,
    pub options: Options,
    pub handler_security: HandlerSecurity,
}

/// The row of the `server` table, without what the listener needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub uuid: String,
    /// Not unique and maybe empty; only people read it.
    pub name: String,
    /// Directory to chroot into when started as root; empty: none.
    pub chroot: String,
    /// Path, relative to the chroot.
    pub access_log: String,
    /// Path, relative to the chroot.
    pub error_log: String,
    /// Path, relative to the chroot.
    pub pid_file: String,
    /// ZeroMQ endpoint of the control port.
    pub control_port: String,
    /// Whether a server started as root leaves the terminal (`server.daemonize`).
    pub daemonize: bool,
}

/// Where connections arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub addr: SocketAddr,
    pub tls: Option<Tls>,
}

/// What a TLS listener needs; paths are relative to the chroot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Directory of `<uuid>.crt`, `<uuid>.key` and the certificates by name; file names are appended
    /// as they are, so it ends in `/`.
    pub certdir: String,
    /// `ssl_ciphers`, as configured.
    pub ciphers: Option<String>,
    /// PEM file of the authorities that may sign client certificates.
    pub ca_chain: Option<String>,
    pub client_certificate: ClientCertificate,
}

/// Whether a TLS client is asked for a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificate {
    #[default]
    NotAsked,
    Optional,
    Required,
}

impl Server {
    /// Where `path` lies for a process outside the chroot; see [`below_chroot`].
    pub fn below_chroot(&self, path: &str) -> PathBuf {
        below_chroot(&self.chroot, path)
    }
}

/// Where a path of a server's configuration lies for a process outside the server's chroot: exactly
/// one slash joins the two, as a process inside sees it. Without a chroot, the path itself.
pub fn below_chroot(chroot: &str, path: &str) -> PathBuf {
    if chroot.is_empty() {
        return PathBuf::from(path);
    }
    let (chroot, path) = (chroot.trim_end_matches('/'), path.trim_start_matches('/'));
    PathBuf::from(format!("{chroot}/{path}"))
}

impl Site {
    /// The host that answers for `authority` (a `Host` field or `:authority`); the default host
    /// when there is none or nothing else matches.
    pub fn host(&self, authority: Option<&str>) -> &Host {
        self.hosts.host(authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slash_joins_the_chroot_and_a_path() {
        for (chroot, path, expected) in [
            ("/srv/www", "run/m.pid", "/srv/www/run/m.pid"),
            ("/srv/www", "/run/m.pid", "/srv/www/run/m.pid"),
            ("/srv/www/", "/run/m.pid", "/srv/www/run/m.pid"),
            ("./", "/run/m.pid", "./run/m.pid"),
            (".", "run/m.pid", "./run/m.pid"),
            ("/", "/run/m.pid", "/run/m.pid"),
            ("", "/run/m.pid", "/run/m.pid"),
            ("", "run/m.pid", "run/m.pid"),
        ] {
            // As text: two paths are equal whatever the number of slashes.
            let found = below_chroot(chroot, path);
            assert_eq!(found.to_str(), Some(expected), "{chroot:?} {path:?}");
        }
    }
}
