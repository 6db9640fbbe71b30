//! Requests of peers that are there and can't answer: an answer was lost, or nobody publishes, or
//! one publisher fewer than there are peers.

use std::time::Instant;

use super::{Effects, Fleet};
use crate::link::events::Undelivered;
use crate::link::ledger::{Entry, Place};
use crate::link::slab::Key;

impl<H: Clone> Fleet<H> {
    /// An answer is lost that a peer has sent whose handle is `meant`, or any peer if none is. What
    /// these have by now is not waited for without end.
    pub(in crate::link) fn lapse(
        &mut self,
        meant: impl Fn(&H) -> bool,
        now: Instant,
    ) -> Effects<H> {
        let lanes = || self.lanes.iter().flatten();
        let is_known = lanes().any(|lane| meant(&lane.handle));
        let concerned = lanes().filter(|lane| !is_known || meant(&lane.handle));
        let firsts: Vec<Key> = concerned.filter_map(|lane| lane.held.first).collect();
        for first in firsts {
            let mut next = Some(first);
            while let Some(entry) = next.and_then(|key| self.ledger.get_mut(key)) {
                entry.lapsed.get_or_insert(now);
                next = entry.next_of_peer();
            }
        }
        Effects { arm: true, ..Effects::default() }
    }

    /// When a request that a peer has is given up though the peer is there.
    fn hopeless_at(&self, key: Key) -> Option<Instant> {
        let entry = self.ledger.get(key)?;
        let lapsed = entry.lapsed.map(|at| at + self.limits.orphan_patience);
        let silent_since = self.orphans.silent_since(entry.given);
        let unheard = silent_since.map(|at| at + self.limits.silence_patience);
        [lapsed, unheard, self.mute_until(entry)].into_iter().flatten().min()
    }

    /// How long a peer is waited for of which nothing has been heard since a publisher left, alone,
    /// and did not come back: it may have been its own.
    fn mute_until(&self, entry: &Entry) -> Option<Instant> {
        let since = self.orphans.mute_since(self.lane_of.len())?;
        let (Place::Batch(index) | Place::Held(index)) = entry.place else { return None };
        let lane = self.lanes[index].as_ref()?;
        let is_mute = lane.since <= since && lane.answered.is_none_or(|at| at <= since);
        is_mute.then(|| since.max(entry.given) + self.limits.orphan_patience)
    }

    fn is_mute(&self, key: Key, now: Instant) -> bool {
        let until = self.ledger.get(key).and_then(|entry| self.mute_until(entry));
        until.is_some_and(|at| at <= now)
    }

    /// When `settle_hopeless` has something to do. What a peer has is in the order of time.
    pub(super) fn next_hopeless(&self) -> Option<Instant> {
        let firsts = self.lanes.iter().flatten().filter_map(|lane| lane.held.first);
        firsts.filter_map(|key| self.hopeless_at(key)).min()
    }

    /// Gives up what is not waited for any longer, or asks another peer, if one may be heard.
    pub(super) fn settle_hopeless(&mut self, now: Instant, effects: &mut Effects<H>) {
        for index in 0..self.lanes.len() {
            let first = |lanes: &Self| lanes.lanes[index].as_ref().and_then(|lane| lane.held.first);
            while let Some(key) = first(self)
                && self.hopeless_at(key).is_some_and(|at| at <= now)
            {
                if self.is_mute(key, now) {
                    let (tag, period) =
                        (self.ledger.get(key).map(Entry::tag), self.limits.orphan_patience);
                    self.doubt(index, now + period, period);
                    if self.repeat(key, now) {
                        effects.repeated.extend(tag);
                        continue;
                    }
                }
                self.stats.lost += 1;
                if let Some(lane) = &mut self.lanes[index] {
                    lane.lost += 1;
                }
                self.give_up(key, Undelivered::PeerLost, effects);
            }
        }
    }
}
