//! News of connections on their way to a peer, and which connections no peer knows.

use std::collections::{HashSet, VecDeque};
use std::hash::BuildHasherDefault;

use super::{Effects, Fleet};
use crate::link::events::{News, NotSent, Notice};
use crate::link::ledger::IdHasher;

/// The notices that wait. None overtakes a message that was sent before it.
#[derive(Debug, Default)]
pub(super) struct Notices {
    /// Each with the number of the last message that it must not overtake.
    queue: VecDeque<(u64, Notice)>,
    /// Connections of which no peer has been given anything: none is to be told of their end.
    unseen: HashSet<u64, BuildHasherDefault<IdHasher>>,
}

impl<H: Clone> Fleet<H> {
    /// Nobody has been given anything of `conn` yet.
    pub(in crate::link) fn introduce(&mut self, conn: u64) {
        if !self.closed {
            self.notices.unseen.insert(conn);
        }
    }

    /// `conn` has ended without a notice.
    pub(in crate::link) fn dismiss(&mut self, conn: u64) {
        self.notices.shown(conn);
    }

    pub(in crate::link) fn notify(&mut self, notice: Notice) -> Result<Effects<H>, NotSent> {
        let mut effects = Effects::default();
        if self.closed {
            return Err(NotSent::Closed);
        }
        if self.notices.queue.len() >= self.limits.notices_max {
            self.notices.unseen.remove(&notice.conn);
            self.stats.notices_dropped += 1;
            return Err(NotSent::QueueFull);
        }
        self.notices.queue.push_back((self.last_waiting, notice));
        effects.arm = self.arrivals.count > 0;
        self.drain(&mut effects);
        Ok(effects)
    }
}

impl Notices {
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.unseen.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// A peer has been given something of `conn`, or is certain to be.
    pub(super) fn shown(&mut self, conn: u64) {
        if !self.unseen.is_empty() {
            self.unseen.remove(&conn);
        }
    }

    /// Whether the first one goes before the waiting message of this number; drops those that
    /// concern nobody.
    pub(super) fn is_next(&mut self, waiting: Option<u64>) -> bool {
        while let Some(&(after, notice)) = self.queue.front() {
            if waiting.is_some_and(|number| number <= after) {
                return false;
            }
            if notice.news != News::Left || !self.unseen.remove(&notice.conn) {
                return true;
            }
            self.queue.pop_front();
        }
        false
    }

    pub(super) fn next(&mut self) -> Option<Notice> {
        self.queue.pop_front().map(|(_, notice)| notice)
    }

    /// Back from a lane, before all others.
    pub(super) fn give_back(&mut self, notice: Notice) {
        self.queue.push_front((0, notice));
    }

    pub(super) fn clear(&mut self) -> usize {
        for (_, notice) in &self.queue {
            self.unseen.remove(&notice.conn);
        }
        let count = self.queue.len();
        self.queue = VecDeque::new();
        count
    }
}
