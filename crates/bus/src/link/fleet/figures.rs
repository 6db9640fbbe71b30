//! What a fleet can tell about itself.

use std::time::Instant;

use super::farewell::Farewell;
use super::overdue::Trust;
use super::queues::Need;
use super::{Fleet, Lane};
use crate::link::stats::{LinkStats, PeerName, PeerState, PeerStats};

impl<H: Clone> Fleet<H> {
    /// The figures; `describe` names a peer.
    pub(in crate::link) fn stats(
        &self,
        now: Instant,
        describe: impl Fn(&H) -> PeerName,
    ) -> LinkStats {
        let peer = |lane: &Lane<H>| {
            let oldest = lane.held.first.and_then(|key| self.ledger.get(key));
            PeerStats {
                name: describe(&lane.handle),
                since: now.saturating_duration_since(lane.since),
                state: self.state(lane, now),
                latency: lane.latencies.summary(),
                queued: lane.queued + lane.batch.len(),
                pending: lane.pending,
                oldest: oldest.map(|entry| now.duration_since(entry.given)),
                sent: lane.sent,
                retries: lane.retries,
                lost: lane.lost,
            }
        };
        LinkStats {
            peers: self.lanes.iter().flatten().map(peer).collect(),
            queued: self.waiting_count,
            notices: self.notices.len(),
            open: self.ledger.len(),
            orphaned: self.orphans.count,
            latency: self.latencies.summary(),
            ..self.stats.clone()
        }
    }

    fn state(&self, lane: &Lane<H>, now: Instant) -> PeerState {
        let is_new = lane.is_arriving && self.admitted_at(lane) > now;
        match &lane.farewell {
            Farewell::Due(_) => PeerState::Draining,
            Farewell::Said(_) => PeerState::Drained,
            Farewell::None if is_new => PeerState::New,
            Farewell::None if lane.stalled => PeerState::Stalled,
            Farewell::None if lane.trust != Trust::Full => PeerState::Late,
            // Who is not new any more is let in when there is something to give.
            Farewell::None if lane.is_arriving => PeerState::Ready,
            Farewell::None if self.has_room(lane, Need::Once) => PeerState::Ready,
            Farewell::None => PeerState::Full,
        }
    }
}
