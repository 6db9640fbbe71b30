//! Requests whose clients have left before a peer was given them.

use super::{Effects, Fleet};
use crate::link::events::{Delivery, Tag};
use crate::link::ledger::Place;

impl<H: Clone> Fleet<H> {
    /// Nobody waits for an answer any more. What a peer has is forgotten; what none has had yet
    /// still goes to one, because a client that sends and leaves means what it has sent. `queue_max`
    /// bounds those that wait apart from others: they keep nobody out who is there.
    pub(in crate::link) fn abandon(&mut self, tag: Tag) -> Effects<H> {
        let mut effects = Effects::default();
        for key in self.ledger.keys_of_tag(tag) {
            let Some(entry) = self.ledger.get_mut(key) else { continue };
            let is_done = !entry.is_request() || !entry.is_unwritten() || entry.retries > 0;
            let is_waiting = entry.place == Place::Waiting;
            if is_done || is_waiting && self.waiting_abandoned >= self.limits.queue_max {
                self.stats.refused += u64::from(!is_done);
                self.detach(key);
                self.ledger.remove(key);
                continue;
            }
            entry.delivery = Delivery::Message { tag };
            entry.is_abandoned = true;
            self.waiting_abandoned += usize::from(is_waiting);
            if let Place::Queued(index) = entry.place {
                if let Some(lane) = &mut self.lanes[index] {
                    lane.pending -= 1;
                    lane.abandoned += 1;
                }
                self.notices.shown(tag.conn);
            }
        }
        self.drain(&mut effects);
        self.compact();
        effects
    }
}
