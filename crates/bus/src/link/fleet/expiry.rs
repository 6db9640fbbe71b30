//! What has waited for too long, and when that is.

use std::time::Instant;

use super::{Effects, Fleet};
use crate::link::events::Undelivered;
use crate::link::slab::Key;

impl<H: Clone> Fleet<H> {
    /// Gives up what has waited for too long, and what nobody will answer any more.
    pub(in crate::link) fn expire(&mut self, now: Instant) -> Effects<H> {
        let mut effects = Effects::default();
        self.grant_trials(now);
        self.admit(now);
        self.settle_orphans(now, &mut effects);
        self.settle_hopeless(now, &mut effects);
        self.drain(&mut effects);
        let why = if self.lane_of.is_empty() { Undelivered::NoHandler } else { Undelivered::Busy };
        let due = |accepted: Instant| now.duration_since(accepted) >= self.limits.queue_timeout;
        let mut late: Vec<Key> = Vec::new();
        // What came back is not in order of time; what was sent is.
        self.returned.retain(|&key| match self.ledger.get(key) {
            Some(entry) if due(entry.accepted) => {
                late.push(key);
                false
            }
            entry => entry.is_some(),
        });
        while let Some(&(_, key)) = self.waiting.front() {
            if self.ledger.get(key).is_some_and(|entry| !due(entry.accepted)) {
                break;
            }
            self.waiting.pop_front();
            late.push(key);
        }
        for key in late {
            let Some(entry) = self.ledger.get(key) else { continue };
            let has_lost_its_peer = entry.retries > 0 && !entry.is_contested;
            let why = if has_lost_its_peer { Undelivered::Stranded } else { why };
            self.stats.timeouts += 1;
            self.give_up(key, why, &mut effects);
        }
        self.drain(&mut effects);
        effects
    }

    /// When `expire` has something to do.
    pub(in crate::link) fn next_expiry(&self) -> Option<Instant> {
        let others =
            [self.next_orphan(), self.next_hopeless(), self.next_trial(), self.next_arrival()];
        let soonest = others.into_iter().flatten().min();
        if self.waiting_count == 0 {
            return soonest;
        }
        let accepted = |key: Key| self.ledger.get(key).map(|entry| entry.accepted);
        let oldest = self.returned.iter().filter_map(|&key| accepted(key)).min();
        let front = self.waiting.iter().find_map(|&(_, key)| accepted(key));
        let oldest = oldest.into_iter().chain(front).min();
        let late = oldest.map(|oldest| oldest + self.limits.queue_timeout);
        soonest.into_iter().chain(late).min()
    }
}
