//! Who gets what, by pure calls: no sockets, time as it is given.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::NotRetired;
use crate::link::events::{News, Overdue};
use crate::link::spec::Balance;
use crate::link::stats::{PeerName, PeerState};

struct Table {
    fleet: Fleet<PeerId>,
    start: Instant,
    fallen: Vec<(u64, Undelivered)>,
    woken: Vec<PeerId>,
    /// When `expire` will be called.
    alarm: Option<Instant>,
}

/// Where peers may have something at once.
fn table(limits: LinkLimits) -> Table {
    table_as_is(LinkLimits { arrival_grace: Duration::ZERO, ..limits })
}

fn table_as_is(limits: LinkLimits) -> Table {
    Table {
        fleet: Fleet::new(limits),
        start: Instant::now(),
        fallen: Vec::new(),
        woken: Vec::new(),
        alarm: None,
    }
}

fn tag(conn: u64) -> Tag {
    Tag { conn, exchange: 1 }
}

fn request(conn: u64, replayable: bool) -> Outgoing {
    let delivery = Delivery::Request { tag: tag(conn), replayable };
    Outgoing { message: conn.to_string().into(), delivery }
}

fn message(conn: u64) -> Outgoing {
    let delivery = Delivery::Message { tag: tag(conn) };
    Outgoing { message: format!("m{conn}").into(), delivery }
}

impl Table {
    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    fn note(&mut self, effects: Effects<PeerId>) {
        self.woken.extend(effects.wake.into_iter().map(|(peer, _)| peer));
        self.fallen.extend(effects.fallen.into_iter().map(|(tag, why)| (tag.conn, why)));
        let due = self.fleet.next_expiry();
        if effects.arm {
            self.alarm = due;
        }
        if let Some(due) = due {
            assert!(self.alarm.is_some_and(|alarm| alarm <= due), "nobody is told of the time");
        }
    }

    fn send(&mut self, outgoing: Outgoing, second: u64) -> Result<(), NotSent> {
        let effects = self.fleet.send(outgoing, self.at(second))?;
        self.note(effects);
        Ok(())
    }

    fn bye(&mut self, conn: u64) -> Result<(), NotSent> {
        let effects = self.fleet.notify(Notice { conn, news: News::Left })?;
        self.note(effects);
        Ok(())
    }

    fn requests(&mut self, conns: impl IntoIterator<Item = u64>) {
        for conn in conns {
            self.send(request(conn, true), 0).unwrap();
        }
    }

    fn join(&mut self, peer: PeerId) {
        let effects = self.fleet.joined(peer, peer, self.at(0));
        self.note(effects);
    }

    fn publish(&mut self) {
        self.publish_at(0);
    }

    fn publish_at(&mut self, second: u64) {
        let effects = self.fleet.publisher_joined(self.at(second));
        self.note(effects);
    }

    fn take(&mut self, peer: PeerId) -> String {
        let mut batch = Vec::new();
        let effects = self.fleet.take(peer, self.at(1), |given| {
            batch.push(match given {
                Given::Message(message) => String::from_utf8_lossy(&message).into_owned(),
                Given::Notice(notice) => format!("bye{}", notice.conn),
            });
        });
        self.note(effects);
        batch.join(" ")
    }

    fn overdue(&mut self, conn: u64, second: u64) -> Overdue {
        let patience = Duration::from_secs(2);
        let (overdue, effects) = self.fleet.overdue(tag(conn), patience, self.at(second));
        self.note(effects);
        overdue
    }

    fn stalled(&mut self, peer: PeerId, kept: usize) {
        let effects = self.fleet.stalled(peer, kept);
        self.note(effects);
    }

    fn leave(&mut self, peer: PeerId, written: usize) {
        self.leave_at(peer, written, 2);
    }

    fn leave_at(&mut self, peer: PeerId, written: usize, second: u64) {
        let effects = self.fleet.left(peer, written, Parting::Closed, self.at(second));
        self.note(effects);
    }

    fn unpublish(&mut self, second: u64) {
        let effects = self.fleet.publisher_left(Parting::Closed, self.at(second));
        self.note(effects);
    }

    fn answer(&mut self, conn: u64) -> Holders {
        let effects = self.fleet.answered(tag(conn), self.at(3));
        let holders = effects.holders;
        self.note(effects);
        holders
    }

    fn abandon(&mut self, conn: u64) {
        let effects = self.fleet.abandon(tag(conn));
        self.note(effects);
    }

    fn begin(&mut self, conn: u64) {
        let effects = self.fleet.begun(tag(conn), self.at(3));
        self.note(effects);
    }

    fn expire(&mut self, second: u64) {
        let effects = self.fleet.expire(self.at(second));
        self.alarm = self.fleet.next_expiry();
        self.note(effects);
        assert!(self.alarm.is_none_or(|alarm| alarm > self.at(second)), "it would spin");
    }

    fn stats(&self) -> LinkStats {
        let name = |peer: &PeerId| PeerName {
            address: peer.to_string(),
            identity: Bytes::new(),
            version: (3, 1),
            proved: String::new(),
        };
        self.fleet.stats(self.at(3), name)
    }
}

fn without_grace() -> LinkLimits {
    LinkLimits { orphan_grace: Duration::ZERO, ..LinkLimits::default() }
}

#[test]
fn round_robin_over_all_peers() {
    let mut t = table(LinkLimits::default());
    [1, 2, 3].into_iter().for_each(|peer| t.join(peer));
    t.requests(0..7);
    assert_eq!([1, 2, 3].map(|peer| t.take(peer)), ["0 3 6", "1 4", "2 5"]);
}

#[test]
fn least_pending_looks_at_what_is_unanswered() {
    let mut t = table(LinkLimits { balance: Balance::LeastPending, ..LinkLimits::default() });
    [1, 2].into_iter().for_each(|peer| t.join(peer));
    t.requests(0..4);
    assert_eq!([1, 2].map(|peer| t.take(peer)), ["0 2", "1 3"]);
    t.answer(1);
    t.answer(3);
    t.requests(4..7);
    assert_eq!([1, 2].map(|peer| t.take(peer)), ["6", "4 5"]);
}

#[test]
fn an_arriving_peer_gets_what_waits_in_order() {
    let mut t = table(LinkLimits::default());
    t.requests(0..4);
    t.answer(2);
    assert_eq!(t.stats().queued, 3);
    t.join(1);
    assert_eq!(t.take(1), "0 1 3");
    assert_eq!((t.stats().queued, t.stats().open), (0, 3));
}

#[test]
fn a_new_peer_gets_nothing_before_its_answers_can_be_heard() {
    let seconds = Duration::from_secs;
    let mut t = table_as_is(LinkLimits {
        arrival_grace: seconds(4),
        arrival_patience: seconds(5),
        ..LinkLimits::default()
    });
    t.requests([0]);
    t.join(1);
    assert_eq!(t.take(1), "", "nobody publishes yet");
    assert_eq!(t.fleet.next_expiry(), Some(t.at(5)));
    t.publish();
    t.bye(9).unwrap();
    t.requests([1]);
    assert_eq!((t.take(1).as_str(), t.fleet.next_expiry()), ("", Some(t.at(4))));
    assert_eq!(t.stats().peers[0].state, PeerState::New);
    t.expire(4);
    assert_eq!(t.take(1), "0 bye9 1");
    // A second one comes, and its publisher does not, or not yet: it is not waited for long.
    t.join(2);
    t.send(request(2, true), 4).unwrap();
    assert_eq!((t.take(1).as_str(), t.take(2).as_str()), ("2", ""));
    t.send(request(3, true), 5).unwrap();
    t.send(request(4, true), 5).unwrap();
    assert_eq!((t.take(1).as_str(), t.take(2).as_str()), ("4", "3"));
    // One that leaves again is not waited for.
    t.join(3);
    t.leave(3, 0);
    t.requests([5]);
    assert_eq!(t.fleet.arrivals.count, 0);
}

#[test]
fn notices_do_not_count_as_turns() {
    let mut t = table(LinkLimits::default());
    (1..=2).for_each(|peer| t.join(peer));
    for conn in 1..=4 {
        t.requests([conn]);
        t.answer(conn);
        t.bye(conn).unwrap();
    }
    let mut got = [t.take(1), t.take(2)].map(|taken| taken.matches("bye").count());
    got.sort_unstable();
    assert_eq!((got, t.stats().sent), ([2, 2], 0));
    t.requests([5, 6]);
    assert_eq!([t.take(1), t.take(2)].map(|taken| taken.len()), [1, 1]);
}

#[test]
fn clients_that_have_left_keep_nobody_out() {
    let mut t = table(LinkLimits { queue_max: 2, ..LinkLimits::default() });
    for conn in 0..6 {
        t.requests([conn]);
        if conn < 3 {
            t.abandon(conn);
        } else if conn == 4 {
            assert_eq!(t.send(request(9, true), 0), Err(NotSent::QueueFull));
            t.answer(3);
        }
    }
    assert_eq!(
        (t.stats().queued, t.stats().refused),
        (4, 2),
        "the third of those that left, and 9"
    );
    t.join(1);
    assert_eq!(t.take(1), "0 1 4 5");
    assert_eq!(t.fleet.waiting_abandoned, 0);
}

#[test]
fn a_full_queue_refuses() {
    let mut t = table(LinkLimits { queue_max: 2, peer_queue_max: 1, ..LinkLimits::default() });
    t.join(1);
    t.requests(0..3);
    assert_eq!(t.send(request(3, true), 0), Err(NotSent::QueueFull));
    assert_eq!(t.stats().refused, 1);
    assert_eq!(t.take(1), "0");
    assert_eq!(t.take(1), "1");
    t.requests([4]);
    assert_eq!([t.take(1), t.take(1), t.take(1)], ["2", "4", ""]);
}

#[test]
fn a_sleeping_peer_is_woken_once() {
    let mut t = table(LinkLimits::default());
    t.join(1);
    t.requests([0]);
    assert_eq!(t.woken, [], "a new peer takes without being woken");
    assert_eq!([t.take(1), t.take(1)], ["0", ""]);
    t.requests([1, 2]);
    assert_eq!(t.woken, [1]);
}

#[test]
fn notices_and_messages_wait_for_a_peer() {
    let mut t = table(LinkLimits::default());
    t.bye(5).unwrap();
    t.send(message(7), 0).unwrap();
    t.join(1);
    t.bye(6).unwrap();
    assert_eq!([t.take(1), t.take(1)], ["bye5 m7 bye6", ""]);
    let stats = t.stats();
    assert_eq!((stats.notices_dropped, stats.open, stats.sent), (0, 0, 3));
    t.leave(1, 0);
    t.send(message(7), 0).unwrap();
    t.expire(100);
    assert_eq!(t.fallen, [(7, Undelivered::NoHandler)]);
}

#[test]
fn what_waits_too_long_is_given_up() {
    let mut t = table(LinkLimits { pending_max: 1, ..LinkLimits::default() });
    t.send(request(0, true), 0).unwrap();
    t.send(request(1, true), 5).unwrap();
    assert_eq!(t.fleet.next_expiry(), Some(t.at(10)));
    t.expire(9);
    assert_eq!(t.fallen, []);
    t.expire(10);
    assert_eq!(t.fallen, [(0, Undelivered::NoHandler)]);
    t.join(1);
    t.publish();
    t.send(request(2, true), 6).unwrap();
    assert_eq!(t.fleet.next_expiry(), Some(t.at(16)));
    t.expire(16);
    assert_eq!(t.fallen[1..], [(2, Undelivered::Busy)]);
    assert_eq!((t.take(1).as_str(), t.fleet.next_expiry()), ("1", None));
    assert_eq!(t.stats().timeouts, 2);
}

#[test]
fn pending_max_frees_with_each_answer() {
    let mut t = table(LinkLimits { pending_max: 2, ..LinkLimits::default() });
    t.join(1);
    t.requests(0..4);
    assert_eq!([t.take(1), t.take(1)], ["0 1", ""]);
    t.answer(1);
    assert_eq!(t.woken, [1]);
    assert_eq!(t.take(1), "2");
    assert_eq!(t.stats().peers[0].pending, 2);
}

#[test]
fn a_lost_peers_requests_go_on() {
    let mut t = table(LinkLimits { retries: 1, ..without_grace() });
    t.join(1);
    t.send(request(0, true), 0).unwrap();
    t.send(request(1, false), 0).unwrap();
    t.send(request(2, true), 0).unwrap();
    assert_eq!(t.take(1), "0 1 2");
    t.send(request(3, false), 0).unwrap();
    t.send(request(4, true), 0).unwrap();
    assert_eq!(t.take(1), "3 4");
    t.send(request(5, false), 0).unwrap();
    t.answer(2);
    // 3 was written, 4 not; 5 was not even taken.
    t.leave(1, 1);
    assert_eq!(t.fallen, [(1, Undelivered::PeerLost), (3, Undelivered::PeerLost)]);
    t.join(2);
    assert_eq!([t.take(2), t.take(2)], ["0 4 5", ""]);
    t.leave(2, 0);
    assert_eq!(t.fallen[2..], [(0, Undelivered::PeerLost), (5, Undelivered::PeerLost)]);
    let stats = t.stats();
    assert_eq!((stats.retries, stats.lost, stats.queued, stats.open), (2, 4, 1, 1));
}

#[test]
fn a_lost_peers_requests_go_to_the_others_after_the_grace() {
    let mut t = table(LinkLimits::default());
    [1, 2].into_iter().for_each(|peer| t.join(peer));
    t.requests(0..4);
    assert_eq!([1, 2].map(|peer| t.take(peer)), ["0 2", "1 3"]);
    assert_eq!(t.take(2), "");
    t.leave(1, 2);
    assert_eq!((t.take(2).as_str(), t.stats().orphaned, t.stats().open), ("", 2, 4));
    t.expire(3);
    assert_eq!(t.woken, [2]);
    assert_eq!(t.take(2), "0 2");
    assert_eq!(t.stats().orphaned, 0);
}

#[test]
fn an_answer_that_comes_after_its_peer_has_left_counts() {
    let mut t = table(LinkLimits::default());
    t.join(1);
    t.requests([0]);
    t.send(request(1, false), 0).unwrap();
    t.send(request(2, false), 0).unwrap();
    assert_eq!(t.take(1), "0 1 2");
    t.leave(1, 3);
    assert_eq!(t.fleet.next_expiry(), Some(t.at(2) + Duration::from_millis(500)));
    assert_eq!([0, 1].map(|conn| t.answer(conn)), [Holders::One; 2]);
    t.join(2);
    t.expire(3);
    assert_eq!(t.take(2), "");
    assert_eq!(t.fallen, [(2, Undelivered::PeerLost)]);
    let stats = t.stats();
    assert_eq!((stats.retries, stats.lost, stats.open, stats.orphaned), (0, 1, 0, 0));
    assert_eq!(t.fleet.next_expiry(), None);
}

#[test]
fn what_was_not_written_does_not_wait_for_the_grace() {
    let mut t = table(LinkLimits::default());
    [1, 2].into_iter().for_each(|peer| t.join(peer));
    t.requests(0..4);
    assert_eq!(t.take(1), "0 2");
    t.leave(1, 1);
    assert_eq!(t.take(2), "1 3 2");
    assert_eq!(t.stats().orphaned, 1);
}

#[test]
fn an_answer_that_has_begun_is_not_asked_for_again() {
    let mut t = table(LinkLimits::default());
    t.join(1);
    t.requests(0..3);
    assert_eq!(t.take(1), "0 1 2");
    t.begin(0);
    t.leave(1, 3);
    t.begin(1);
    t.expire(3);
    assert_eq!(t.fallen, [(0, Undelivered::PeerLost), (1, Undelivered::PeerLost)]);
    t.join(2);
    assert_eq!(t.take(2), "2");
    assert_eq!(t.answer(2), Holders::Several);
}

#[test]
fn an_answer_that_begins_late_ends_the_second_try() {
    for queued in [false, true] {
        let mut t = table(LinkLimits::default());
        t.join(1);
        t.requests([0, 1]);
        assert_eq!(t.take(1), "0 1");
        t.leave(1, 2);
        t.expire(3);
        if queued {
            t.join(2);
        }
        t.begin(0);
        if !queued {
            t.join(2);
        }
        assert_eq!([t.take(2), t.take(2)], ["1", ""]);
        let stats = t.stats();
        assert_eq!((stats.orphaned, stats.queued, stats.peers[0].pending), (1, 0, 1));
        t.expire(4);
        assert_eq!(t.fallen, [(0, Undelivered::PeerLost)]);
    }
}

#[test]
fn a_request_that_waits_for_its_first_peer_is_sent_whatever_its_client_has_had() {
    let mut t = table(LinkLimits::default());
    t.requests([0]);
    t.begin(0);
    t.join(1);
    assert_eq!(t.take(1), "0");
    assert_eq!(t.answer(0), Holders::One);
}

#[test]
fn changed_limits_hold_for_what_is_there() {
    let mut t = table(LinkLimits { pending_max: 1, ..LinkLimits::default() });
    t.join(1);
    t.requests(0..4);
    assert_eq!(t.take(1), "0");
    let limits = LinkLimits { queue_timeout: Duration::from_secs(2), ..LinkLimits::default() };
    let limits = LinkLimits { pending_max: 2, ..limits };
    let effects = t.fleet.adopt(limits.clone());
    assert!(effects.arm);
    t.note(effects);
    assert_eq!(t.take(1), "1");
    assert_eq!(t.fleet.next_expiry(), Some(t.at(2)));
    let effects = t.fleet.adopt(LinkLimits { queue_max: 2, ..limits });
    t.note(effects);
    assert_eq!(t.send(request(4, true), 0), Err(NotSent::QueueFull));
}

#[test]
fn a_late_answer_is_asked_of_another_peer() {
    let mut t = table(LinkLimits { retries: 1, ..LinkLimits::default() });
    t.join(1);
    t.join(2);
    t.requests([10]);
    t.send(request(11, false), 0).unwrap();
    assert_eq!((t.take(1), t.take(2)), ("10".into(), "11".into()));
    // Both were taken at 1 s.
    assert_eq!(t.overdue(10, 2), Overdue::Wait(Duration::from_secs(1)));
    assert_eq!(t.overdue(10, 3), Overdue::Repeated);
    assert_eq!(t.overdue(10, 3), Overdue::Wait(Duration::from_secs(2)), "it has no peer yet");
    assert_eq!(t.take(2), "10");
    assert_eq!(t.overdue(10, 9), Overdue::GiveUp, "no second retry");
    assert_eq!(t.overdue(11, 9), Overdue::GiveUp, "not idempotent");
    assert_eq!(t.answer(10), Holders::Several);
    assert_eq!(t.answer(11), Holders::One);
    assert_eq!((t.stats().open, t.stats().retries), (0, 1));
    assert_eq!(t.stats().peers.iter().map(|peer| peer.retries).collect::<Vec<_>>(), [1, 0]);
}

#[test]
fn whoever_is_late_gets_one_request_to_show_that_it_is_well() {
    let mut t = table(LinkLimits::default());
    (1..=2).for_each(|peer| t.join(peer));
    t.requests(10..=11);
    assert_eq!((t.take(1), t.take(2)), ("10".into(), "11".into()));
    assert_eq!(t.overdue(10, 3), Overdue::Repeated);
    t.requests(12..=13);
    assert_eq!((t.take(1), t.take(2)), (String::new(), "10 12 13".into()));
    // It has let a request wait for 2 s, and is passed over for so long.
    (14..=18).for_each(|conn| t.send(request(conn, true), 5).unwrap());
    assert_eq!((t.take(1), t.take(2)), ("14".into(), "15 16 17 18".into()));
    t.answer(14);
    (20..=21).for_each(|conn| t.send(request(conn, true), 5).unwrap());
    assert_eq!((t.take(1), t.take(2)), ("20".into(), "21".into()));
}

/// One has a stream for ever, the other was late: nobody hangs, and the late one is tried again.
#[test]
fn what_waits_beside_a_peer_in_doubt_is_given_up_or_tried_in_time() {
    let mut t = table(LinkLimits { pending_max: 1, ..LinkLimits::default() });
    (1..=2).for_each(|peer| t.join(peer));
    t.publish();
    t.requests(10..=11);
    assert_eq!((t.take(1), t.take(2)), ("10".into(), "11".into()));
    t.begin(11);
    assert_eq!(t.overdue(10, 3), Overdue::Repeated);
    t.send(request(12, true), 4).unwrap();
    t.send(request(13, true), 4).unwrap();
    // It has let a request wait for 2 s. The trial is for one that it has not had.
    assert_eq!(t.fleet.next_expiry(), Some(t.at(5)));
    t.expire(5);
    assert_eq!(t.take(1), "12");
    t.expire(14);
    let (late, busy) = ((10, Undelivered::Busy), (13, Undelivered::Busy));
    assert_eq!(t.fallen, [late, busy]);
}

#[test]
fn an_answer_shows_that_a_peer_is_well_before_anything_else_waits_for_it() {
    let mut t = table(LinkLimits { pending_max: 1, ..LinkLimits::default() });
    (1..=2).for_each(|peer| t.join(peer));
    t.requests(10..=11);
    assert_eq!((t.take(1), t.take(2)), ("10".into(), "11".into()));
    assert_eq!(t.overdue(10, 3), Overdue::Repeated);
    t.answer(10);
    t.requests(12..=13);
    assert_eq!((t.take(1), t.take(2)), (String::new(), String::new()));
    t.expire(5);
    assert_eq!(t.take(1), "12");
    t.answer(12);
    assert_eq!(t.take(1), "13");
}

#[test]
fn a_repeated_request_never_goes_to_the_peer_that_is_late_with_it() {
    let mut t = table(LinkLimits::default());
    (1..=2).for_each(|peer| t.join(peer));
    t.requests(10..=11);
    assert_eq!((t.take(1), t.take(2)), ("10".into(), "11".into()));
    t.stalled(2, 1);
    assert_eq!(t.overdue(10, 3), Overdue::GiveUp, "the other does not read");
    assert_eq!(t.take(2), "");
    assert_eq!(t.overdue(10, 3), Overdue::Repeated);
    t.leave(2, 0);
    t.requests([12]);
    assert_eq!(t.take(1), "12");
    assert_eq!(t.stats().queued, 1);
    t.join(3);
    assert_eq!(t.take(3), "10");
}

#[test]
fn what_clients_leave_behind_counts_while_it_is_to_be_written() {
    let mut t = table(LinkLimits { pending_max: 2, ..LinkLimits::default() });
    t.join(1);
    t.requests([0, 1]);
    assert_eq!(t.take(1), "0 1");
    t.requests(2..8);
    (2..7).for_each(|conn| t.abandon(conn));
    t.answer(0);
    assert_eq!(t.stats().queued, 5, "7 is behind 3, 4, 5 and 6");
    t.join(2);
    assert_eq!((t.take(1), t.take(2)), ("2".into(), "3 4".into()));
    // Nobody answers them: they are done with when they are written.
    assert_eq!((t.take(1), t.take(2)), ("5".into(), "6 7".into()));
    t.leave(1, 1);
    t.leave(2, 2);
    assert_eq!(t.stats().open, 2);
}

#[test]
fn peers_in_doubt_are_better_than_none() {
    let mut t = table(LinkLimits::default());
    t.join(1);
    t.requests([10]);
    assert_eq!(t.take(1), "10");
    assert_eq!(t.overdue(10, 5), Overdue::GiveUp, "there is nobody else");
    t.requests([11]);
    assert_eq!(t.take(1), "11");
    t.join(2);
    t.requests([12]);
    assert_eq!(t.take(2), "12");
    t.leave(2, 0);
    assert_eq!(t.take(1), "12");
    t.leave(1, 0);
    t.join(3);
    assert_eq!(t.take(3), "12");
}

#[test]
fn what_a_peer_does_not_read_goes_to_others() {
    let mut t = table(LinkLimits::default());
    [1, 2].into_iter().for_each(|peer| t.join(peer));
    t.requests(0..6);
    assert_eq!(t.take(1), "0 2 4");
    t.requests([6]);
    t.stalled(1, 1);
    t.requests([7]);
    assert_eq!(t.take(2), "1 3 5 2 4 6 7");
    assert_eq!(t.stats().peers[0].pending, 1);
    t.stalled(2, 0);
    assert_eq!(t.stats().queued, 7);
    // It reads again.
    assert_eq!(t.take(1), "1 3 5 2 4 6 7");
}

#[test]
fn a_stalled_peer_does_not_reset_the_clock() {
    let mut t = table(LinkLimits::default());
    t.join(1);
    t.requests(0..3);
    for _ in 0..2 {
        t.take(1);
        t.stalled(1, 1);
    }
    t.expire(10);
    assert_eq!(t.fallen.last(), Some(&(2, Undelivered::Busy)));
}

#[test]
fn one_tag_may_have_several_messages() {
    let mut t = table(LinkLimits { pending_max: 1, ..LinkLimits::default() });
    t.join(1);
    t.requests([9, 7, 8, 7, 7]);
    t.answer(7);
    t.answer(9);
    assert_eq!([t.take(1), t.take(1)], ["8", ""]);
    assert_eq!(t.stats().open, 1);
}

#[test]
fn nothing_is_sent_after_close() {
    let mut t = table(LinkLimits::default());
    t.requests([0, 1, 2]);
    t.join(1);
    assert_eq!(t.take(1), "0 1 2");
    t.leave(1, 1);
    t.fleet.close();
    assert_eq!(t.send(request(3, true), 0), Err(NotSent::Closed));
    assert_eq!(
        t.fleet.give_up_all(),
        [
            (tag(0), Undelivered::PeerLost),
            (tag(1), Undelivered::Closed),
            (tag(2), Undelivered::Closed)
        ]
    );
}

#[test]
fn keys_of_what_was_answered_do_not_pile_up() {
    let mut t = table(LinkLimits::default());
    for conn in 0..10_000 {
        t.requests([conn]);
        t.answer(conn);
    }
    assert!(t.fleet.waiting.len() <= queues::COMPACT_SLACK);
}

impl<H> Fleet<H> {
    fn parts(&self) -> usize {
        let items =
            self.lanes.iter().flatten().flat_map(|lane| lane.queue.iter().chain(&lane.batch));
        let is_part = |item: &&Item| matches!(item, Item::Entry(key) if self.ledger.get(*key).is_some_and(Entry::is_part));
        items.filter(is_part).count()
    }
}

#[test]
fn a_request_whose_parts_came_too_early_goes_to_no_other_peer() {
    for leaves in [false, true] {
        let mut t = table(LinkLimits::default());
        [1, 2].into_iter().for_each(|peer| t.join(peer));
        t.requests([0]);
        t.send(part(0, "a"), 0).unwrap();
        if leaves {
            t.leave(1, 0)
        } else {
            t.stalled(1, 0)
        }
        assert_eq!(t.fallen, [(0, Undelivered::PeerLost)]);
        assert_eq!([1, 2].map(|peer| t.take(peer)), ["", ""]);
        assert_eq!((t.stats().open, t.stats().queued), (0, 0));
    }
}

fn part(conn: u64, text: &'static str) -> Outgoing {
    Outgoing { message: text.into(), delivery: Delivery::Part { tag: tag(conn) } }
}

#[test]
fn parts_go_where_their_request_went() {
    let mut t = table(LinkLimits { peer_queue_max: 2, ..LinkLimits::default() });
    [1, 2, 3].into_iter().for_each(|peer| t.join(peer));
    t.requests(0..3);
    for text in ["a", "b", "c", "d"] {
        t.send(part(1, text), 0).unwrap();
    }
    assert_eq!(t.fleet.standing(tag(1)), Some(Standing::Queued));
    assert_eq!([1, 2, 3].map(|peer| t.take(peer)), ["0", "1 a b c d", "2"]);
    assert_eq!(t.fleet.standing(tag(1)), Some(Standing::Given));
    assert_eq!(t.take(2), "");
    t.send(part(1, "e"), 0).unwrap();
    assert_eq!(t.woken, [2]);
    assert_eq!(t.take(2), "e");
    let stats = t.stats();
    assert_eq!((stats.open, stats.peers[1].pending, stats.peers[1].sent), (4, 1, 5));
    // No part is sent after its request was answered.
    t.answer(1);
    t.send(part(1, "f"), 0).unwrap();
    assert_eq!((t.take(2).as_str(), t.stats().open), ("", 2));
}

#[test]
fn a_part_waits_for_a_peer_that_does_not_read() {
    let mut t = table(LinkLimits::default());
    [1, 2].into_iter().for_each(|peer| t.join(peer));
    t.publish();
    t.send(request(0, false), 0).unwrap();
    assert_eq!([t.take(1), t.take(1)], ["0", ""]);
    for text in ["a", "b", "c"] {
        t.send(part(0, text), 0).unwrap();
    }
    assert_eq!(t.take(1), "a b c");
    t.send(part(0, "d"), 0).unwrap();
    t.stalled(1, 1);
    t.send(part(0, "e"), 0).unwrap();
    assert_eq!((t.take(2).as_str(), t.stats().peers[0].queued), ("", 5));
    t.expire(1000);
    assert_eq!([t.take(1), t.take(1)], ["b c d e", ""]);
    assert_eq!((t.stats().peers[0].queued, t.stats().open), (0, 1));
}

#[test]
fn parts_are_lost_with_their_peer() {
    let mut t = table(LinkLimits::default());
    [1, 2].into_iter().for_each(|peer| t.join(peer));
    t.send(request(0, false), 0).unwrap();
    t.send(part(0, "a"), 0).unwrap();
    assert_eq!(t.take(1), "0 a");
    t.send(part(0, "b"), 0).unwrap();
    t.leave(1, 2);
    t.send(part(0, "c"), 0).unwrap();
    assert_eq!((t.take(2).as_str(), t.stats().open), ("", 1));
    assert_eq!(t.fallen, [], "its answer may be on its way");
    t.expire(3);
    assert_eq!(t.fallen, [(0, Undelivered::PeerLost)]);
    assert_eq!((t.stats().open, t.stats().queued), (0, 0));
}

#[test]
fn a_part_does_not_go_before_its_request() {
    let mut t = table(LinkLimits::default());
    t.requests([0]);
    assert_eq!(t.send(part(0, "a"), 0), Err(NotSent::NoPeer));
}

#[derive(Debug, Clone)]
enum Act {
    Send(bool),
    Answer(usize),
    Join,
    Take(usize),
    Stall(usize, usize),
    Leave(usize, usize),
    Begin(usize),
    Overdue(usize),
    Bye,
    Part(usize),
    Expire,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => any::<bool>().prop_map(Act::Send),
        3 => any::<usize>().prop_map(Act::Answer),
        1 => Just(Act::Join),
        4 => any::<usize>().prop_map(Act::Take),
        1 => (any::<usize>(), 0usize..4).prop_map(|(p, n)| Act::Stall(p, n)),
        1 => (any::<usize>(), 0usize..4).prop_map(|(p, n)| Act::Leave(p, n)),
        1 => any::<usize>().prop_map(Act::Begin),
        1 => any::<usize>().prop_map(Act::Overdue),
        2 => Just(Act::Bye),
        2 => any::<usize>().prop_map(Act::Part),
        1 => Just(Act::Expire),
    ];
    proptest::collection::vec(act, 0..200)
}

proptest! {
    /// Every request accepted is open until it is answered or given up, exactly once; counts agree.
    #[test]
    fn no_request_is_forgotten(acts in acts(), pending_max in 1usize..20, peer_queue_max in 1usize..5) {
        let limits =
            LinkLimits { pending_max, peer_queue_max, queue_max: 10, ..LinkLimits::default() };
        let mut t = table(limits);
        let (mut next, mut open, mut byes) = (0u64, BTreeSet::new(), BTreeSet::new());
        let mut batches: BTreeMap<PeerId, usize> = BTreeMap::new();
        for (second, act) in acts.into_iter().enumerate() {
            let peer = |n: usize, peers: &BTreeMap<PeerId, usize>| {
                peers.keys().nth(n % peers.len().max(1)).copied()
            };
            next += 1;
            match act {
                Act::Send(replayable) => {
                    if t.send(request(next, replayable), second as u64).is_ok() {
                        open.insert(next);
                    }
                }
                Act::Answer(n) => {
                    let conn = open.iter().nth(n % open.len().max(1)).copied();
                    if let Some(conn) = conn {
                        open.remove(&conn);
                        t.answer(conn);
                    }
                }
                Act::Join => {
                    t.join(next);
                    batches.insert(next, 0);
                }
                Act::Take(n) => {
                    if let Some(peer) = peer(n, &batches) {
                        let batch = t.take(peer);
                        let texts: Vec<_> = batch.split_terminator(' ').collect();
                        for text in texts.iter().filter(|text| **text != "part") {
                            if let Some(conn) = text.strip_prefix("bye") {
                                prop_assert!(byes.contains(&conn.parse::<u64>().unwrap()));
                            } else {
                                prop_assert!(open.contains(&text.parse().unwrap()));
                            }
                        }
                        batches.insert(peer, texts.len());
                    }
                }
                Act::Stall(n, kept) => {
                    if let Some(peer) = peer(n, &batches) {
                        t.stalled(peer, kept);
                    }
                }
                Act::Leave(n, written) => {
                    if let Some(peer) = peer(n, &batches) {
                        t.leave(peer, written);
                        batches.remove(&peer);
                    }
                }
                Act::Begin(n) => {
                    if let Some(&conn) = open.iter().nth(n % open.len().max(1)) {
                        t.begin(conn);
                    }
                }
                Act::Overdue(n) => {
                    if let Some(&conn) = open.iter().nth(n % open.len().max(1)) {
                        t.overdue(conn, second as u64 + 1);
                    }
                }
                Act::Bye => {
                    if t.bye(next).is_ok() {
                        byes.insert(next);
                    }
                }
                Act::Part(n) => {
                    if let Some(&conn) = open.iter().nth(n % open.len().max(1)) {
                        t.send(part(conn, "part"), second as u64).ok();
                    }
                }
                Act::Expire => t.expire(second as u64),
            }
            for (conn, _) in t.fallen.drain(..) {
                prop_assert!(open.remove(&conn), "{conn} given up but not open");
            }
            let stats = t.stats();
            let with_peers: usize = stats.peers.iter().map(|peer| peer.pending).sum();
            prop_assert_eq!(stats.open - t.fleet.parts(), open.len());
            prop_assert_eq!(stats.queued + with_peers + stats.orphaned, open.len());
            prop_assert!(stats.notices_dropped > 0 || stats.notices <= byes.len());
            prop_assert!(stats.peers.iter().all(|peer| peer.pending <= pending_max));
        }
        let left: BTreeSet<_> = t.fleet.give_up_all().into_iter().map(|(tag, _)| tag.conn).collect();
        prop_assert_eq!(left, open);
    }
}

#[test]
fn notices_take_no_room_from_requests_and_are_not_given_up() {
    let limits = LinkLimits { queue_max: 2, notices_max: 3, ..LinkLimits::default() };
    let mut t = table(LinkLimits { peer_queue_max: 1, ..limits });
    t.join(1);
    t.requests([1]);
    for conn in 11..=13 {
        t.bye(conn).unwrap();
    }
    assert_eq!(t.bye(14), Err(NotSent::QueueFull));
    t.requests([2, 3]);
    assert_eq!(t.send(request(4, true), 0), Err(NotSent::QueueFull));
    t.expire(100);
    assert_eq!(t.fallen, [(2, Undelivered::Busy), (3, Undelivered::Busy)]);
    let taken: Vec<String> = (0..5).map(|_| t.take(1)).collect();
    assert_eq!(taken, ["1", "bye11", "bye12", "bye13", ""]);
    assert_eq!((t.stats().notices, t.stats().notices_dropped), (0, 1));
}

#[test]
fn a_notice_overtakes_nothing_that_its_client_has_said() {
    let mut t = table(LinkLimits { peer_queue_max: 2, pending_max: 1, ..LinkLimits::default() });
    t.join(1);
    t.requests([1]);
    for outgoing in [message(7), message(8)] {
        t.send(outgoing, 0).unwrap();
    }
    t.bye(7).unwrap();
    t.send(message(9), 0).unwrap();
    t.bye(8).unwrap();
    assert_eq!(t.take(1), "1");
    t.answer(1);
    let taken: Vec<String> = (0..3).map(|_| t.take(1)).collect();
    assert_eq!(taken, ["m7 m8", "bye7 m9", "bye8"]);
}

#[test]
fn a_peer_with_all_the_requests_it_takes_still_hears_notices() {
    let mut t = table(LinkLimits { pending_max: 1, ..LinkLimits::default() });
    t.join(1);
    t.requests([1]);
    assert_eq!(t.take(1), "1");
    t.bye(5).unwrap();
    assert_eq!(t.take(1), "bye5");
}

#[test]
fn notices_of_a_lost_peer_go_on_however_late_the_next_one_comes() {
    let mut t = table(LinkLimits::default());
    [1, 2].into_iter().for_each(|peer| t.join(peer));
    for conn in 11..=14 {
        t.bye(conn).unwrap();
    }
    assert_eq!(t.take(1), "bye11 bye13");
    t.leave(1, 1);
    assert_eq!(t.take(2), "bye12 bye14 bye13");
    t.stalled(2, 1);
    assert_eq!((t.stats().notices, t.stats().peers[0].queued), (2, 1));
    t.leave(2, 1);
    assert_eq!(t.fleet.next_expiry(), None);
    t.expire(1000);
    t.join(3);
    assert_eq!(t.take(3), "bye14 bye13");
}

#[test]
fn a_handler_that_still_publishes_keeps_its_requests() {
    let mut t = table(LinkLimits::default());
    (0..2).for_each(|_| t.publish());
    [1, 2].into_iter().for_each(|peer| t.join(peer));
    t.requests(0..6);
    t.send(request(6, false), 0).unwrap();
    assert_eq!(t.take(1), "0 2 4 6");
    t.begin(4);
    t.leave(1, 4);
    t.expire(10);
    assert_eq!((t.stats().orphaned, t.fallen.len()), (4, 0));
    t.answer(0);
    assert_eq!(t.fleet.next_expiry(), Some(t.at(62)));
    t.expire(62);
    assert_eq!(t.fallen, [(6, Undelivered::PeerLost)], "one may not be sent twice");
    assert_eq!(t.take(2), "1 3 5 2");
    assert_eq!(t.stats().orphaned, 1, "an answer that has begun may take longer");
    let effects = t.fleet.publisher_left(Parting::Closed, t.at(100));
    t.note(effects);
    t.expire(101);
    assert_eq!(t.fallen[1..], [(4, Undelivered::PeerLost)]);
}

#[test]
fn what_a_peer_is_to_be_told_of_it_is_given_first() {
    let mut t = table(LinkLimits::default());
    t.join(1);
    t.fleet.introduce(7);
    t.send(message(7), 0).unwrap();
    let effects = t.fleet.forget(tag(7));
    t.note(effects);
    t.bye(7).unwrap();
    assert_eq!(t.take(1), "m7 bye7");
}

#[test]
fn a_peer_that_never_published_is_not_waited_for() {
    let mut t = table(LinkLimits::default());
    t.publish();
    [1, 2].into_iter().for_each(|peer| t.join(peer));
    t.requests(0..2);
    assert_eq!(t.take(1), "0");
    t.leave(1, 1);
    t.expire(5);
    assert_eq!(t.take(2), "1 0", "the publisher that is there is the other one's");
}

#[test]
fn a_publisher_that_leaves_is_that_of_the_peer_that_left_with_it() {
    for publisher_first in [false, true] {
        let mut t = table(LinkLimits::default());
        for peer in 1..=4 {
            t.publish();
            t.join(peer);
        }
        t.requests(0..3);
        assert_eq!([1, 2, 3].map(|peer| t.take(peer)), ["0", "1", "2"]);
        let at = |t: &Table, millis| t.start + Duration::from_millis(millis);
        // 1 ends in good order; 2 is killed; 4, which has nothing, is killed at the same time.
        let effects = t.fleet.left(1, 1, Parting::Closed, at(&t, 0));
        t.note(effects);
        if publisher_first {
            let effects = t.fleet.publisher_left(Parting::Closed, at(&t, 4990));
            t.note(effects);
        }
        for (peer, millis) in [(2, 5000), (4, 5010)] {
            let effects = t.fleet.left(peer, 1, Parting::Closed, at(&t, millis));
            t.note(effects);
        }
        if !publisher_first {
            let effects = t.fleet.publisher_left(Parting::Closed, at(&t, 5001));
            t.note(effects);
        }
        let effects = t.fleet.publisher_left(Parting::Closed, at(&t, 5011));
        t.note(effects);
        t.expire(6);
        assert_eq!(t.take(3), "1", "{publisher_first}");
        assert_eq!(t.stats().orphaned, 1);
    }
}

#[test]
fn nobody_hears_of_a_client_that_nobody_has_seen() {
    let mut t = table(LinkLimits { queue_max: 1, peer_queue_max: 2, ..LinkLimits::default() });
    for conn in 1..=5 {
        t.fleet.introduce(conn);
    }
    t.join(9);
    // One is taken, one leaves the peer's queue with its client, one waits in vain, one is refused,
    // and one has its message still before it.
    t.requests([1]);
    assert_eq!(t.take(9), "1");
    t.requests([2, 3]);
    assert_eq!(t.send(request(4, true), 0), Err(NotSent::QueueFull));
    t.expire(10);
    t.answer(2);
    t.send(message(5), 10).unwrap();
    for conn in 1..=5 {
        t.bye(conn).unwrap();
    }
    let taken: Vec<String> = (0..4).map(|_| t.take(9)).collect();
    assert_eq!(taken.join(" ").trim_end(), "m5 bye1 bye5");
    assert!(t.fleet.notices.is_empty());
}

/// Two handlers. The connection for requests of the one is cut and comes back, long before, long
/// after or without a cut of its other one; then the other handler dies, whichever of its two ends
/// is seen first. The first handler answers.
#[test]
fn the_end_of_one_handler_is_not_taken_for_that_of_another() {
    for (cut_before, dies_at) in [(None, Some(20)), (Some(5), None), (Some(5), Some(20))] {
        for publisher_first in [false, true] {
            let mut t = table(LinkLimits::default());
            for peer in 1..=2 {
                t.join(peer);
                t.publish();
            }
            t.send(request(1, false), 0).unwrap();
            t.send(request(2, false), 0).unwrap();
            assert_eq!([1, 2].map(|peer| t.take(peer)), ["1", "2"]);
            if let Some(second) = cut_before {
                t.unpublish(second);
                t.publish();
            }
            t.leave_at(1, 1, 10);
            t.join(3);
            if let Some(second) = dies_at {
                if publisher_first {
                    t.unpublish(second);
                    t.leave_at(2, 1, second);
                } else {
                    t.leave_at(2, 1, second);
                    t.unpublish(second);
                }
                t.expire(second + 1);
                assert_eq!(t.fallen, [(2, Undelivered::PeerLost)], "{publisher_first}");
                t.fallen.clear();
            }
            t.expire(60);
            assert_eq!(t.fallen, [], "{cut_before:?} {dies_at:?} {publisher_first}");
            assert_eq!(t.answer(1), Holders::One);
        }
    }
}

#[test]
fn who_has_lost_its_publisher_alone_is_not_waited_for_without_end() {
    let mut t = table(LinkLimits::default());
    for peer in 1..=3 {
        t.join(peer);
        t.publish();
    }
    t.requests([1, 2, 3]);
    t.send(request(4, false), 0).unwrap();
    assert_eq!([1, 2, 3].map(|peer| t.take(peer)), ["1 4", "2", "3"]);
    t.unpublish(2);
    t.expire(3);
    // Whoever answers meanwhile is not the one.
    t.answer(3);
    t.send(request(5, true), 4).unwrap();
    t.send(request(6, true), 4).unwrap();
    t.send(request(7, true), 4).unwrap();
    assert_eq!([1, 2, 3].map(|peer| t.take(peer)), ["7", "5", "6"]);
    t.begin(2);
    t.expire(61);
    assert_eq!((t.fallen.len(), t.stats().retries), (0, 0));
    t.expire(62);
    assert_eq!(t.fallen, [(4, Undelivered::PeerLost)]);
    assert_eq!([1, 2, 3].map(|peer| t.take(peer)), ["", "1", "7"]);
    assert_eq!(t.stats().peers[0].state, PeerState::Late);
}

/// The only handler loses its publisher; another comes, whose publisher is no help to the first.
#[test]
fn a_publisher_that_comes_is_not_taken_for_that_of_another() {
    for comes_back in [false, true] {
        let mut t = table(LinkLimits::default());
        t.join(1);
        t.publish();
        t.unpublish(2);
        t.expire(3);
        t.publish_at(10);
        if comes_back {
            // It was its own: a second later all is well.
            t.expire(12);
            t.publish_at(13);
        }
        t.join(2);
        t.send(request(1, true), 14).unwrap();
        t.send(request(2, true), 14).unwrap();
        assert_eq!([1, 2].map(|peer| t.take(peer)), ["1", "2"]);
        t.answer(2);
        t.expire(100);
        assert_eq!(t.stats().retries, u64::from(!comes_back));
    }
}

#[test]
fn what_a_peer_has_had_is_known_to_have_been_had() {
    for is_closed in [false, true] {
        let mut t = table(LinkLimits::default());
        t.join(1);
        t.requests([0]);
        assert_eq!(t.take(1), "0");
        t.leave(1, 1);
        t.requests([1]);
        // The grace is over: it waits for a second peer, and the first may answer yet.
        t.expire(3);
        assert_eq!((t.stats().queued, t.stats().retries), (2, 1));
        if is_closed {
            let open = t.fleet.give_up_all();
            assert_eq!(open, [(tag(0), Undelivered::PeerLost), (tag(1), Undelivered::Closed)]);
        } else {
            t.expire(13);
            t.fallen.sort_by_key(|(conn, _)| *conn);
            assert_eq!(t.fallen, [(0, Undelivered::Stranded), (1, Undelivered::NoHandler)]);
        }
    }
}

#[test]
fn a_connection_that_ends_without_a_notice_leaves_nothing() {
    let mut t = table(LinkLimits::default());
    (1..=2).for_each(|conn| t.fleet.introduce(conn));
    t.requests(1..=2);
    (1..=2).for_each(|conn| drop(t.fleet.forget(tag(conn))));
    t.fleet.dismiss(1);
    t.bye(2).unwrap();
    t.join(9);
    assert_eq!(t.take(9), "", "no peer knows them");
    assert!(t.fleet.notices.is_empty());
}

#[test]
fn who_may_answer_is_known_wherever_it_is() {
    let mut t = table(LinkLimits::default());
    t.requests(0..5);
    assert_eq!(t.answer(0), Holders::Nobody);
    t.join(1);
    assert_eq!(t.answer(1), Holders::Nobody);
    assert_eq!(t.take(1), "2 3 4");
    assert_eq!(t.answer(2), Holders::One);
    t.leave(1, 3);
    t.expire(3);
    assert_eq!(t.answer(3), Holders::One);
    t.join(2);
    assert_eq!(t.take(2), "4");
    assert_eq!([t.answer(4), t.answer(4)], [Holders::Several, Holders::Nobody]);
}

impl Table {
    fn retire(&mut self, peer: PeerId) -> Result<(), NotRetired> {
        let effects = self.fleet.retire(|handle| *handle == peer, &"last".into())?;
        self.note(effects);
        Ok(())
    }

    fn states(&self) -> Vec<PeerState> {
        self.stats().peers.iter().map(|peer| peer.state).collect()
    }
}

#[test]
fn who_drains_keeps_what_it_has_and_gets_one_last_word() {
    let mut t = table(LinkLimits::default());
    [1, 2].into_iter().for_each(|peer| t.join(peer));
    t.requests(0..2);
    assert_eq!([1, 2].map(|peer| t.take(peer)), ["0", "1"]);
    t.requests(2..6);
    assert_eq!(t.retire(1), Ok(()));
    assert_eq!(t.states(), [PeerState::Draining, PeerState::Ready]);
    // 2 and 4 were queued for it, and go back before what comes later.
    t.requests([6]);
    assert_eq!([1, 2].map(|peer| t.take(peer)), ["last", "3 5 2 4 6"]);
    assert_eq!(t.states(), [PeerState::Drained, PeerState::Ready]);
    assert_eq!((t.retire(1), t.retire(9)), (Ok(()), Err(NotRetired::Unknown)));
    assert_eq!([t.take(1), t.take(1)], ["", ""], "the word is said once");
    t.answer(0);
    t.leave(1, 0);
    assert_eq!((t.fallen.len(), t.stats().lost), (0, 0));
    t.leave(2, 0);
    t.requests([7]);
    t.join(3);
    assert_eq!(t.states(), [PeerState::Ready], "who comes again begins anew");
}

#[test]
fn a_draining_peer_that_sleeps_is_woken_and_one_that_stalls_hears_it_later() {
    let mut t = table(LinkLimits::default());
    t.join(1);
    t.take(1);
    t.retire(1).unwrap();
    assert_eq!(t.woken, [1]);
    assert_eq!(t.take(1), "last");
    t.stalled(1, 0);
    assert_eq!(t.states(), [PeerState::Draining]);
    assert_eq!(t.take(1), "last");
    t.requests([1]);
    assert_eq!((t.take(1).as_str(), t.stats().queued), ("", 1));
    t.expire(11);
    assert_eq!(t.fallen, [(1, Undelivered::Busy)]);
}

#[test]
fn who_drains_still_gets_the_parts_of_what_it_has() {
    let mut t = table(LinkLimits::default());
    [1, 2].into_iter().for_each(|peer| t.join(peer));
    t.requests([0]);
    t.send(part(0, "a"), 0).unwrap();
    t.bye(9).unwrap();
    t.bye(8).unwrap();
    t.retire(1).unwrap();
    t.send(part(0, "b"), 0).unwrap();
    assert_eq!([1, 2].map(|peer| t.take(peer)), ["0 a b last", "bye8 bye9"]);
    t.send(part(0, "c"), 0).unwrap();
    assert_eq!((t.take(1).as_str(), t.fallen.len()), ("c", 0));
    assert_eq!(t.stats().peers[0].queued, 1);
}

#[test]
fn who_holds_a_connections_request_can_be_named_by_it() {
    let mut t = table(LinkLimits::default());
    [1, 2].into_iter().for_each(|peer| t.join(peer));
    t.requests(0..2);
    let word = Bytes::from("last");
    let unwritten = t.fleet.retire_holder(1, &word);
    assert_eq!(unwritten.unwrap_err(), NotRetired::Unknown, "nobody has read it");
    assert_eq!([1, 2].map(|peer| t.take(peer)), ["0", "1"]);
    t.fleet.retire_holder(1, &word).unwrap();
    assert_eq!(t.states(), [PeerState::Ready, PeerState::Draining]);
    t.answer(0);
    assert_eq!(t.fleet.retire_holder(0, &word).unwrap_err(), NotRetired::Unknown, "answered");
}

#[test]
fn an_answers_time_is_counted_once() {
    let mut t = table(LinkLimits::default());
    t.join(1);
    t.requests(0..3);
    t.take(1);
    t.begin(0);
    t.answer(0);
    t.answer(1);
    let effects = t.fleet.forget(tag(2));
    t.note(effects);
    let stats = t.stats();
    assert_eq!((stats.latency.count, stats.peers[0].latency.count), (2, 2));
    assert_eq!(stats.peers[0].since, Duration::from_secs(3));
}

#[test]
fn a_request_that_lacks_a_part_does_not_wait_for_its_answer() {
    for is_queued in [true, false] {
        let mut t = table(LinkLimits::default());
        t.publish();
        t.join(1);
        t.send(request(0, false), 0).unwrap();
        assert_eq!(t.take(1), "0");
        if is_queued {
            t.send(part(0, "a"), 0).unwrap();
        }
        t.leave(1, 1);
        if !is_queued {
            t.expire(5);
            assert_eq!(t.fallen, []);
            t.send(part(0, "a"), 5).unwrap();
        }
        t.expire(6);
        assert_eq!(t.fallen, [(0, Undelivered::PeerLost)]);
    }
}

#[test]
fn after_a_lost_answer_what_peers_had_is_not_waited_for_without_end() {
    let held = |meant: &dyn Fn(&PeerId) -> bool| {
        let mut t = table(LinkLimits::default());
        (1..=2).for_each(|peer| t.join(peer));
        t.publish();
        t.requests(0..4);
        assert_eq!([1, 2].map(|peer| t.take(peer)), ["0 2", "1 3"]);
        t.begin(2);
        let effects = t.fleet.lapse(meant, t.at(5));
        assert!(effects.arm);
        t.note(effects);
        t.answer(0);
        t.requests(4..6);
        assert_eq!([1, 2].map(|peer| t.take(peer)), ["4", "5"]);
        t.expire(64);
        assert_eq!((&t.fallen[..], t.fleet.next_expiry()), (&[][..], Some(t.at(65))));
        t.expire(65);
        assert_eq!(t.fleet.next_expiry(), None, "the rest may take as long as it likes");
        t.expire(1000);
        assert_eq!(t.stats().lost, t.fallen.len() as u64);
        t.fallen
    };
    let lost = Undelivered::PeerLost;
    assert_eq!(held(&|&peer| peer == 1), [(2, lost)]);
    assert_eq!(held(&|_| false), [(2, lost), (1, lost), (3, lost)], "nobody is known to be meant");
}

#[test]
fn while_nobody_publishes_no_request_is_waited_for_without_end() {
    let gone = |t: &mut Table, second| {
        let effects = t.fleet.publisher_left(Parting::Closed, t.at(second));
        t.note(effects);
    };
    // When publishers come and go, what is given up when, and what is not.
    for (case, come, go, want) in [
        ("there never was one", None, None, Some(11)),
        ("the only one leaves", Some(0), Some(5), Some(15)),
        ("it left before", Some(0), Some(0), Some(11)),
        ("it stays", Some(0), None, None),
        ("it comes", Some(4), None, None),
    ] {
        let mut t = table(LinkLimits::default());
        t.join(1);
        let mut was_armed = false;
        for second in 0..6 {
            if come == Some(second) {
                t.publish();
            }
            if go == Some(second) {
                gone(&mut t, second);
            }
            if second == 1 {
                t.requests([0, 1]);
                let effects = t.fleet.take(1, t.at(1), |_| {});
                was_armed = effects.arm;
                t.note(effects);
                t.begin(1);
            }
        }
        assert_eq!(was_armed, come.is_none_or(|come| come > 1 || go == Some(0)), "{case}");
        assert_eq!(t.fleet.next_expiry(), want.map(|want| t.at(want)), "{case}");
        let Some(want) = want else { continue };
        t.expire(want - 1);
        assert_eq!(t.fallen, [], "{case}");
        t.expire(want);
        assert_eq!(t.fallen, [(0, Undelivered::PeerLost), (1, Undelivered::PeerLost)], "{case}");
        let stats = t.stats();
        assert_eq!((stats.lost, stats.open, stats.peers[0].pending), (2, 0, 0), "{case}");
        assert_eq!(stats.peers[0].lost, 2, "{case}");
    }
}

#[test]
fn who_has_stopped_is_not_waited_for_though_its_publisher_seems_to_be_there() {
    for publisher_first in [false, true] {
        let mut t = table(LinkLimits::default());
        for peer in 1..=3 {
            t.join(peer);
            t.publish();
        }
        t.requests(0..6);
        assert_eq!([1, 2, 3].map(|peer| t.take(peer)), ["0 3", "1 4", "2 5"]);
        t.begin(3);
        // The second one ends in good order, and still answers what it has.
        t.leave(2, 2);
        let publisher_left = |t: &mut Table| {
            let effects = t.fleet.publisher_left(Parting::Silent, t.at(9));
            t.note(effects);
        };
        if publisher_first {
            publisher_left(&mut t);
        }
        let effects = t.fleet.left(1, 2, Parting::Silent, t.at(9));
        t.note(effects);
        assert_eq!(t.fleet.next_expiry(), Some(t.at(9) + Duration::from_millis(500)));
        t.expire(10);
        assert_eq!(t.take(3), "0");
        assert_eq!(t.fallen, [(3, Undelivered::PeerLost)]);
        if !publisher_first {
            publisher_left(&mut t);
        }
        t.expire(11);
        assert_eq!((t.take(3).as_str(), t.stats().orphaned), ("", 2), "whose publisher is there");
        t.expire(62);
        assert_eq!(t.take(3), "1 4");
    }
}

#[test]
fn a_peer_that_may_have_too_much_unread_is_known() {
    let mut t = table(LinkLimits::default());
    t.join(1);
    for conn in 0..500 {
        t.send(message(conn), 0).unwrap();
    }
    while !t.take(1).is_empty() {}
    assert!(!t.fleet.may_be_full(1));
    t.requests([1000, 1001]);
    t.take(1);
    assert!(t.fleet.may_be_full(1));
    assert_eq!(t.fleet.last_sign(1), None);
    t.answer(1000);
    assert_eq!(t.fleet.last_sign(1), Some(t.at(3)));
    assert!(!t.fleet.may_be_full(1), "it has taken all that went before this one");
    assert!(!t.fleet.may_be_full(7), "there is no such peer");
}
