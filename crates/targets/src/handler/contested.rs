//! Connections whose request two handlers have: only the one that answers first is heard.

use bus::{Publisher, Tag};
use edge::ConnId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Entries before those of connections that are gone are looked for, and then each time their
/// number has doubled.
const SWEEP_AT: usize = 256;

/// Empty but for the time between a handler's loss, or its silence, and the answer.
#[derive(Debug, Default)]
pub(super) struct Contested {
    count: AtomicUsize,
    answers: Mutex<Answers>,
}

#[derive(Debug, Default)]
struct Answers {
    of: HashMap<ConnId, Answer>,
    /// How many the last look for those that are gone has left.
    swept: usize,
}

#[derive(Clone, Copy, Debug)]
struct Answer {
    exchange: u64,
    /// Who has begun it.
    from: Option<Publisher>,
}

impl Contested {
    /// A second handler is asked for the answer to `tag`.
    pub(super) fn insert(&self, tag: Tag, is_there: impl Fn(ConnId) -> bool) {
        let mut answers = self.answers();
        if answers.of.len() >= SWEEP_AT.max(2 * answers.swept) {
            answers.of.retain(|&conn, _| is_there(conn));
            answers.swept = answers.of.len();
        }
        let answer = Answer { exchange: tag.exchange, from: None };
        answers.of.entry(ConnId(tag.conn)).or_insert(answer);
        self.count.store(answers.of.len(), Ordering::Release);
    }

    /// The exchange has ended, and the connection with it.
    pub(super) fn remove(&self, conn: ConnId) {
        if self.count.load(Ordering::Acquire) > 0 {
            let mut answers = self.answers();
            answers.of.remove(&conn);
            self.count.store(answers.of.len(), Ordering::Release);
        }
    }

    /// Whether what `from` says to `conn` is passed on.
    pub(super) fn admits(&self, conn: ConnId, from: Publisher) -> bool {
        if self.count.load(Ordering::Acquire) == 0 {
            return true;
        }
        let mut answers = self.answers();
        answers.of.get_mut(&conn).is_none_or(|answer| *answer.from.get_or_insert(from) == from)
    }

    /// Whether what `from` says *of* `conn` counts: another has not begun the answer.
    pub(super) fn hears(&self, conn: ConnId, from: Publisher) -> bool {
        if self.count.load(Ordering::Acquire) == 0 {
            return true;
        }
        let answers = self.answers();
        let begun_by = answers.of.get(&conn).and_then(|answer| answer.from);
        begun_by.is_none_or(|by| by == from)
    }

    /// What `from` has begun and will not end.
    pub(super) fn begun_by(&self, from: Publisher) -> Vec<Tag> {
        if self.count.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let answers = self.answers();
        let begun = answers.of.iter().filter(|(_, answer)| answer.from == Some(from));
        begun.map(|(conn, answer)| Tag { conn: conn.0, exchange: answer.exchange }).collect()
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn whoever_answers_first_is_heard() {
        let contested = Contested::default();
        let (conn, other) = (ConnId(7), ConnId(8));
        assert!(contested.admits(conn, 1) && contested.admits(conn, 2));
        contested.insert(Tag { conn: 7, exchange: 3 }, |_| true);
        assert!(contested.begun_by(2).is_empty());
        assert!(
            contested.admits(conn, 2) && !contested.admits(conn, 1) && contested.admits(conn, 2)
        );
        assert!(contested.admits(other, 1));
        assert_eq!(contested.begun_by(2), [Tag { conn: 7, exchange: 3 }]);
        contested.remove(conn);
        assert!(contested.admits(conn, 1));
    }

    #[test]
    fn those_of_connections_that_are_gone_do_not_pile_up() {
        let contested = Contested::default();
        for conn in 0..10 * SWEEP_AT as u64 {
            contested.insert(Tag { conn, exchange: 1 }, |_| false);
        }
        assert!(contested.answers().of.len() <= SWEEP_AT);
    }

    #[test]
    fn those_that_are_there_are_not_looked_at_each_time() {
        let (contested, looks) = (Contested::default(), Cell::new(0));
        for conn in 0..10_000 {
            contested.insert(Tag { conn, exchange: 1 }, |_| {
                looks.set(looks.get() + 1);
                true
            });
        }
        assert_eq!(contested.answers().of.len(), 10_000);
        assert!(looks.get() < 20_000, "{looks:?}");
    }

    #[test]
    fn only_who_is_heard_may_end_the_connection() {
        let (contested, conn) = (Contested::default(), ConnId(7));
        assert!(contested.hears(conn, 1));
        contested.insert(Tag { conn: 7, exchange: 3 }, |_| true);
        assert!(contested.hears(conn, 1) && contested.hears(conn, 2), "none has begun");
        assert!(contested.admits(conn, 2));
        assert!(contested.hears(conn, 2) && !contested.hears(conn, 1));
    }
}
