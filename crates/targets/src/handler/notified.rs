//! Which connections a handler has just been told to be gone.

use edge::ConnId;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long replies to a dead connection are taken for those that were on their way when its
/// notice was sent, or for the answer to it. After that, whoever still writes has not heard: a
/// notice reaches one of the processes that share the link.
const ECHO: Duration = Duration::from_secs(1);

/// Notices per second and link that are kept apart; beyond that some are repeated early.
const REMEMBERED_MAX: usize = 4096;

/// Remembers the last notices, so that a handler that answers notices can't start a storm.
#[derive(Debug, Default)]
pub(super) struct Notified(Mutex<Recent>);

#[derive(Debug, Default)]
struct Recent {
    told: HashMap<u64, Instant>,
    /// Oldest first; may hold what was forgotten or told again.
    order: VecDeque<(u64, Instant)>,
}

impl Notified {
    /// Whether a notice for `conn` is to be sent; it then counts as sent, unless `forget` is
    /// called.
    pub(super) fn is_due(&self, conn: ConnId, now: Instant) -> bool {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(&(oldest, when)) = recent.order.front() {
            if recent.order.len() < REMEMBERED_MAX && now.duration_since(when) < ECHO {
                break;
            }
            recent.order.pop_front();
            if recent.told.get(&oldest) == Some(&when) {
                recent.told.remove(&oldest);
            }
        }
        if recent.told.contains_key(&conn.0) {
            return false;
        }
        recent.told.insert(conn.0, now);
        recent.order.push_back((conn.0, now));
        true
    }

    /// The notice was not sent.
    pub(super) fn forget(&self, conn: ConnId) {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recent.told.remove(&conn.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_told_again_when_the_echo_is_over() {
        let (notified, start) = (Notified::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        assert!(notified.is_due(ConnId(1), at(0)));
        assert!(!notified.is_due(ConnId(1), at(500)));
        assert!(notified.is_due(ConnId(2), at(500)));
        assert!(!notified.is_due(ConnId(1), at(999)));
        assert!(notified.is_due(ConnId(1), at(1000)));
        assert!(!notified.is_due(ConnId(2), at(1499)));
        assert!(!notified.is_due(ConnId(1), at(1500)));
        assert!(notified.is_due(ConnId(2), at(1500)));
    }

    #[test]
    fn a_notice_that_was_not_sent_does_not_count() {
        let (notified, now) = (Notified::default(), Instant::now());
        assert!(notified.is_due(ConnId(1), now));
        notified.forget(ConnId(1));
        assert!(notified.is_due(ConnId(1), now));
        assert!(!notified.is_due(ConnId(1), now));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (notified, now) = (Notified::default(), Instant::now());
        for conn in 0..=REMEMBERED_MAX as u64 {
            assert!(notified.is_due(ConnId(conn), now));
        }
        assert!(notified.is_due(ConnId(0), now), "the oldest is forgotten");
        assert!(!notified.is_due(ConnId(REMEMBERED_MAX as u64), now));
        assert!(notified.0.lock().unwrap().order.len() <= REMEMBERED_MAX);
    }
}
