//! Connections to one back end that wait for their next request.

use super::link::Link;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Connections kept for one back end, across all threads: what a hundred requests at a time leave
/// behind, and far below a process's descriptors.
const IDLE_MAX: usize = 128;
/// Below the 60 s and more after which back ends commonly close, so that we seldom race with them;
/// one that closes earlier is seen to have closed.
const IDLE_DEADLINE: Duration = Duration::from_secs(45);

/// The latest to become idle is at the back and is the first to be used again: those that are not
/// needed grow old at the front.
#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: Mutex<VecDeque<Idle>>,
}

#[derive(Debug)]
struct Idle {
    link: Box<Link>,
    since: Instant,
}

impl Pool {
    /// A connection that the back end has not closed, as far as is known.
    pub(super) fn take(&self) -> Option<Box<Link>> {
        loop {
            let mut idle = self.idle().pop_back()?;
            if idle.since.elapsed() < IDLE_DEADLINE {
                // Sees it if the back end has closed.
                idle.link.drive();
                if idle.link.is_ready() {
                    return Some(idle.link);
                }
            }
        }
    }

    /// Keeps a connection whose last exchange is complete.
    pub(super) fn put(&self, link: Box<Link>) {
        let since = Instant::now();
        let surplus = {
            let mut idle = self.idle();
            idle.push_back(Idle { link, since });
            let is_full = idle.len() > IDLE_MAX;
            idle.pop_front_if(|oldest| is_full || oldest.since + IDLE_DEADLINE < since)
        };
        // Closed without the lock held.
        drop(surplus);
    }

    fn idle(&self) -> MutexGuard<'_, VecDeque<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
