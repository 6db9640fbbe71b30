//! A handler link: PUSH and SUB bound as one, every request known until it is answered.

mod events;
mod spec;
mod stats;

use std::sync::Arc;

pub use self::events::{Delivery, LinkEvents, NotSent, Outgoing, Tag, Undelivered};
pub use self::spec::{Balance, LinkLimits, LinkSpec};
pub use self::stats::{LinkStats, PeerStats};
use crate::fault::BindFault;

/// A bound handler link; clones share it.
///
/// When the last clone is dropped without `close`, both sockets close at once.
#[derive(Debug, Clone)]
pub struct Link {}

impl Link {
    /// Binds both sockets, or neither.
    pub async fn bind(
        spec: LinkSpec,
        limits: LinkLimits,
        events: Arc<dyn LinkEvents>,
    ) -> Result<Self, BindFault> {
        let _ = (spec, limits, events);
        todo!()
    }

    /// Gives a message to a peer with room, or to the waiting queue. Never blocks.
    pub fn send(&self, outgoing: Outgoing) -> Result<(), NotSent> {
        let _ = outgoing;
        todo!()
    }

    /// The exchange has ended, answered or its client gone: whatever has its tag is forgotten, and
    /// what still waits is never sent.
    pub fn answered(&self, tag: Tag) {
        let _ = tag;
        todo!()
    }

    /// PULL peers connected now.
    pub fn peers(&self) -> usize {
        todo!()
    }

    /// Peers, queues and counters as they stand.
    pub fn stats(&self) -> LinkStats {
        todo!()
    }

    /// The specs that are really bound: a port `*` or `0` has become a number. Send, receive.
    pub fn bound(&self) -> (String, String) {
        todo!()
    }

    /// Stops accepting, writes what is queued for at most `linger`, unbinds, and gives every
    /// request still open back as `Undelivered::Closed`.
    pub async fn close(&self) {
        todo!()
    }
}
