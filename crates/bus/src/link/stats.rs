//! What a link can tell about itself.

use std::time::Duration;

use bytes::Bytes;

use super::latency::Latency;

/// Figures of one link; counters run from `bind`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// PULL peers that requests go to.
    pub peers: Vec<PeerStats>,
    /// PUB peers that replies come from, by name.
    pub publishers: Vec<String>,
    /// Messages that wait for a peer.
    pub queued: usize,
    /// Notices that wait for a peer.
    pub notices: usize,
    /// Requests known to the link: waiting, or with a peer and unanswered.
    pub open: usize,
    /// Of these, requests whose peer has just left, and whose answer may still come.
    pub orphaned: usize,
    /// Messages written to peers.
    pub sent: u64,
    /// Connections to either socket that ended in their handshake.
    pub peers_refused: u64,
    /// Reply frames received.
    pub received: u64,
    /// Requests sent again after a peer was lost.
    pub retries: u64,
    /// Messages refused because the queue was full.
    pub refused: u64,
    /// Messages that waited for `queue_timeout` in vain.
    pub timeouts: u64,
    /// Requests given up because their peer was lost.
    pub lost: u64,
    /// Notices dropped because too many waited.
    pub notices_dropped: u64,
    /// From a request's way to its peer to the first of its answer.
    pub latency: Latency,
}

/// One PULL peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStats {
    /// Who it is.
    pub name: PeerName,
    /// How long it has been connected.
    pub since: Duration,
    /// Whether it is given more.
    pub state: PeerState,
    /// Messages queued for it or being written.
    pub queued: usize,
    /// Requests written to it and not answered.
    pub pending: usize,
    /// How long the oldest of these has been with it.
    pub oldest: Option<Duration>,
    /// Messages written to it.
    pub sent: u64,
    /// Requests that it was late with and another was asked.
    pub retries: u64,
    /// Requests given up while it was there.
    pub lost: u64,
    /// Of its answers; counts those it has given.
    pub latency: Latency,
}

/// What is known of a peer from its handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerName {
    /// Where it is.
    pub address: String,
    /// What it calls itself; often empty, and libzmq's PULL never says.
    pub identity: Bytes,
    /// ZMTP version it speaks.
    pub version: (u8, u8),
    /// What it has proved, for people: a user, a key, or nothing.
    pub proved: String,
}

/// Whether a peer is given more requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerState {
    /// It has just come: its answers may not be heard yet.
    New,
    /// It has room.
    Ready,
    /// It holds as many as it may.
    Full,
    /// It does not read.
    Stalled,
    /// It has let a request wait for too long, and is passed over while others are well.
    Late,
    /// It wants no more, and will be told when it has had the last one.
    Draining,
    /// It has been told so.
    Drained,
}
