//! What waits for a lane, and which of the lanes with room it gets.

use super::{Effects, Fleet, Item, Lane};
use crate::link::events::{Delivery, Notice};
use crate::link::fleet::overdue::Trust;
use crate::link::ledger::Place;
use crate::link::slab::Key;
use crate::link::spec::Balance;
use zmtp::PeerId;

/// What a lane is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Something that is sent for the first time.
    Once,
    /// Something that another peer has had, or this one, which then is not to have it again.
    Again {
        not: Option<PeerId>,
    },
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
        let begin = if need == Need::Notice { self.notice_cursor } else { self.cursor };
        let mut best: Option<(usize, usize)> = None;
        for step in 0..count {
            let index = (begin + step) % count;
            let Some(lane) = &self.lanes[index] else { continue };
            let is_in_doubt = has_choice && !lane.trust.suffices(need != Need::Once);
            if is_in_doubt || !self.has_room(lane, need) {
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
        if need == Need::Notice {
            self.notice_cursor = index + 1;
        } else {
            self.cursor = index + 1;
        }
        Some(index)
    }

    pub(super) fn has_room(&self, lane: &Lane<H>, need: Need) -> bool {
        let takes = match need {
            Need::Notice => true,
            Need::Again { not: Some(peer) } if peer == lane.peer => false,
            Need::Again { .. } | Need::Once => {
                lane.pending + lane.abandoned < self.limits.pending_max
            }
        };
        takes
            && lane.reads()
            && !lane.is_arriving
            && lane.queued + lane.batch.len() < self.limits.peer_queue_max
    }

    pub(super) fn assign(&mut self, key: Key, index: usize, effects: &mut Effects<H>) {
        let Some(lane) = &mut self.lanes[index] else { return };
        let Some(entry) = self.ledger.get_mut(key) else { return };
        entry.place = Place::Queued(index);
        match entry.delivery {
            Delivery::Request { .. } => lane.pending += 1,
            // Not even the end of its connection takes it back.
            Delivery::Message { tag } => {
                lane.abandoned += usize::from(entry.is_abandoned);
                self.notices.shown(tag.conn);
            }
            Delivery::Part { .. } => {}
        }
        if let Trust::Trial { until, period } = lane.trust {
            lane.trust = Trust::None { until, period };
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
        let mut barred = Vec::new();
        while let Some(source) = self.next_source() {
            let need = self.need(source);
            let Some(index) = self.choose(need) else {
                if let Need::Again { not: Some(_) } = need {
                    // There may be room for others where it must not go.
                    barred.extend(self.returned.pop_front());
                    continue;
                }
                break;
            };
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
            let Some(key) = key else { break };
            self.waiting_count -= 1;
            let is_abandoned = self.ledger.get(key).is_some_and(|entry| entry.is_abandoned);
            self.waiting_abandoned -= usize::from(is_abandoned);
            self.assign(key, index, effects);
        }
        for key in barred.into_iter().rev() {
            self.returned.push_front(key);
        }
    }

    fn need(&self, source: Source) -> Need {
        let front = match source {
            Source::Returned => self.returned.front().copied(),
            Source::Waiting => self.waiting.front().map(|&(_, key)| key),
            Source::Notices => return Need::Notice,
        };
        let entry = front.and_then(|key| self.ledger.get(key));
        match entry.filter(|entry| entry.retries > 0) {
            Some(entry) => Need::Again { not: entry.late_peer },
            None => Need::Once,
        }
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
