//! Which peer gets which message, and what becomes of it when a peer goes: pure, time is an
//! argument.

mod abandoned;
mod arrivals;
mod expiry;
mod farewell;
mod figures;
mod hopeless;
mod notices;
mod orphans;
mod overdue;
mod parts;
mod queues;

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;
use std::mem;
use std::time::Instant;

use bytes::Bytes;
use smallvec::SmallVec;
use zmtp::PeerId;

use self::arrivals::Arrivals;
use self::farewell::Farewell;
use self::notices::Notices;
use self::orphans::Orphans;
pub(super) use self::orphans::Parting;
use self::overdue::Trust;
use self::queues::Need;
use super::events::{Delivery, Holders, NotSent, Notice, Outgoing, Standing, Tag, Undelivered};
use super::latency::Latencies;
use super::ledger::{Ends, Entry, IdHasher, Ledger, Place};
use super::slab::Key;
use super::spec::LinkLimits;
use super::stats::LinkStats;

/// The peers of a link, their queues, and the queue of what waits for one. `H` is a peer's handle.
///
/// Invariant: while something waits, no peer has room; so what comes later can't overtake it.
#[derive(Debug)]
pub(super) struct Fleet<H> {
    limits: LinkLimits,
    ledger: Ledger,
    lanes: Vec<Option<Lane<H>>>,
    lane_of: HashMap<PeerId, usize, BuildHasherDefault<IdHasher>>,
    /// Where the round of messages goes on, and that of notices.
    cursor: usize,
    notice_cursor: usize,
    /// What came back from peers goes before what has waited since it was sent. Both may hold keys
    /// of entries that are gone.
    returned: VecDeque<Key>,
    /// Each with its number in the order of sending.
    waiting: VecDeque<(u64, Key)>,
    /// How many have been put into `waiting`.
    last_waiting: u64,
    /// Entries in `returned` and `waiting` that are not gone.
    waiting_count: usize,
    /// Those of them whose clients have left.
    waiting_abandoned: usize,
    notices: Notices,
    orphans: Orphans,
    arrivals: Arrivals,
    /// Lanes that are not trusted.
    doubted: usize,
    closed: bool,
    stats: LinkStats,
    latencies: Latencies,
}

/// One peer's queue.
#[derive(Debug)]
struct Lane<H> {
    peer: PeerId,
    handle: H,
    /// May hold keys of entries that are gone.
    queue: VecDeque<Item>,
    queued: usize,
    batch: Vec<Item>,
    /// Requests in the batch, and those written and unanswered, in order.
    held: Ends,
    /// Requests in the queue, in the batch and held.
    pending: usize,
    /// Abandoned ones in the queue and in the batch.
    abandoned: usize,
    sent: u64,
    /// Requests taken from it because it was late, and those given up while it was there.
    retries: u64,
    lost: u64,
    /// How many messages it has been given, and which of them it is known to have taken from its
    /// own queue, because it has answered it.
    given: u64,
    consumed: u64,
    /// When it last began to answer.
    answered: Option<Instant>,
    since: Instant,
    latencies: Latencies,
    farewell: Farewell,
    /// Its task will call `take` without being woken.
    awake: bool,
    /// It has just come; nothing is given to it yet.
    is_arriving: bool,
    /// It does not read; nothing more is given to it.
    stalled: bool,
    trust: Trust,
}

/// What a lane holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Entry(Key),
    Notice(Notice),
}

/// What a peer is to be written.
#[derive(Debug)]
pub(super) enum Given {
    Message(Bytes),
    Notice(Notice),
}

/// What the caller has to do after the lock is released.
#[derive(Debug)]
pub(super) struct Effects<H> {
    /// And whether it has nothing to do.
    pub(super) wake: SmallVec<[(H, bool); 1]>,
    pub(super) fallen: Vec<(Tag, Undelivered)>,
    /// On their way to a second peer.
    pub(super) repeated: SmallVec<[Tag; 1]>,
    /// Who may answer what was answered.
    pub(super) holders: Holders,
    /// A peer is given what somebody waits to be given.
    pub(super) is_given: bool,
    /// Something waits that did not before: there is a time for `expire`.
    pub(super) arm: bool,
}

impl<H> Default for Effects<H> {
    fn default() -> Self {
        Self {
            wake: SmallVec::new(),
            fallen: Vec::new(),
            repeated: SmallVec::new(),
            holders: Holders::Nobody,
            is_given: false,
            arm: false,
        }
    }
}

impl<H: Clone> Fleet<H> {
    pub(super) fn new(limits: LinkLimits) -> Self {
        Self {
            limits,
            ledger: Ledger::default(),
            lanes: Vec::new(),
            lane_of: HashMap::default(),
            cursor: 0,
            notice_cursor: 0,
            returned: VecDeque::new(),
            waiting: VecDeque::new(),
            last_waiting: 0,
            waiting_count: 0,
            waiting_abandoned: 0,
            notices: Notices::default(),
            orphans: Orphans::default(),
            arrivals: Arrivals::default(),
            doubted: 0,
            closed: false,
            stats: LinkStats::default(),
            latencies: Latencies::default(),
        }
    }

    pub(super) fn send(&mut self, outgoing: Outgoing, now: Instant) -> Result<Effects<H>, NotSent> {
        let Outgoing { message, delivery } = outgoing;
        if self.closed {
            return Err(NotSent::Closed);
        }
        let mut effects = Effects::default();
        if let Delivery::Part { tag } = delivery {
            self.send_part(tag, message, now, &mut effects)?;
            return Ok(effects);
        }
        self.grant_trials(now);
        if self.admit(now) {
            self.drain(&mut effects);
        }
        if let Some(lane) = self.choose(Need::Once) {
            let key = self.ledger.insert(message, delivery, now);
            self.assign(key, lane, &mut effects);
            return Ok(effects);
        }
        if self.waiting_count - self.waiting_abandoned >= self.limits.queue_max {
            self.stats.refused += 1;
            return Err(NotSent::QueueFull);
        }
        let key = self.ledger.insert(message, delivery, now);
        self.last_waiting += 1;
        self.waiting.push_back((self.last_waiting, key));
        self.waiting_count += 1;
        effects.arm = self.waiting_count == 1;
        Ok(effects)
    }

    /// Whether peers have been given all messages of a tag. If not, that it happens is told.
    pub(super) fn is_given(&mut self, tag: Tag) -> bool {
        if self.standing(tag).is_none_or(|standing| standing == Standing::Given) {
            return true;
        }
        for key in self.ledger.keys_of_tag(tag) {
            if let Some(entry) = self.ledger.get_mut(key) {
                entry.is_awaited = true;
            }
        }
        false
    }

    /// How far the messages of a tag have come.
    pub(super) fn standing(&self, tag: Tag) -> Option<Standing> {
        let standing = |entry: &Entry| match entry.place {
            Place::Waiting => Standing::Waiting,
            Place::Queued(_) => Standing::Queued,
            Place::Batch(_) | Place::Held(_) | Place::Orphaned => Standing::Given,
        };
        self.ledger.of_tag(tag).map(standing).min()
    }

    /// The answer is there: how long it took is counted, unless its beginning was.
    pub(super) fn answered(&mut self, tag: Tag, now: Instant) -> Effects<H> {
        self.clock(tag, now);
        self.forget(tag)
    }

    /// Counts how long the answer to `tag` took, once; who answers is trusted.
    fn clock(&mut self, tag: Tag, now: Instant) {
        for key in self.ledger.keys_of_tag(tag) {
            let Some(entry) = self.ledger.get_mut(key).filter(|entry| entry.is_request()) else {
                continue;
            };
            if entry.is_unwritten() || mem::replace(&mut entry.is_clocked, true) {
                continue;
            }
            let took = now.saturating_duration_since(entry.given);
            let (place, number, is_contested) = (entry.place, entry.number, entry.is_contested);
            self.latencies.record(took);
            let (Place::Batch(index) | Place::Held(index)) = place else { continue };
            if let Some(lane) = &mut self.lanes[index] {
                lane.latencies.record(took);
                if !is_contested {
                    lane.consumed = lane.consumed.max(number);
                    lane.answered = Some(now);
                }
            }
            self.trust(index);
        }
    }

    /// Whatever has this tag is over, answered or not.
    pub(super) fn forget(&mut self, tag: Tag) -> Effects<H> {
        let mut effects = Effects::default();
        for key in self.ledger.keys_of_tag(tag) {
            let Some(entry) = self.ledger.get(key) else { continue };
            effects.holders = effects.holders.max(entry.holders());
            // Its peer counts as one that knows the connection, and will hear of its end.
            if entry.is_message() && matches!(entry.place, Place::Queued(_)) {
                continue;
            }
            self.detach(key);
            self.ledger.remove(key);
        }
        self.drain(&mut effects);
        self.compact();
        effects
    }

    /// Other limits from now on, for what is there already, too.
    pub(super) fn adopt(&mut self, limits: LinkLimits) -> Effects<H> {
        self.limits = limits;
        let mut effects = Effects { arm: true, ..Effects::default() };
        self.drain(&mut effects);
        effects
    }

    pub(super) fn joined(&mut self, peer: PeerId, handle: H, now: Instant) -> Effects<H> {
        self.match_publishers(now);
        let lane = Lane {
            peer,
            handle,
            queue: VecDeque::new(),
            queued: 0,
            batch: Vec::new(),
            held: Ends::default(),
            pending: 0,
            abandoned: 0,
            sent: 0,
            retries: 0,
            lost: 0,
            given: 0,
            consumed: 0,
            answered: None,
            since: now,
            latencies: Latencies::default(),
            farewell: Farewell::None,
            awake: true,
            is_arriving: !self.limits.arrival_grace.is_zero(),
            stalled: false,
            trust: Trust::Full,
        };
        let free = self.lanes.iter().position(Option::is_none);
        let index = free.unwrap_or_else(|| {
            self.lanes.push(None);
            self.lanes.len() - 1
        });
        self.lanes[index] = Some(lane);
        self.lane_of.insert(peer, index);
        self.arrivals.count += usize::from(!self.limits.arrival_grace.is_zero());
        let mut effects = Effects { arm: true, ..Effects::default() };
        self.drain(&mut effects);
        effects
    }

    /// The peer has been written its last batch; the next one goes to `give`.
    pub(super) fn take(
        &mut self,
        peer: PeerId,
        now: Instant,
        mut give: impl FnMut(Given),
    ) -> Effects<H> {
        let mut effects = Effects::default();
        let Some(&index) = self.lane_of.get(&peer) else { return effects };
        self.settle(index, usize::MAX);
        if let Some(lane) = &mut self.lanes[index] {
            lane.stalled = false;
            lane.awake = true;
        }
        self.drain(&mut effects);
        let Some(lane) = &mut self.lanes[index] else { return effects };
        let had_none = lane.held.first.is_none();
        let mut bytes = 0;
        while lane.batch.len() < BATCH_MESSAGES_MAX && bytes < BATCH_BYTES_MAX {
            let Some(item) = lane.queue.pop_front() else { break };
            lane.given += 1;
            match item {
                Item::Notice(notice) => give(Given::Notice(notice)),
                Item::Entry(key) => {
                    let Some(entry) = self.ledger.get_mut(key) else { continue };
                    entry.place = Place::Batch(index);
                    entry.given = now;
                    entry.number = lane.given;
                    effects.is_given |= entry.is_awaited;
                    bytes += entry.message.len();
                    give(Given::Message(entry.message.clone()));
                    if let Delivery::Request { tag, .. } = entry.delivery {
                        self.notices.shown(tag.conn);
                        self.ledger.hold(&mut lane.held, key);
                    }
                }
            }
            lane.queued -= 1;
            lane.batch.push(item);
        }
        effects.arm |= had_none && self.orphans.has_missing(self.lane_of.len());
        let is_last = lane.queue.is_empty() && lane.farewell.say(|word| give(Given::Message(word)));
        lane.awake = is_last || !lane.batch.is_empty();
        effects
    }

    /// The peer does not read; of its batch, all but the first `kept` come back.
    pub(super) fn stalled(&mut self, peer: PeerId, kept: usize) -> Effects<H> {
        let mut effects = Effects::default();
        let Some(&index) = self.lane_of.get(&peer) else { return effects };
        let Some(lane) = &mut self.lanes[index] else { return effects };
        lane.stalled = true;
        if kept <= lane.batch.len() {
            lane.farewell.unsay();
        }
        let mut back = lane.batch.split_off(kept.min(lane.batch.len()));
        let is_notice = |item: &&Item| matches!(item, Item::Notice(_));
        lane.queued -= lane.queue.iter().filter(is_notice).count();
        back.extend(lane.queue.drain(..));
        self.give_all_back(&back, Some(index), &mut effects);
        effects.arm = true;
        self.drain(&mut effects);
        effects
    }

    /// Whether the queue of the peer's own ZeroMQ may be full: libzmq then leaves a PING unread.
    pub(super) fn may_be_full(&self, peer: PeerId) -> bool {
        let lane = self.lane_of.get(&peer).and_then(|&index| self.lanes[index].as_ref());
        lane.is_some_and(|lane| lane.given - lane.consumed > UNREAD_MAX)
    }

    /// When the peer was last known to be well by what it has answered.
    pub(super) fn last_sign(&self, peer: PeerId) -> Option<Instant> {
        self.lanes[*self.lane_of.get(&peer)?].as_ref()?.answered
    }

    /// The peer is gone, after the first `written` messages of its batch; `how` it went says who may
    /// still answer what it had.
    pub(super) fn left(
        &mut self,
        peer: PeerId,
        written: usize,
        how: Parting,
        now: Instant,
    ) -> Effects<H> {
        let mut effects = Effects::default();
        let Some(index) = self.lane_of.remove(&peer) else { return effects };
        self.settle(index, written);
        self.trust(index);
        let Some(lane) = &mut self.lanes[index] else { return effects };
        let mut unwritten = mem::take(&mut lane.batch);
        unwritten.extend(mem::take(&mut lane.queue));
        let mut next = lane.held.first;
        self.orphans.departed(now, how);
        while let Some(key) = next {
            let Some(entry) = self.ledger.get(key) else { break };
            next = entry.next_of_peer();
            if matches!(entry.place, Place::Held(_)) {
                self.orphan(key, how, now);
            }
        }
        self.settle_orphans(now, &mut effects);
        self.give_all_back(&unwritten, None, &mut effects);
        let lane = self.lanes[index].take();
        self.arrivals.count -= usize::from(lane.is_some_and(|lane| lane.is_arriving));
        effects.arm = true;
        self.drain(&mut effects);
        effects
    }

    /// Takes nothing more.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// Forgets everything; names what was open.
    pub(super) fn give_up_all(&mut self) -> Vec<(Tag, Undelivered)> {
        self.closed = true;
        self.lanes.clear();
        self.doubted = 0;
        self.arrivals.count = 0;
        self.lane_of.clear();
        self.returned.clear();
        self.waiting.clear();
        (self.waiting_count, self.waiting_abandoned) = (0, 0);
        self.orphans.clear();
        self.stats.notices_dropped += self.notices.clear() as u64;
        let open = self.ledger.drain().filter(|entry| !entry.is_part()).map(|entry| {
            let nobodys = entry.holders() == Holders::Nobody;
            let why = if nobodys { Undelivered::Closed } else { Undelivered::PeerLost };
            (entry.tag(), why)
        });
        open.collect()
    }

    pub(super) fn peers(&self) -> usize {
        self.lane_of.len()
    }

    /// The first `written` messages of a lane's batch have been written.
    fn settle(&mut self, index: usize, written: usize) {
        let Some(lane) = &mut self.lanes[index] else { return };
        let written = written.min(lane.batch.len());
        lane.sent += written as u64;
        self.stats.sent += written as u64;
        for item in lane.batch.drain(..written) {
            let Item::Entry(key) = item else { continue };
            let Some(entry) = self.ledger.get_mut(key) else { continue };
            if !entry.is_request() {
                lane.abandoned -= usize::from(entry.is_abandoned);
                self.ledger.remove(key);
                continue;
            }
            entry.place = Place::Held(index);
            if !entry.is_replayable() {
                entry.message = Bytes::new();
            }
        }
    }

    /// Takes an entry off whatever list it is on, but not out of the ledger.
    fn detach(&mut self, key: Key) {
        let Some(entry) = self.ledger.get(key) else { return };
        let (is_request, is_abandoned) = (entry.is_request(), entry.is_abandoned);
        let (index, place) = match entry.place {
            Place::Waiting => {
                self.waiting_count -= 1;
                self.waiting_abandoned -= usize::from(is_abandoned);
                return;
            }
            Place::Orphaned => {
                self.orphans.count -= 1;
                return;
            }
            place @ (Place::Queued(index) | Place::Batch(index) | Place::Held(index)) => {
                (index, place)
            }
        };
        let Some(lane) = &mut self.lanes[index] else { return };
        lane.pending -= usize::from(is_request);
        lane.abandoned -= usize::from(is_abandoned);
        match place {
            Place::Queued(_) => lane.queued -= 1,
            _ if is_request => self.ledger.release(&mut lane.held, key),
            _ => {}
        }
    }

    /// From the lane of this number, if it is still there.
    fn give_all_back(&mut self, items: &[Item], lane: Option<usize>, effects: &mut Effects<H>) {
        for item in items {
            if let Item::Entry(key) = *item {
                self.give_back_from(key, lane, effects);
            }
        }
        for item in items.iter().rev() {
            if let Item::Notice(notice) = *item {
                self.notices.give_back(notice);
            }
        }
    }

    /// Back from a lane to the front of the link's queue.
    fn give_back(&mut self, key: Key) {
        self.detach(key);
        let Some(entry) = self.ledger.get_mut(key) else { return };
        entry.place = Place::Waiting;
        self.waiting_count += 1;
        self.waiting_abandoned += usize::from(entry.is_abandoned);
        self.returned.push_back(key);
    }

    fn give_up(&mut self, key: Key, why: Undelivered, effects: &mut Effects<H>) {
        self.detach(key);
        let entry = self.ledger.remove(key);
        effects.fallen.extend(entry.map(|entry| (entry.tag(), why)));
    }
}

impl<H: Clone> Lane<H> {
    /// Whether it is to be given anything, as far as it says itself.
    fn reads(&self) -> bool {
        !self.stalled && !self.farewell.is_due_or_said()
    }

    fn push(&mut self, item: Item, effects: &mut Effects<H>) {
        self.queued += 1;
        self.queue.push_back(item);
        if !mem::replace(&mut self.awake, true) {
            let is_idle = self.pending <= 1;
            effects.wake.push((self.handle.clone(), is_idle));
        }
    }
}

/// Messages and bytes of one batch: enough for a system call to be worth it, little enough that a
/// peer which stops reading does not hold much.
const BATCH_MESSAGES_MAX: usize = 256;
const BATCH_BYTES_MAX: usize = 1 << 20;

/// Messages that may lie unread in a peer's own queue, of which libzmq's holds 1000 unless it is told
/// otherwise.
const UNREAD_MAX: u64 = 500;

#[cfg(test)]
mod tests;
