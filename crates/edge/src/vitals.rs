//! Signs of life of a connection, and the three rules about them: `limits.min_ping`,
//! `limits.min_read_rate` and `limits.min_write_rate`.
//!
//! A connection only counts. One task for all of them looks at the counts every
//! `limits.tick_timer`, so the rules cost a request nothing and wake nobody; as in Mongrel2, time
//! moves only at ticks.

use http1::{CloseReason, Deadline, Limit};
use site::Limits;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// What a connection has counted, and what the last look found. There is one of these for each
/// connection: it is small.
#[derive(Debug)]
pub(crate) struct Vitals {
    read: AtomicU64,
    written: AtomicU64,
    pings: AtomicU32,
    read_found: Found,
    written_found: Found,
    pings_found: Found,
}

/// What the last look found of a count. Only the looker touches it.
#[derive(Debug)]
struct Found {
    /// Its low bits, which tell whether it has moved.
    count: AtomicU32,
    /// The tick at which it was last seen to move, in hundredths of a second: enough for a year.
    at: AtomicU32,
}

/// A look at all connections: the time of this one and of the one before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tick {
    pub(crate) before: Duration,
    pub(crate) now: Duration,
}

impl Vitals {
    /// A connection that is accepted after the tick at `tick`.
    pub(crate) fn new(tick: Duration) -> Self {
        let found = || Found { count: AtomicU32::new(0), at: AtomicU32::new(hundredths(tick)) };
        Self {
            read: AtomicU64::new(0),
            written: AtomicU64::new(0),
            pings: AtomicU32::new(0),
            read_found: found(),
            written_found: found(),
            pings_found: found(),
        }
    }

    /// Bytes came from the client. Only the connection's own task counts, so nothing is lost
    /// between the load and the store.
    pub(crate) fn read(&self, bytes: usize) {
        let read = self.read.load(Ordering::Relaxed);
        self.read.store(read + bytes as u64, Ordering::Relaxed);
    }

    /// Bytes went to the client; its own task counts.
    pub(crate) fn wrote(&self, bytes: usize) {
        let written = self.written.load(Ordering::Relaxed);
        self.written.store(written + bytes as u64, Ordering::Relaxed);
    }

    /// A request, a JSON ping or a handler's `keep-alive`.
    pub(crate) fn ping(&self) {
        self.pings.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn seen(&self, now: Duration) -> Seen {
        let read_bytes = self.read.load(Ordering::Relaxed);
        let written_bytes = self.written.load(Ordering::Relaxed);
        Seen {
            since_ping: self.pings_found.idle(self.pings().into(), now),
            since_read: self.read_found.idle(read_bytes, now),
            since_write: self.written_found.idle(written_bytes, now),
            read_bytes,
            written_bytes,
        }
    }

    /// How often there was one, modulo 2^32.
    pub(crate) fn pings(&self) -> u32 {
        self.pings.load(Ordering::Relaxed)
    }

    /// Why the connection is to die, if it breaks more than `kill_limit` rules.
    pub(crate) fn check(&self, tick: Tick, limits: &Limits) -> Option<CloseReason> {
        let read = self.read.load(Ordering::Relaxed);
        let written = self.written.load(Ordering::Relaxed);
        let silence = self.pings_found.since(self.pings().into(), tick);
        let unread = self.read_found.since(read, tick);
        let unwritten = self.written_found.since(written, tick);
        let is_slow = |bytes: u64, since: Duration, least: Option<u64>| {
            let ms = since.as_millis() + 1000;
            least.is_some_and(|least| u128::from(bytes) * 1000 < u128::from(least) * ms)
        };
        let is_silent = limits.min_ping.is_some_and(|most| silence > most);
        let rules = [
            (is_silent, CloseReason::Deadline(Deadline::Ping)),
            (is_slow(read, unread, limits.min_read_rate), CloseReason::Limit(Limit::ReadRate)),
            (
                is_slow(written, unwritten, limits.min_write_rate),
                CloseReason::Limit(Limit::WriteRate),
            ),
        ];
        let mut broken = rules.into_iter().filter(|rule| rule.0).map(|rule| rule.1);
        let first = broken.next()?;
        (1 + broken.count() > limits.kill_limit as usize).then_some(first)
    }
}

/// What a connection has done; times are since the last look that found it done, zero for what was
/// done after the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub since_ping: Duration,
    pub since_read: Duration,
    pub since_write: Duration,
    pub read_bytes: u64,
    pub written_bytes: u64,
}

impl Found {
    /// How long the count, which is now `count`, has not moved. What has moved since the tick
    /// before moved at that time, as far as our clock goes.
    fn since(&self, count: u64, tick: Tick) -> Duration {
        // The low bits: that they are the same after 4 GiB in one tick does not happen.
        let low = count as u32;
        if self.count.swap(low, Ordering::Relaxed) != low {
            self.at.store(hundredths(tick.before), Ordering::Relaxed);
        }
        self.quiet(tick.now)
    }

    /// As `since`, for whoever only watches.
    fn idle(&self, count: u64, now: Duration) -> Duration {
        // The low bits, as above.
        if self.count.load(Ordering::Relaxed) == count as u32 {
            self.quiet(now)
        } else {
            Duration::ZERO
        }
    }

    fn quiet(&self, now: Duration) -> Duration {
        let since = hundredths(now).saturating_sub(self.at.load(Ordering::Relaxed));
        Duration::from_millis(u64::from(since) * 10)
    }
}

fn hundredths(time: Duration) -> u32 {
    u32::try_from(time.as_millis() / 10).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: Option<CloseReason> = Some(CloseReason::Deadline(Deadline::Ping));

    /// Mongrel2's defaults with `limits.min_ping` 3 and `limits.tick_timer` 1.
    fn limits() -> Limits {
        Limits { min_ping: Some(Duration::from_secs(3)), ..Limits::default() }
    }

    /// The second at which a connection dies of which `each_second` happens; none within a minute.
    fn dies(limits: &Limits, each_second: impl Fn(&Vitals, u64)) -> Option<(u64, CloseReason)> {
        let vitals = Vitals::new(Duration::ZERO);
        (1..60).find_map(|second| {
            each_second(&vitals, second);
            let [before, now] = [second - 1, second].map(Duration::from_secs);
            vitals.check(Tick { before, now }, limits).map(|reason| (second, reason))
        })
    }

    #[test]
    fn who_dies_is_whom_mongrel2_kills() {
        let only_ping = Limits { min_read_rate: None, min_write_rate: None, ..limits() };
        let at_once =
            Limits { kill_limit: 0, min_read_rate: None, min_write_rate: None, ..limits() };
        let only_reading =
            Limits { min_ping: None, kill_limit: 0, min_write_rate: None, ..limits() };
        let ping = CloseReason::Deadline(Deadline::Ping);
        let silent = |_: &Vitals, _| {};
        assert_eq!(dies(&limits(), silent), Some((4, ping)), "idle");
        let half_a_head = |vitals: &Vitals, second| {
            if second == 1 {
                vitals.read(20)
            }
        };
        assert_eq!(dies(&limits(), half_a_head), Some((4, ping)), "half a head");
        let answered = |vitals: &Vitals, second| {
            if second == 2 {
                vitals.ping();
                vitals.read(100);
                vitals.wrote(300);
            }
        };
        assert_eq!(dies(&limits(), answered), Some((5, ping)), "idle after an answer");
        assert_eq!(dies(&limits(), |vitals, _| vitals.ping()), None, "kept alive");
        assert_eq!(dies(&limits(), |vitals, _| vitals.wrote(400)), None, "a download");
        assert_eq!(dies(&limits(), |vitals, _| vitals.read(400)), None, "an upload");
        assert_eq!(dies(&only_ping, silent), None, "one rule of three");
        assert_eq!(dies(&at_once, silent), Some((4, ping)), "kill_limit 0");
        let slow = Some((1, CloseReason::Limit(Limit::ReadRate)));
        assert_eq!(dies(&only_reading, silent), slow, "only the rate of reading");
    }

    #[test]
    fn a_slow_tick_is_a_slow_clock() {
        let vitals = Vitals::new(Duration::ZERO);
        let tick = |second| Tick {
            before: Duration::from_secs(second - 3),
            now: Duration::from_secs(second),
        };
        assert_eq!(vitals.check(tick(3), &limits()), None);
        assert_eq!(vitals.check(tick(6), &limits()), PING);
    }

    #[test]
    fn a_rate_is_of_all_bytes_over_the_time_since_the_last() {
        let limits = Limits { min_ping: None, min_write_rate: None, kill_limit: 0, ..limits() };
        let thousand = |vitals: &Vitals, second| {
            if second == 1 {
                vitals.read(3000)
            }
        };
        let read = CloseReason::Limit(Limit::ReadRate);
        // 3000 bytes / (9 s + 1) is 300, just enough; a second later it is not.
        assert_eq!(dies(&limits, thousand), Some((10, read)));
    }

    #[test]
    fn who_watches_sees_how_long_each_has_been_quiet() {
        let vitals = Vitals::new(Duration::ZERO);
        let seconds =
            |seen: Seen| [seen.since_ping, seen.since_read, seen.since_write].map(|t| t.as_secs());
        vitals.read(7);
        assert_eq!(seconds(vitals.seen(Duration::from_secs(5))), [5, 0, 5], "since the last look");
        let tick = Tick { before: Duration::ZERO, now: Duration::from_secs(10) };
        vitals.check(tick, &limits());
        vitals.ping();
        vitals.wrote(9);
        let seen = vitals.seen(Duration::from_secs(12));
        assert_eq!(seconds(seen), [0, 12, 0]);
        assert_eq!((seen.read_bytes, seen.written_bytes), (7, 9));
    }
}
