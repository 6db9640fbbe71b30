//! A peer as its endpoint's owner sees it, and what the owner is told of it.

mod clock;
mod driver;

use std::fmt::Debug;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use tokio::sync::Notify;

pub(crate) use self::driver::run;
use crate::admission::Admission;
use crate::fault::ProtocolFault;
use crate::frame::Frame;
use crate::mechanism::{Credential, Security};
use crate::options::{Heartbeat, Options};
use crate::refusals::Refusals;
use crate::session::{Oversized, PeerInfo};

/// Names a peer of one endpoint; never used twice.
pub type PeerId = u64;

/// A peer that has finished its handshake.
#[derive(Debug)]
pub struct Peer {
    id: PeerId,
    address: String,
    info: PeerInfo,
    wake: Arc<Notify>,
    dismissed: AtomicBool,
    is_urgent: AtomicBool,
}

impl Peer {
    /// Its number at this endpoint.
    pub fn id(&self) -> PeerId {
        self.id
    }

    /// What it said in its handshake.
    pub fn info(&self) -> &PeerInfo {
        &self.info
    }

    /// Where it is: an address and port, or the path it is connected to.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its address, its identity if it announced one (libzmq does for REQ, DEALER and ROUTER only),
    /// and what it has proved, for people.
    pub fn name(&self) -> String {
        let identity = self.info.identity.escape_ascii().to_string();
        let proved = match &self.info.credential {
            Credential::None => String::new(),
            credential => credential.to_string(),
        };
        match (identity.as_str(), proved.as_str()) {
            ("", "") => self.address.clone(),
            (one, "") | ("", one) => format!("{} ({one})", self.address),
            (identity, proved) => format!("{} ({identity}, {proved})", self.address),
        }
    }

    /// Has its task call `Traffic::supply`, after other tasks that are ready have had their turns.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// The same without that: there is nothing to gain from waiting for more.
    pub fn wake_at_once(&self) {
        self.is_urgent.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Has its task close the connection, whatever is still to be written or read.
    pub fn dismiss(&self) {
        self.dismissed.store(true, Ordering::Release);
        self.wake.notify_one();
    }
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum Departure {
    /// The peer closed it.
    #[error("the peer closed the connection")]
    Closed,
    /// The system reported an error.
    #[error("the connection broke")]
    Broken(#[source] io::Error),
    /// The peer broke the protocol.
    #[error("the peer broke the protocol")]
    Protocol(#[source] ProtocolFault),
    /// The handshake took too long.
    #[error("the peer did not finish its handshake in time")]
    HandshakeTimeout,
    /// Neither the peer's own time to live nor our heartbeat was kept.
    #[error("the peer has been silent for too long")]
    Silent,
    /// This side closed it.
    #[error("this side closed the connection")]
    Shutdown,
    /// Others are in their handshake, too, and this one was to make way.
    #[error("more than {max} connections are in their handshake, and this is the oldest")]
    Crowded {
        /// `Options::handshakes_max`.
        max: usize,
    },
    /// The last place was taken during the handshake.
    #[error("there are {max} peers, and no more are accepted for now")]
    Full {
        /// `Options::peers_max`.
        max: usize,
    },
    /// The endpoint asks for other credentials now than the peer has proved.
    #[error("the peer's credentials are not accepted any more")]
    Revoked,
    /// The owner did, by `Peer::dismiss`.
    #[error("the peer was dismissed")]
    Dismissed,
}

/// What all peers of an endpoint share.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) options: Arc<Options>,
    pub(crate) traffic: Arc<dyn Traffic>,
    /// Begins as the options have it.
    pub(crate) message_bytes_max: Arc<AtomicUsize>,
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) admission: Arc<Admission>,
}

/// What an endpoint has all its peers' tasks know.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    pub(crate) closing: bool,
    /// Begins as the options have it.
    pub(crate) heartbeat: Option<Heartbeat>,
    /// Begins as the options have it.
    pub(crate) security: Security,
}

impl Shared {
    pub(crate) fn new(options: Options, traffic: Arc<dyn Traffic>) -> Self {
        let message_bytes_max = Arc::new(AtomicUsize::new(options.local.message_bytes_max));
        let refusals = Arc::default();
        let admission = Arc::new(Admission::new(&options));
        Self { options: Arc::new(options), traffic, message_bytes_max, refusals, admission }
    }
}

/// The owner of an endpoint, as its peers' tasks see it. Calls must not block.
///
/// For each peer: `joined`, then the others in any order but one at a time, then `left`.
pub trait Traffic: Debug + Send + Sync + 'static {
    /// All `max` places for peers are taken, most of them by a host and so many of its own; further
    /// connections are not accepted. Said once a minute for as long as it is so.
    fn full(&self, endpoint: &str, max: usize, most_from: &str) {
        tracing::warn!(endpoint, max, most_from, "no more peers are accepted for now");
    }

    /// The handshake is over. `supply` is called next.
    fn joined(&self, _peer: &Arc<Peer>) {}

    /// The frames of one read, at least one; what is left in the vector is dropped.
    fn received(&self, _peer: &Peer, _frames: &mut Vec<Frame>) {}

    /// Whether the peer may not be able to answer a PING sent now, though it is well.
    fn is_excused(&self, _peer: &Peer) -> bool {
        false
    }

    /// When the peer was last known to be well by other signs than what it says on this connection.
    fn last_sign(&self, _peer: &Peer) -> Option<Instant> {
        None
    }

    /// Whether a message over the limit is passed over, with a call of `oversized`, instead of
    /// ending its connection.
    fn passes_over(&self) -> bool {
        false
    }

    /// A message is over the limit, and not received.
    fn oversized(&self, _peer: &Peer, _oversized: &Oversized) {}

    /// The last batch has been written; `frames` is empty and takes the next one, whole messages.
    /// When it stays empty the peer sleeps until `Peer::wake`.
    fn supply(&self, _peer: &Peer, _frames: &mut Vec<Frame>) {}

    /// Whether frames that the peer does not read fast enough are taken back by `stalled`.
    fn can_take_back(&self) -> bool {
        false
    }

    /// The peer does not read: all but the first `kept` frames of the batch will not be written.
    fn stalled(&self, _peer: &Peer, _kept: usize) {}

    /// The connection is over; the first `written` frames of the last batch were written whole.
    fn left(&self, _peer: &Peer, _written: usize, _why: &Departure) {}
}
