//! Requests whose clients have left before a peer was given them.

use super::{Effects, Fleet};
use crate::link::events::{Delivery, Tag};
use crate::link::ledger::Place;

impl<H: Clone> Fleet<H> {
    /// Nobody waits for an answer any more. What a peer has is forgotten; what none has had yet
    /// still goes to one, because a client that sends and leaves means what it has sent.
    pub(in crate::link) fn abandon(&mut self, tag: Tag) -> Effects<H> {
        let mut effects = Effects::default();
        for key in self.ledger.keys_of_tag(tag) {
            let Some(entry) = self.ledger.get_mut(key) else { continue };
            if !entry.is_request() || !entry.is_unwritten() || entry.retries > 0 {
                self.detach(key);
                self.ledger.remove(key);
                continue;
            }
            entry.delivery = Delivery::Message { tag };
            entry.is_abandoned = true;
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
