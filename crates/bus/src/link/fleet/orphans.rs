//! Requests whose peer has left: their answers travel on connections of their own and may still
//! come.

use std::time::Instant;

use super::{Effects, Fleet, Item};
use crate::link::events::{Tag, Undelivered};
use crate::link::ledger::Place;
use crate::link::slab::Key;

impl<H: Clone> Fleet<H> {
    /// The first of a tag's answer was seen: a second answer to it must never come.
    pub(in crate::link) fn begun(&mut self, tag: Tag, now: Instant) -> Effects<H> {
        let mut effects = Effects::default();
        self.clock(tag, now);
        for key in self.ledger.keys_of_tag(tag) {
            // On its way to a second peer, while the first, which has left, does answer.
            if self.ledger.get(key).is_some_and(|entry| entry.retries > 0 && entry.is_unwritten()) {
                self.unqueue(key);
                self.orphan(key, now);
                effects.arm = true;
            }
            if let Some(entry) = self.ledger.get_mut(key) {
                entry.forbid_replay();
                if let Place::Batch(lane) | Place::Held(lane) = entry.place {
                    self.trust(lane);
                }
            }
        }
        self.drain(&mut effects);
        effects
    }

    /// Off the queue it is in, which has no longer a use for its key.
    fn unqueue(&mut self, key: Key) {
        match self.ledger.get(key).map(|entry| entry.place) {
            Some(Place::Waiting) => {
                self.returned.retain(|&queued| queued != key);
                self.waiting.retain(|&(_, queued)| queued != key);
            }
            Some(Place::Queued(index)) => {
                if let Some(lane) = &mut self.lanes[index] {
                    lane.queue.retain(|&queued| queued != Item::Entry(key));
                }
            }
            _ => {}
        }
    }

    /// From wherever it is to those whose peer has left.
    pub(super) fn orphan(&mut self, key: Key, now: Instant) {
        self.detach(key);
        let Some(entry) = self.ledger.get_mut(key) else { return };
        entry.place = Place::Orphaned;
        self.orphan_count += 1;
        self.orphans.push_back((now, key));
    }

    pub(super) fn is_orphaned(&self, key: Key) -> bool {
        self.ledger.get(key).is_some_and(|entry| entry.place == Place::Orphaned)
    }

    /// The grace is over for those whose peers have been gone for long enough.
    pub(super) fn settle_orphans(&mut self, now: Instant, effects: &mut Effects<H>) {
        while let Some(&(left, key)) = self.orphans.front() {
            let is_due = now.duration_since(left) >= self.limits.orphan_grace;
            let is_orphaned = self.is_orphaned(key);
            if is_orphaned && !is_due {
                return;
            }
            self.orphans.pop_front();
            let Some(entry) = self.ledger.get_mut(key).filter(|_| is_orphaned) else { continue };
            if entry.is_replayable() && entry.retries < self.limits.retries && !self.closed {
                entry.retries += 1;
                entry.accepted = now;
                self.stats.retries += 1;
                effects.repeated.push(entry.tag());
                self.give_back(key);
            } else {
                self.stats.lost += u64::from(!self.closed);
                self.give_up(key, Undelivered::PeerLost, effects);
            }
        }
    }
}
