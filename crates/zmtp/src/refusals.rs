//! How often a peer that is dropped is worth a log line: once, and then once a minute.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The peers of an endpoint that were dropped lately, by host and reason.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    lately: Mutex<Vec<Refusal>>,
    /// In their handshake, since the endpoint was bound.
    count: AtomicU64,
}

#[derive(Debug)]
struct Refusal {
    host: String,
    why: String,
    logged: Instant,
    unlogged: u64,
}

impl Refusals {
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether to log it; if so, how many like it have not been logged before.
    pub(crate) fn worth_logging(&self, address: &str, why: &str, now: Instant) -> Option<u64> {
        let host = host(address);
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |refusal: &Refusal| now.duration_since(refusal.logged) < QUIET;
        if let Some(known) = lately.iter_mut().find(|one| one.host == host && one.why == why) {
            if fresh(known) {
                known.unlogged += 1;
                return None;
            }
            known.logged = now;
            return Some(std::mem::take(&mut known.unlogged));
        }
        if lately.len() >= KNOWN_MAX {
            lately.retain(fresh);
        }
        if lately.len() >= KNOWN_MAX {
            return None;
        }
        lately.push(Refusal {
            host: host.to_owned(),
            why: why.to_owned(),
            logged: now,
            unlogged: 0,
        });
        Some(0)
    }
}

/// Without the port, or the number of a process: both are new for each attempt.
pub(crate) fn host(address: &str) -> &str {
    match address.strip_prefix("tcp://").and_then(|address| address.rsplit_once(':')) {
        Some((host, _)) => host,
        None => "ipc",
    }
}

const QUIET: Duration = Duration::from_secs(60);

/// Whoever comes beyond these within a minute is not logged.
const KNOWN_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_one_line_a_minute() {
        let refusals = Refusals::default();
        let start = Instant::now();
        let check = |address: &str, why: &str, seconds: u64, want: Option<u64>| {
            let now = start + Duration::from_secs(seconds);
            assert_eq!(refusals.worth_logging(address, why, now), want, "{address} {why}");
        };
        check("tcp://10.0.0.1:4000", "no key", 0, Some(0));
        check("tcp://10.0.0.1:4001", "no key", 1, None);
        check("tcp://10.0.0.1:4002", "no key", 59, None);
        check("tcp://10.0.0.1:4003", "garbage", 59, Some(0));
        check("tcp://10.0.0.2:4000", "no key", 59, Some(0));
        check("tcp://10.0.0.1:4004", "no key", 60, Some(2));
        check("tcp://10.0.0.1:4004", "no key", 61, None);
        check("tcp://[::1]:4004", "no key", 61, Some(0));
        check("ipc://pid-7", "no key", 61, Some(0));
        check("ipc://pid-8", "no key", 61, None);
    }

    #[test]
    fn many_hosts_are_bounded() {
        let refusals = Refusals::default();
        let start = Instant::now();
        let log = |count: u64, now| {
            let logged = (0..count).filter(|n| {
                refusals.worth_logging(&format!("tcp://10.0.0.{n}:1"), "no key", now).is_some()
            });
            logged.count()
        };
        assert_eq!(log(1000, start), KNOWN_MAX);
        assert_eq!(log(1000, start + QUIET), KNOWN_MAX);
        assert_eq!(refusals.lately.lock().unwrap().len(), KNOWN_MAX);
    }
}
