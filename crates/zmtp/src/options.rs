//! What an endpoint is and which bounds it keeps.

use std::time::Duration;

use crate::session::Local;

/// What an endpoint is and which bounds it keeps.
#[derive(Debug, Clone)]
pub struct Options {
    /// What it announces itself as, and the longest frame it takes.
    pub local: Local,
    /// Peers at a time that have done their handshake; further connections wait in the system's
    /// backlog.
    pub peers_max: usize,
    /// Connections at a time, at least one, that are in their handshake, beside those peers. One
    /// more drops the oldest of them, of the host that has most.
    pub handshakes_max: usize,
    /// From accept to the end of the handshake.
    pub handshake_timeout: Duration,
    /// When a silent peer is asked, and when it is taken for lost. `None`: never.
    pub heartbeat: Option<Heartbeat>,
    /// How long `Endpoint::close` goes on writing.
    pub linger: Duration,
    /// Access mode of an `ipc://` socket file; `None` leaves it to the umask.
    pub ipc_mode: Option<u32>,
}

/// PING to silent peers, which only ZMTP 3.1 has; older ones, and those that have never answered one,
/// are watched by TCP keep-alive alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// Silence after which a PING is sent.
    pub interval: Duration,
    /// Further silence after which the peer is taken for lost.
    pub timeout: Duration,
}
