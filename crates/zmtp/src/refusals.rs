//! How often a peer that is dropped is worth a log line: once, and then once a minute, and never more
//! than one a second.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The peers of an endpoint that were dropped lately, by host and reason.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    lately: Mutex<Lately>,
    /// In their handshake, since the endpoint was bound.
    count: AtomicU64,
}

#[derive(Debug, Default)]
struct Lately {
    refusals: Vec<Refusal>,
    logged: Option<Instant>,
    /// Those that nobody could be told of in the second of another.
    unlogged: u64,
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

    /// Whether to log it; if so, how many have not been logged before: like it, or for want of time.
    pub(crate) fn worth_logging(&self, address: &str, why: &str, now: Instant) -> Option<u64> {
        let host = host(address);
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        let Lately { refusals, logged, unlogged } = &mut *lately;
        let fresh = |refusal: &Refusal| now.duration_since(refusal.logged) < QUIET;
        let known = refusals.iter().position(|one| one.host == host && one.why == why);
        if let Some(known) = known.and_then(|known| refusals.get_mut(known))
            && fresh(known)
        {
            known.unlogged += 1;
            return None;
        }
        if logged.is_some_and(|logged| now.duration_since(logged) < BETWEEN_LINES) {
            *unlogged += 1;
            return None;
        }
        *logged = Some(now);
        let unlogged = std::mem::take(unlogged);
        if let Some(known) = known.and_then(|known| refusals.get_mut(known)) {
            known.logged = now;
            return Some(unlogged + std::mem::take(&mut known.unlogged));
        }
        if refusals.len() >= KNOWN_MAX {
            refusals.retain(fresh);
        }
        let (host, why) = (host.to_owned(), why.to_owned());
        refusals.push(Refusal { host, why, logged: now, unlogged: 0 });
        Some(unlogged)
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

const BETWEEN_LINES: Duration = Duration::from_secs(1);

/// More than can be logged within the minute that they are known for.
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
        check("tcp://10.0.0.2:4000", "no key", 59, None);
        check("tcp://10.0.0.1:4004", "no key", 60, Some(3));
        check("tcp://10.0.0.1:4004", "no key", 61, None);
        check("tcp://10.0.0.2:4000", "no key", 61, Some(0));
        check("tcp://[::1]:4004", "no key", 62, Some(0));
        check("ipc://pid-7", "no key", 63, Some(0));
        check("ipc://pid-8", "no key", 64, None);
    }

    #[test]
    fn many_hosts_are_a_line_a_second() {
        let refusals = Refusals::default();
        let start = Instant::now();
        let flood = |second| {
            let now = start + Duration::from_secs(second);
            let host = |n| format!("tcp://10.{second}.0.{n}:1");
            let logged = (0..1000).filter_map(|n| refusals.worth_logging(&host(n), "no key", now));
            logged.collect::<Vec<_>>()
        };
        assert_eq!(flood(0), [0]);
        for second in 1..200 {
            assert_eq!(flood(second), [999]);
        }
        assert!(refusals.lately.lock().unwrap().refusals.len() <= KNOWN_MAX);
    }
}
