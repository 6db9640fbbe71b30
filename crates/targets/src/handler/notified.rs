//! Which connections a handler has been told to be gone: once each.

use edge::ConnId;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Connections of either kind that are remembered singly; about 12 bytes each.
const REMEMBERED_MAX: usize = 65_536;

/// What was told, so that a handler which answers notices, however late, can't start a storm.
#[derive(Debug, Default)]
pub(super) struct Notified(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    ended: BTreeSet<u64>,
    /// Below this, replies bring no notice: numbers rise, so these connections are the oldest.
    floor: u64,
    /// Named by replies, and never heard of: those of another handler, or of an earlier process,
    /// which may have higher numbers than any here. Once there are too many, no more are told.
    foreign: BTreeSet<u64>,
}

impl Notified {
    /// `conn` has ended: whether that is still to be told.
    pub(super) fn ends(&self, conn: ConnId) -> bool {
        let mut told = self.told();
        let was_told = told.foreign.remove(&conn.0);
        told.end(conn.0) && !was_told
    }

    /// A reply names `conn`, which is gone: whether that is still to be told. It then counts as
    /// told, unless `forget` is called.
    pub(super) fn is_due(&self, conn: ConnId) -> bool {
        let mut told = self.told();
        let is_new = conn.0 >= told.floor && !told.ended.contains(&conn.0);
        is_new && told.foreign.len() < REMEMBERED_MAX && told.foreign.insert(conn.0)
    }

    /// The notice was not sent, or the connection is alive.
    pub(super) fn forget(&self, conn: ConnId) {
        let mut told = self.told();
        told.ended.remove(&conn.0);
        told.foreign.remove(&conn.0);
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    fn end(&mut self, conn: u64) -> bool {
        let is_new = self.ended.insert(conn);
        if self.ended.len() > REMEMBERED_MAX
            && let Some(oldest) = self.ended.pop_first()
        {
            self.floor = self.floor.max(oldest.saturating_add(1));
            while self.foreign.first().is_some_and(|&first| first < self.floor) {
                self.foreign.pop_first();
            }
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_told_once_whichever_way_it_comes() {
        let notified = Notified::default();
        assert!(notified.ends(ConnId(1)));
        assert!(!notified.is_due(ConnId(1)));
        assert!(notified.is_due(ConnId(2)), "nobody knew it");
        assert!(!notified.is_due(ConnId(2)));
        assert!(!notified.ends(ConnId(2)), "a reply came between its end and this");
        assert!(notified.is_due(ConnId(0)));
        assert!(notified.is_due(ConnId(7)));
        notified.forget(ConnId(7));
        assert!(notified.ends(ConnId(7)), "the number was guessed before its connection came");
    }

    #[test]
    fn a_notice_that_was_not_sent_does_not_count() {
        let notified = Notified::default();
        assert!(notified.ends(ConnId(1)));
        notified.forget(ConnId(1));
        assert!(notified.is_due(ConnId(1)));
        assert!(!notified.is_due(ConnId(1)));
    }

    #[test]
    fn what_is_forgotten_is_not_told_again() {
        let (notified, count) = (Notified::default(), 2 * REMEMBERED_MAX as u64);
        assert!(notified.is_due(ConnId(u64::MAX)), "from the time of another process");
        assert!((1..=count).all(|conn| notified.ends(ConnId(conn))));
        assert!(
            (1..=count).all(|conn| !notified.is_due(ConnId(conn))),
            "a handler answers them all"
        );
        assert!(!notified.is_due(ConnId(u64::MAX)));
        assert!(notified.is_due(ConnId(count + 1)));
        let told = notified.told();
        assert!(told.ended.len() <= REMEMBERED_MAX && told.foreign.len() <= REMEMBERED_MAX);
    }

    #[test]
    fn numbers_of_another_process_do_not_hide_the_ends_of_this_one() {
        let (notified, old) =
            (Notified::default(), 1_000_000..1_000_000 + 2 * REMEMBERED_MAX as u64);
        let told = old.clone().filter(|&conn| notified.is_due(ConnId(conn))).count();
        assert_eq!(told, REMEMBERED_MAX);
        assert!(old.clone().all(|conn| !notified.is_due(ConnId(conn))), "once, or not at all");
        assert!(notified.ends(ConnId(5)));
        assert!(!notified.is_due(ConnId(5)));
        assert!(notified.ends(ConnId(old.end)), "it has come to be a connection of ours");
    }

    #[test]
    fn the_end_of_an_old_connection_is_told() {
        let notified = Notified::default();
        assert!((2..=2 * REMEMBERED_MAX as u64).all(|conn| notified.ends(ConnId(conn))));
        assert!(notified.ends(ConnId(1)));
        assert!(!notified.is_due(ConnId(1)));
    }
}
