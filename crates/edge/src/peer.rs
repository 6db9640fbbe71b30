//! Who is at the other end of a connection.

use std::fmt;
use std::net::SocketAddr;

/// A connection's number: counted up from 1, never reused while the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The two ends of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    pub conn: ConnId,
    pub remote: SocketAddr,
    /// The remote address without its port, as handlers and logs are told it.
    pub remote_addr: Box<str>,
    pub local: SocketAddr,
    pub tls: bool,
}
