//! Requests whose peer has left: their answers travel on connections of their own and may still
//! come.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

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
            if let Some(entry) = self.ledger.get_mut(key) {
                entry.has_begun = true;
            }
            // On its way to a second peer, while the first, which has left, does answer.
            if self.ledger.get(key).is_some_and(|entry| entry.retries > 0 && entry.is_unwritten()) {
                self.unqueue(key);
                self.orphan(key, Parting::Closed, now);
                effects.arm = true;
            }
            if let Some(entry) = self.ledger.get_mut(key) {
                effects.holders = effects.holders.max(entry.holders());
                entry.forbid_replay();
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
    pub(super) fn orphan(&mut self, key: Key, how: Parting, now: Instant) {
        self.detach(key);
        let Some(entry) = self.ledger.get_mut(key) else { return };
        entry.place = Place::Orphaned;
        let has_begun = entry.has_begun;
        self.orphans.count += 1;
        // With no publisher but those of the peers that are there, it never had one.
        let is_silent = self.orphans.publishers <= self.lane_of.len() && !has_begun;
        let near = self.limits.orphan_grace * 2;
        let departure = self.orphans.departed(now, how);
        departure.keys.push_back(key);
        if is_silent && !std::mem::replace(&mut departure.is_lost, true) {
            // Its publisher was seen to end first, and is to be blamed on nobody else.
            self.orphans.silenced.pop_if(|at| now.duration_since(*at) <= near);
        }
    }

    fn is_orphaned(&self, key: Key) -> bool {
        self.ledger.get(key).is_some_and(|entry| entry.place == Place::Orphaned)
    }

    /// A peer that sends answers has left: most likely it is who has left the requests, too. One that
    /// was silent is not looked for among those: they are found silent by themselves.
    pub(in crate::link) fn publisher_left(&mut self, how: Parting, now: Instant) -> Effects<H> {
        self.match_publishers(now);
        self.orphans.publishers = self.orphans.publishers.saturating_sub(1);
        if self.orphans.publishers == 0 {
            self.orphans.silent_since = Some(now);
        }
        if how == Parting::Closed {
            self.orphans.silenced.push(now);
        }
        let mut effects = Effects { arm: true, ..Effects::default() };
        self.settle_orphans(now, &mut effects);
        self.drain(&mut effects);
        effects
    }

    /// When `settle_orphans` has something to do.
    pub(super) fn next_orphan(&self) -> Option<Instant> {
        let grace = self.limits.orphan_grace;
        let hope = grace.max(self.limits.orphan_patience);
        let of_departure = |departure: &Departure| {
            let open = |&&key: &&Key| self.is_orphaned(key);
            let is_lost = departure.is_lost || self.orphans.publishers == 0;
            if is_lost {
                return departure.keys.iter().find(open).map(|_| departure.left + grace);
            }
            let wait = |&key: &Key| {
                let entry = self.ledger.get(key).filter(|entry| entry.place == Place::Orphaned)?;
                if entry.is_torn { Some(grace) } else { (!entry.has_begun).then_some(hope) }
            };
            departure.keys.iter().filter_map(wait).min().map(|wait| departure.left + wait)
        };
        let soonest = self.orphans.departures.iter().filter_map(of_departure).min();
        let matters = self.orphans.count > 0 || self.orphans.publishers > 0;
        let silenced = self.orphans.silenced.first().filter(|_| matters);
        silenced.map(|&silenced| silenced + grace).into_iter().chain(soonest).min()
    }

    /// Gives up, or on to others, what nobody is going to answer.
    ///
    /// A handler that is killed takes both its connections with it. One that still publishes may be
    /// about to end, or its connection for requests may come back: it answers what it has, so its
    /// requests stay with it, those whose answer has begun for as long as it is there.
    pub(super) fn settle_orphans(&mut self, now: Instant, effects: &mut Effects<H>) {
        let (grace, patience) = (self.limits.orphan_grace, self.limits.orphan_patience);
        self.orphans.blame(now, grace);
        self.match_publishers(now);
        let mut departures = std::mem::take(&mut self.orphans.departures);
        for departure in &mut departures {
            let gone_for = now.duration_since(departure.left);
            let is_lost = departure.is_lost || self.orphans.publishers == 0;
            departure.keys.retain(|&key| {
                let Some(entry) = self.ledger.get(key) else { return false };
                let is_over = if is_lost || entry.is_torn {
                    gone_for >= grace
                } else {
                    !entry.has_begun && gone_for >= patience.max(grace)
                };
                let is_orphaned = entry.place == Place::Orphaned;
                if is_orphaned && is_over {
                    self.settle_orphan(key, now, effects);
                }
                is_orphaned && !is_over
            });
        }
        departures.retain(|departure| {
            !departure.keys.is_empty() || now.duration_since(departure.left) < grace * 2
        });
        self.orphans.departures = departures;
    }

    fn settle_orphan(&mut self, key: Key, now: Instant, effects: &mut Effects<H>) {
        let Some(entry) = self.ledger.get_mut(key) else { return };
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

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::link) enum Parting {
    /// The peer closed it, or it broke.
    Closed,
    /// The peer did not answer any more: whoever it is has stopped, with all its connections.
    Silent,
}

/// Who has left, and what.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    /// By time. Those that left nothing are kept for a while, so that theirs is not taken for the
    /// publisher of another.
    departures: Vec<Departure>,
    pub(super) count: usize,
    publishers: usize,
    /// Since when there has been none, if there was one.
    silent_since: Option<Instant>,
    /// When publishers left whose requests have not been found yet: which of its two connections
    /// is seen to end first is chance.
    silenced: Vec<Instant>,
    /// When the latest publisher left beside which no peer did.
    unmatched: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Departure {
    left: Instant,
    how: Parting,
    /// May hold keys of entries that are gone, or elsewhere.
    keys: VecDeque<Key>,
    /// Its publisher has left, too, or can't answer any more.
    is_lost: bool,
}

impl Orphans {
    pub(super) fn publishers(&self) -> usize {
        self.publishers
    }

    pub(super) fn publisher_joined(&mut self) {
        self.publishers += 1;
        self.silent_since = None;
    }

    /// The departure of now.
    pub(super) fn departed(&mut self, now: Instant, how: Parting) -> &mut Departure {
        if self.departures.last().is_none_or(|last| (last.left, last.how) != (now, how)) {
            let (keys, is_lost) = (VecDeque::new(), how == Parting::Silent);
            self.departures.push(Departure { left: now, how, keys, is_lost });
        }
        self.departures.last_mut().expect("it was pushed")
    }

    /// As many publish as there are peers: each of them has its own.
    pub(super) fn are_whole(&mut self) {
        self.unmatched = None;
    }

    /// Whether some of `peers`, or all, may have no publisher any more.
    pub(super) fn has_missing(&self, peers: usize) -> bool {
        self.publishers == 0 || self.mute_since(peers).is_some()
    }

    /// Since when one of `peers` has no publisher any more, whichever it is.
    pub(super) fn mute_since(&self, peers: usize) -> Option<Instant> {
        self.unmatched.filter(|_| self.publishers < peers)
    }

    /// Since when, beginning with `given`, there has been nobody to answer.
    pub(super) fn silent_since(&self, given: Instant) -> Option<Instant> {
        let is_silent = self.publishers == 0;
        is_silent.then(|| self.silent_since.map_or(given, |since| since.max(given)))
    }

    pub(super) fn clear(&mut self) {
        self.departures.clear();
        self.silenced.clear();
        self.count = 0;
    }

    /// For each publisher that has been gone for `grace`, finds the peer that left at about the
    /// same time.
    fn blame(&mut self, now: Instant, grace: Duration) {
        let due = self.silenced.iter().take_while(|&&at| now.duration_since(at) >= grace).count();
        for at in self.silenced.drain(..due) {
            let apart = |left: Instant| left.max(at).duration_since(left.min(at));
            // One that ended long before was another's, or has come back.
            let is_of_it =
                |departure: &&mut Departure| !departure.is_lost && departure.left <= at + grace * 2;
            let still_there = self.departures.iter_mut().filter(is_of_it);
            match still_there.min_by_key(|departure| apart(departure.left)) {
                Some(nearest) => nearest.is_lost = true,
                None => self.unmatched = Some(at),
            }
        }
    }
}
