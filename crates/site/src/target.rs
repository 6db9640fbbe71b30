//! The three things a route can point at.

use std::sync::Arc;
use std::time::Duration;

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Dir(Arc<Dir>),
    Proxy(Arc<Proxy>),
    Handler(Arc<Handler>),
}

/// A pair of ZeroMQ sockets that the server binds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handler {
    /// Position in `Site::handlers`.
    pub index: usize,
    /// Row id.
    pub id: i64,
    /// PUSH endpoint, `tcp://host:port` or `ipc://path`.
    pub send_spec: String,
    /// First field of every request message.
    pub send_ident: String,
    /// SUB endpoint.
    pub recv_spec: String,
    /// SUB topic; empty: all messages.
    pub recv_ident: String,
    /// Replies to JSON and XML messages go out as they are, not in base64.
    pub raw_payload: bool,
    pub protocol: HandlerProtocol,
}

/// How the headers of a request message are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HandlerProtocol {
    #[default]
    Json,
    Tnetstring,
}

/// An HTTP/1.1 server that requests are passed on to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Position in `Site::proxies`.
    pub index: usize,
    /// Row id.
    pub id: i64,
    /// Host name or address; resolved when connecting.
    pub addr: String,
    pub port: u16,
}

/// A directory of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dir {
    /// Position in `Site::dirs`.
    pub index: usize,
    /// Row id.
    pub id: i64,
    /// Path that ends in `/`, relative to the chroot or the working directory.
    pub base: String,
    /// File served for a path that ends in `/`.
    pub index_file: String,
    /// Content type of a file whose extension is not in `Site::mime`.
    pub default_ctype: String,
    /// How long what is known about a file may be used without looking again; zero: not at all.
    pub cache_ttl: Duration,
}

impl Target {
    /// `dir`, `proxy` or `handler`, as the `route` table names it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Dir(_) => "dir",
            Self::Proxy(_) => "proxy",
            Self::Handler(_) => "handler",
        }
    }
}
