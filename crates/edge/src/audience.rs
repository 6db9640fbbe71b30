//! The handlers that have seen a connection, and what they are told when it ends.

use crate::line::{AudienceId, Line};
use crate::peer::ConnId;
use smallvec::SmallVec;
use std::fmt;
use std::sync::Arc;

/// A handler link, as a connection sees it.
pub trait Audience: Send + Sync {
    fn id(&self) -> AudienceId;

    /// It has not seen the connection before, and is about to be sent something of it.
    fn joined(&self, _conn: ConnId) {}

    /// The connection has ended, by anything but this handler's own word.
    fn left(&self, conn: ConnId);

    /// The connection has ended by this handler's own word.
    fn closed(&self, _conn: ConnId) {}

    /// The client is about to get the first bytes of an answer that is not complete yet, from
    /// whichever handler: `exchange` must not be answered by another one now. Whether one may do so
    /// all the same.
    fn begun(&self, _conn: ConnId, _exchange: u64) -> bool {
        false
    }

    /// The client is about to get the last of the answer: nothing more of `exchange` is sent or
    /// awaited. Whether another handler may answer it, too.
    fn answered(&self, _conn: ConnId, _exchange: u64) -> bool {
        false
    }

    /// So many bytes of this handler's metered replies have been written to the client.
    fn written(&self, conn: ConnId, bytes: u64);
}

/// Every handler that has seen one connection. Each hears of its end once, or never if it was
/// the one that asked for it.
#[derive(Default)]
pub(crate) struct Audiences(SmallVec<[Arc<dyn Audience>; 1]>);

impl Audiences {
    /// Whether `audience` had not seen the connection before.
    pub(crate) fn join(&mut self, conn: ConnId, audience: &Arc<dyn Audience>) -> bool {
        let is_new = self.0.iter().all(|known| known.id() != audience.id());
        if is_new {
            audience.joined(conn);
            self.0.push(Arc::clone(audience));
        }
        is_new
    }

    /// Tells handlers that the answer of `exchange`, which one of them has, has begun; whether
    /// another may come.
    pub(crate) fn begun(&self, conn: ConnId, exchange: u64) -> bool {
        self.0.iter().any(|audience| audience.begun(conn, exchange))
    }

    /// Tells handlers that the answer of `exchange`, which one of them has, is whole; whether
    /// another may come.
    pub(crate) fn answered(&self, conn: ConnId, exchange: u64) -> bool {
        self.0.iter().any(|audience| audience.answered(conn, exchange))
    }

    /// Tells the handler that sent them that its metered bytes have been written.
    pub(crate) fn written(&self, by: AudienceId, line: &Line, bytes: u64) {
        line.wrote(bytes);
        if let Some(audience) = self.0.iter().find(|known| known.id() == by) {
            audience.written(line.conn(), bytes);
        }
    }

    /// The connection is over; `by` is the handler that closed it, if one did.
    pub(crate) fn leave(&mut self, conn: ConnId, by: Option<AudienceId>) {
        for audience in self.0.drain(..) {
            if Some(audience.id()) == by {
                audience.closed(conn);
            } else {
                audience.left(conn);
            }
        }
    }
}

impl fmt::Debug for Audiences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|audience| audience.id())).finish()
    }
}
