//! Parts of a request's body: they go where the request went, or nowhere.

use std::time::Instant;

use bytes::Bytes;

use super::{Effects, Fleet, Item};
use crate::link::events::{Delivery, NotSent, Tag, Undelivered};
use crate::link::ledger::{Entry, Place};
use crate::link::slab::Key;

impl<H: Clone> Fleet<H> {
    pub(super) fn send_part(
        &mut self,
        tag: Tag,
        message: Bytes,
        now: Instant,
        effects: &mut Effects<H>,
    ) -> Result<(), NotSent> {
        let request = self.ledger.of_tag(tag).find(|entry| entry.is_request());
        let place = request.map(|entry| entry.place);
        let lane = match place {
            Some(Place::Waiting) => return Err(NotSent::NoPeer),
            Some(Place::Queued(lane) | Place::Batch(lane) | Place::Held(lane)) => lane,
            // The peer has left: as if it had been written just before. What becomes of the
            // exchange is said of its request.
            Some(Place::Orphaned) => {
                self.tear(tag, effects);
                return Ok(());
            }
            None => return Ok(()),
        };
        let key = self.ledger.insert(message, Delivery::Part { tag }, now);
        if let Some(entry) = self.ledger.get_mut(key) {
            entry.place = Place::Queued(lane);
        }
        if let Some(lane) = &mut self.lanes[lane] {
            lane.push(Item::Entry(key), effects);
        }
        Ok(())
    }

    /// As `give_back`; a part stays in its lane, which reads again some day, or goes with it.
    pub(super) fn give_back_from(
        &mut self,
        key: Key,
        lane: Option<usize>,
        effects: &mut Effects<H>,
    ) {
        let Some(entry) = self.ledger.get(key) else { return };
        let tag = entry.tag();
        match (entry.is_part(), lane) {
            (true, Some(index)) => self.keep_part(key, index),
            (true, None) => {
                self.detach(key);
                self.ledger.remove(key);
                self.tear(tag, effects);
            }
            (false, _) if entry.is_request() && self.has_parts(tag) => {
                self.give_up_whole(tag, effects);
            }
            (false, _) => self.give_back(key),
        }
    }

    /// A part of it did not reach the peer that had it.
    fn tear(&mut self, tag: Tag, effects: &mut Effects<H>) {
        for key in self.ledger.keys_of_tag(tag) {
            if let Some(entry) = self.ledger.get_mut(key) {
                entry.is_torn = true;
            }
        }
        effects.arm = true;
    }

    /// Back to the end of its lane's queue.
    fn keep_part(&mut self, key: Key, index: usize) {
        let Some(entry) = self.ledger.get_mut(key) else { return };
        let Some(lane) = &mut self.lanes[index] else { return };
        lane.queued += usize::from(entry.place == Place::Batch(index));
        entry.place = Place::Queued(index);
        lane.queue.push_back(Item::Entry(key));
    }

    pub(super) fn has_parts(&self, tag: Tag) -> bool {
        self.ledger.of_tag(tag).any(Entry::is_part)
    }

    /// No other peer could make anything of the parts that are still to come.
    fn give_up_whole(&mut self, tag: Tag, effects: &mut Effects<H>) {
        for key in self.ledger.keys_of_tag(tag) {
            self.detach(key);
            self.ledger.remove(key);
        }
        self.stats.lost += 1;
        effects.fallen.push((tag, Undelivered::PeerLost));
    }
}
