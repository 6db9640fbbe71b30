//! Requests that are not answered in time though their peer is there: it may have been stopped.

use std::time::{Duration, Instant};

use super::{Effects, Fleet, Lane};
use crate::link::events::{Overdue, Tag};
use crate::link::ledger::Place;
use crate::link::slab::Key;

/// Whether a peer is given requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    Full,
    /// It let a request wait for `period`; until then those that are trusted are preferred.
    None {
        until: Instant,
        period: Duration,
    },
    /// One request may show whether it answers again.
    Trial {
        /// Of the next one.
        until: Instant,
        period: Duration,
    },
}

impl Trust {
    /// Whether it is enough while there are peers of full trust.
    pub(super) fn suffices(self, is_repeated: bool) -> bool {
        match self {
            Self::Full => true,
            Self::Trial { .. } => !is_repeated,
            Self::None { .. } => false,
        }
    }
}

impl<H: Clone> Fleet<H> {
    /// The answer to `tag` has not begun though its peer has had `patience`. Another peer is asked
    /// if the request may be sent twice; the first one may still answer, too.
    pub(in crate::link) fn overdue(
        &mut self,
        tag: Tag,
        patience: Duration,
        now: Instant,
    ) -> (Overdue, Effects<H>) {
        let mut effects = Effects::default();
        let mut outcome = Overdue::GiveUp;
        for key in self.ledger.keys_of_tag(tag) {
            let Some(entry) = self.ledger.get(key).filter(|entry| entry.is_request()) else {
                continue;
            };
            // What waits has a deadline of its own.
            if entry.is_unwritten() {
                outcome = Overdue::Wait(patience);
                continue;
            }
            let had = now.duration_since(entry.given);
            if had < patience {
                outcome = Overdue::Wait(patience - had);
                continue;
            }
            if let Place::Batch(lane) | Place::Held(lane) = entry.place {
                self.doubt(lane, now + had, had);
                effects.arm = true;
            }
            if self.repeat(key, now) {
                effects.repeated.push(tag);
                outcome = Overdue::Repeated;
            }
        }
        self.drain(&mut effects);
        (outcome, effects)
    }

    /// To the front of the link's queue, as an entry of its own: the peer that has it is still to
    /// finish the batch it stands in.
    pub(super) fn repeat(&mut self, key: Key, now: Instant) -> bool {
        let Some(entry) = self.ledger.get(key) else { return false };
        let may_be = entry.is_replayable() && entry.retries < self.limits.retries;
        let late_peer = match entry.place {
            Place::Batch(lane) | Place::Held(lane) => {
                self.lanes[lane].as_ref().map(|lane| lane.peer)
            }
            _ => entry.late_peer,
        };
        let is_other = |lane: &Lane<H>| lane.reads() && Some(lane.peer) != late_peer;
        if !may_be || self.closed || !self.lanes.iter().flatten().any(is_other) {
            return false;
        }
        if let Place::Batch(lane) | Place::Held(lane) = entry.place
            && let Some(lane) = &mut self.lanes[lane]
        {
            lane.retries += 1;
        }
        self.detach(key);
        let Some(entry) = self.ledger.remove(key) else { return false };
        let again = self.ledger.insert(entry.message, entry.delivery, now);
        if let Some(again) = self.ledger.get_mut(again) {
            again.retries = entry.retries + 1;
            again.is_contested = true;
            again.late_peer = late_peer;
        }
        self.stats.retries += 1;
        self.waiting_count += 1;
        self.returned.push_back(again);
        true
    }

    pub(super) fn doubt(&mut self, index: usize, until: Instant, period: Duration) {
        let Some(lane) = &mut self.lanes[index] else { return };
        self.doubted += usize::from(lane.trust == Trust::Full);
        lane.trust = Trust::None { until, period };
    }

    /// An answer of this peer has begun.
    pub(super) fn trust(&mut self, index: usize) {
        let Some(lane) = &mut self.lanes[index] else { return };
        self.doubted -= usize::from(lane.trust != Trust::Full);
        lane.trust = Trust::Full;
    }

    /// Those that have been passed over for long enough are tried again.
    pub(super) fn grant_trials(&mut self, now: Instant) {
        if self.doubted == 0 {
            return;
        }
        for lane in self.lanes.iter_mut().flatten() {
            if let Trust::None { until, period } = lane.trust
                && until <= now
            {
                lane.trust = Trust::Trial { until: now + period, period };
            }
        }
    }

    /// When the next one is tried again, if something waits for it.
    pub(super) fn next_trial(&self) -> Option<Instant> {
        let until = |lane: &Lane<H>| match lane.trust {
            Trust::None { until, .. } => Some(until),
            Trust::Full | Trust::Trial { .. } => None,
        };
        let is_awaited = self.doubted > 0 && self.waiting_count > 0;
        is_awaited.then(|| self.lanes.iter().flatten().filter_map(until).min()).flatten()
    }

    /// Whether those in doubt are passed over: somebody else is there.
    pub(super) fn has_choice(&self) -> bool {
        let is_well =
            |lane: &Lane<H>| lane.trust == Trust::Full && lane.reads() && !lane.is_arriving;
        self.doubted > 0 && self.lanes.iter().flatten().any(is_well)
    }
}
