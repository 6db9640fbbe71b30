//! What waits for a lane, and which of the lanes with room it gets.

use super::{Effects, Fleet, Item, Lane};
use crate::link::events::{Delivery, Notice};
use crate::link::fleet::overdue::Trust;
use crate::link::ledger::Place;
use crate::link::slab::Key;
use crate::link::spec::Balance;

/// What a lane is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Something that is sent for the first time.
    Once,
    Again,
    Notice,
}

/// Where what is given to a lane next comes from.
#[derive(Debug, Clone, Copy)]
enum Source {
    Returned,
    Waiting,
    Notices,
}

impl<H: Clone> Fleet<H> {
    /// A lane with room, by the link's rule. Only requests that are sent once take part in trials,
    /// and notices are no work.
    pub(super) fn choose(&mut self, need: Need) -> Option<usize> {
        let count = self.lanes.len();
        let has_choice = self.has_choice();
        let mut best: Option<(usize, usize)> = None;
        for step in 0..count {
            let index = (self.cursor + step) % count;
            let Some(lane) = &self.lanes[index] else { continue };
            if !self.has_room(lane, need) || has_choice && !lane.trust.suffices(need != Need::Once)
            {
                continue;
            }
            if best.is_none_or(|(_, pending)| lane.pending < pending) {
                best = Some((index, lane.pending));
            }
            if self.limits.balance == Balance::RoundRobin || lane.pending == 0 {
                break;
            }
        }
        let (index, _) = best?;
        self.cursor = index + 1;
        Some(index)
    }

    pub(super) fn has_room(&self, lane: &Lane<H>, need: Need) -> bool {
        !lane.stalled
            && !lane.farewell.is_due_or_said()
            && lane.queued + lane.batch.len() < self.limits.peer_queue_max
            && (need == Need::Notice || lane.pending < self.limits.pending_max)
    }

    pub(super) fn assign(&mut self, key: Key, index: usize, effects: &mut Effects<H>) {
        let Some(lane) = &mut self.lanes[index] else { return };
        let Some(entry) = self.ledger.get_mut(key) else { return };
        entry.place = Place::Queued(index);
        match entry.delivery {
            Delivery::Request { .. } => lane.pending += 1,
            // Not even the end of its connection takes it back.
            Delivery::Message { tag } => self.notices.shown(tag.conn),
            Delivery::Part { .. } => {}
        }
        if let Trust::Trial { period } = lane.trust {
            lane.trust = Trust::None { until: entry.accepted + period, period };
        }
        lane.push(Item::Entry(key), effects);
    }

    fn assign_notice(&mut self, notice: Notice, index: usize, effects: &mut Effects<H>) {
        if let Some(lane) = &mut self.lanes[index] {
            lane.push(Item::Notice(notice), effects);
        }
    }

    /// Gives what waits to lanes with room.
    pub(super) fn drain(&mut self, effects: &mut Effects<H>) {
        while let Some(source) = self.next_source() {
            let Some(index) = self.choose(self.need(source)) else { return };
            let key = match source {
                Source::Returned => self.returned.pop_front(),
                Source::Waiting => self.waiting.pop_front().map(|(_, key)| key),
                Source::Notices => {
                    if let Some(notice) = self.notices.next() {
                        self.assign_notice(notice, index, effects);
                    }
                    continue;
                }
            };
            let Some(key) = key else { return };
            self.waiting_count -= 1;
            self.assign(key, index, effects);
        }
    }

    fn need(&self, source: Source) -> Need {
        let front = match source {
            Source::Returned => self.returned.front().copied(),
            Source::Waiting => self.waiting.front().map(|&(_, key)| key),
            Source::Notices => return Need::Notice,
        };
        let entry = front.and_then(|key| self.ledger.get(key));
        if entry.is_some_and(|entry| entry.retries > 0) { Need::Again } else { Need::Once }
    }

    /// Which queue goes on, its front being of something that is there.
    fn next_source(&mut self) -> Option<Source> {
        let mut waiting = None;
        if self.waiting_count > 0 {
            while let Some(&key) = self.returned.front() {
                if self.ledger.get(key).is_some() {
                    return Some(Source::Returned);
                }
                self.returned.pop_front();
            }
            while let Some(&(number, key)) = self.waiting.front() {
                if self.ledger.get(key).is_some() {
                    waiting = Some(number);
                    break;
                }
                self.waiting.pop_front();
            }
        }
        if self.notices.is_next(waiting) {
            return Some(Source::Notices);
        }
        waiting.map(|_| Source::Waiting)
    }

    /// Keeps the queues from growing by keys of what was answered while it waited.
    pub(super) fn compact(&mut self) {
        let keys = self.returned.len() + self.waiting.len();
        if keys > 2 * self.waiting_count + COMPACT_SLACK {
            self.returned.retain(|&key| self.ledger.get(key).is_some());
            self.waiting.retain(|&(_, key)| self.ledger.get(key).is_some());
        }
    }
}

/// Stale keys that are not worth a sweep.
pub(super) const COMPACT_SLACK: usize = 64;
