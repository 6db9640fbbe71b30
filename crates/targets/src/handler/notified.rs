//! Which connections a handler has been told to be gone.

use edge::ConnId;
use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

/// Enough for the replies that are on their way when their clients leave; beyond that a handler
/// that goes on writing to a dead connection is told again.
const REMEMBERED_MAX: usize = 4096;

/// Remembers the last notices, so that no connection brings two of them and a handler that answers
/// notices can't start a storm.
#[derive(Debug, Default)]
pub(super) struct Notified(Mutex<Recent>);

#[derive(Debug, Default)]
struct Recent {
    known: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Notified {
    /// Whether this is the first notice for `conn`; from now on it is not.
    pub(super) fn is_first(&self, conn: ConnId) -> bool {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !recent.known.insert(conn.0) {
            return false;
        }
        recent.order.push_back(conn.0);
        if recent.order.len() > REMEMBERED_MAX
            && let Some(oldest) = recent.order.pop_front()
        {
            recent.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_told_once_while_it_is_remembered() {
        let notified = Notified::default();
        assert!(notified.is_first(ConnId(1)));
        assert!(!notified.is_first(ConnId(1)));
        for conn in 2..=REMEMBERED_MAX as u64 + 1 {
            assert!(notified.is_first(ConnId(conn)));
        }
        assert!(notified.is_first(ConnId(1)), "the oldest is forgotten");
        assert!(!notified.is_first(ConnId(3)));
    }
}
