//! Peers that have just come: what they publish may not be heard yet.
//!
//! A handler connects two sockets, and ZeroMQ's PUB drops what it is given before our subscription
//! has reached it. So a peer is given nothing for a moment, until its publisher has had time to
//! hear of us: else the first requests of a handler that comes could never be answered.

use std::time::Instant;

use super::{Effects, Fleet, Lane};

/// Who has come last.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// Lanes that wait to be admitted.
    pub(super) count: usize,
    /// When a publisher has come last.
    published: Option<Instant>,
}

impl<H: Clone> Fleet<H> {
    /// A peer that sends answers has come.
    pub(in crate::link) fn publisher_joined(&mut self, now: Instant) -> Effects<H> {
        self.orphans.publisher_joined();
        self.arrivals.published = Some(now);
        Effects { arm: self.arrivals.count > 0, ..Effects::default() }
    }

    /// Whether each peer has its publisher. One that has just come may be of a peer that is yet to
    /// come.
    pub(super) fn match_publishers(&mut self, now: Instant) {
        let latest = self.arrivals.published.map(|at| at + self.limits.arrival_patience);
        if self.orphans.publishers() >= self.lane_of.len() && latest.is_none_or(|at| at <= now) {
            self.orphans.are_whole();
        }
    }

    /// When a lane may be given something. As many publishers as lanes: its own is there. A handler
    /// may do without, or share one among many, so that is not awaited for long.
    pub(super) fn admitted_at(&self, lane: &Lane<H>) -> Instant {
        let latest = lane.since + self.limits.arrival_patience;
        if self.orphans.publishers() < self.lane_of.len() {
            return latest;
        }
        let whole = self.arrivals.published.map_or(lane.since, |at| at.max(lane.since));
        latest.min(whole + self.limits.arrival_grace)
    }

    /// When `admit` has something to do, if anything waits.
    pub(super) fn next_arrival(&self) -> Option<Instant> {
        if self.arrivals.count == 0 || self.waiting_count + self.notices.len() == 0 {
            return None;
        }
        let arriving = self.lanes.iter().flatten().filter(|lane| lane.is_arriving);
        arriving.map(|lane| self.admitted_at(lane)).min()
    }

    /// Lets in whoever has been there for long enough; whether anybody was.
    pub(super) fn admit(&mut self, now: Instant) -> bool {
        if self.arrivals.count == 0 {
            return false;
        }
        let before = self.arrivals.count;
        for index in 0..self.lanes.len() {
            let Some(lane) = self.lanes[index].as_ref().filter(|lane| lane.is_arriving) else {
                continue;
            };
            if self.admitted_at(lane) <= now
                && let Some(lane) = &mut self.lanes[index]
            {
                lane.is_arriving = false;
                self.arrivals.count -= 1;
            }
        }
        self.arrivals.count < before
    }
}
