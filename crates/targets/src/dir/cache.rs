//! What was last seen under each path: bounded, checked again at most once in a while.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use super::representation::Representation;

/// What is known is used for at least this long: a thousand requests in a second are worth one
/// look. Mongrel2's `cache_ttl=0` comes to the same.
const WINDOW_MIN: Duration = Duration::from_secs(1);

const SHARDS: usize = 8;

/// Bounds on each shard. All in all: 4,096 files, of which 256 are open (a fortieth of
/// `superpoll.max_fd`), and 32 MiB.
const SHARD_BOUNDS: Bounds = Bounds { entries: 512, bytes: 4 << 20, descriptors: 32 };

/// Files by the undecoded rest of a path. A name that leads nowhere is not kept.
#[derive(Debug)]
pub(super) struct Cache {
    shards: [RwLock<Shard>; SHARDS],
    bounds: Bounds,
    epoch: Instant,
    /// Milliseconds for which a look at the disk is good.
    window: u64,
}

/// What the cache says about a path.
#[derive(Debug)]
pub(super) enum Look {
    Fresh(Arc<Representation>),
    /// Has to be checked, by this caller alone: until then others get it as `Fresh`.
    Stale(Arc<Representation>),
    Unknown,
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    entries: usize,
    /// Of memory.
    bytes: usize,
    descriptors: usize,
}

#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<Arc<str>, Entry>,
    /// The keys of `entries`, the next one to go first: a clock that passes over those used
    /// since it last came by.
    turns: VecDeque<Arc<str>>,
    bytes: usize,
    descriptors: usize,
}

#[derive(Debug)]
struct Entry {
    file: Arc<Representation>,
    /// Milliseconds after the epoch.
    checked: AtomicU64,
    used: AtomicBool,
}

impl Cache {
    pub(super) fn new(ttl: Duration, now: Instant) -> Self {
        let window = millis(ttl.max(WINDOW_MIN));
        let shards = std::array::from_fn(|_| RwLock::default());
        Self { shards, bounds: SHARD_BOUNDS, epoch: now, window }
    }

    pub(super) fn look(&self, path: &str, now: Instant) -> Look {
        let shard = self.read(path);
        let Some(entry) = shard.entries.get(path) else { return Look::Unknown };
        // Only the first write moves the cache line between cores.
        if !entry.used.load(Ordering::Relaxed) {
            entry.used.store(true, Ordering::Relaxed);
        }
        let file = Arc::clone(&entry.file);
        let (now, checked) = (self.since_epoch(now), entry.checked.load(Ordering::Relaxed));
        if now.saturating_sub(checked) < self.window {
            return Look::Fresh(file);
        }
        let claim =
            entry.checked.compare_exchange(checked, now, Ordering::Relaxed, Ordering::Relaxed);
        if claim.is_ok() { Look::Stale(file) } else { Look::Fresh(file) }
    }

    /// Keeps `file` as what was seen under `path` at `now`.
    pub(super) fn insert(&self, path: &Arc<str>, file: &Arc<Representation>, now: Instant) {
        let entry = Entry {
            file: Arc::clone(file),
            checked: AtomicU64::new(self.since_epoch(now)),
            used: AtomicBool::new(false),
        };
        self.write(path).insert(Arc::clone(path), entry, self.bounds);
    }

    /// `file` was still the same at `now`.
    pub(super) fn renew(&self, path: &str, file: &Arc<Representation>, now: Instant) {
        if let Some(entry) = self.read(path).entries.get(path)
            && Arc::ptr_eq(&entry.file, file)
        {
            entry.checked.fetch_max(self.since_epoch(now), Ordering::Relaxed);
        }
    }

    pub(super) fn remove(&self, path: &str) {
        let mut shard = self.write(path);
        if shard.forget(path) {
            shard.turns.retain(|key| **key != *path);
        }
    }

    /// Closes the files that nobody asked for since the last call; the number of those left open.
    pub(super) fn close_idle(&self) -> usize {
        let close_idle = |shard: &RwLock<Shard>| {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            shard.close_idle();
            shard.descriptors
        };
        self.shards.iter().map(close_idle).sum()
    }

    fn since_epoch(&self, now: Instant) -> u64 {
        millis(now.saturating_duration_since(self.epoch))
    }

    // Nothing panics while it holds a lock, and a cache that lost an entry is still a cache.
    fn read(&self, path: &str) -> RwLockReadGuard<'_, Shard> {
        self.shard(path).read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, path: &str) -> RwLockWriteGuard<'_, Shard> {
        self.shard(path).write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Paths that are all in one shard share its bounds, and that is the worst: so the end of a
    /// path is mixed enough.
    fn shard(&self, path: &str) -> &RwLock<Shard> {
        let mix = path
            .bytes()
            .rev()
            .take(8)
            .fold(path.len(), |mix, byte| mix.wrapping_mul(31).wrapping_add(usize::from(byte)));
        &self.shards[(mix ^ (mix >> 7)) % SHARDS]
    }
}

impl Shard {
    fn insert(&mut self, path: Arc<str>, entry: Entry, bounds: Bounds) {
        if !self.forget(&path) {
            self.turns.push_back(Arc::clone(&path));
        }
        self.bytes += entry.weight(&path);
        self.descriptors += usize::from(entry.file.holds_descriptor());
        self.entries.insert(path, entry);
        while self.exceeds(bounds) {
            self.evict();
        }
    }

    fn exceeds(&self, bounds: Bounds) -> bool {
        self.entries.len() > bounds.entries
            || self.bytes > bounds.bytes
            || self.descriptors > bounds.descriptors
    }

    /// Gives the clock one turn.
    fn evict(&mut self) {
        let Some(path) = self.turns.pop_front() else { return };
        let used = self.entries.get(&path).is_some_and(|entry| entry.take_used());
        if used {
            self.turns.push_back(path);
        } else {
            self.forget(&path);
        }
    }

    fn close_idle(&mut self) {
        let is_idle = |entry: &Entry| entry.file.holds_descriptor() && !entry.take_used();
        let idle = self.entries.iter().filter(|(_, entry)| is_idle(entry));
        let idle: Vec<Arc<str>> = idle.map(|(path, _)| Arc::clone(path)).collect();
        for path in &idle {
            self.forget(path);
        }
        let Self { turns, entries, .. } = self;
        turns.retain(|path| entries.contains_key(path));
    }

    /// Whether there was something to forget. Its turn is left to the caller.
    fn forget(&mut self, path: &str) -> bool {
        let Some(entry) = self.entries.remove(path) else { return false };
        self.bytes -= entry.weight(path);
        self.descriptors -= usize::from(entry.file.holds_descriptor());
        true
    }
}

impl Entry {
    fn weight(&self, path: &str) -> usize {
        size_of::<Self>() + path.len() + self.file.weight()
    }

    fn take_used(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }
}

/// Milliseconds, far below the 584 million years that `u64` holds.
fn millis(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1000).saturating_add(u64::from(duration.subsec_millis()))
}

#[cfg(test)]
mod tests {
    use super::super::representation::Content;
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;
    use std::time::SystemTime;

    fn file(content: Content) -> Arc<Representation> {
        let metadata = tempfile::tempfile().unwrap().metadata().unwrap();
        Arc::new(Representation::new(content, &metadata, "x/y", SystemTime::now()))
    }

    fn small() -> Arc<Representation> {
        file(Content::Bytes(Bytes::from_static(&[0; 1000])))
    }

    fn open() -> Arc<Representation> {
        file(Content::File(Arc::new(tempfile::tempfile().unwrap())))
    }

    fn cache(ttl: Duration, bounds: Bounds) -> (Cache, Instant) {
        let now = Instant::now();
        (Cache { bounds, ..Cache::new(ttl, now) }, now)
    }

    fn kind(look: &Look) -> &'static str {
        match look {
            Look::Fresh(_) => "fresh",
            Look::Stale(_) => "stale",
            Look::Unknown => "unknown",
        }
    }

    #[test]
    fn what_is_known_is_checked_once_per_window() {
        for (ttl, window) in [(0, 1000), (1, 1000), (60, 60_000)] {
            let (cache, start) = cache(Duration::from_secs(ttl), SHARD_BOUNDS);
            let at = |ms| start + Duration::from_millis(ms);
            let (path, seen) = (Arc::from("a"), small());
            assert_eq!(kind(&cache.look("a", start)), "unknown");
            cache.insert(&path, &seen, start);
            for (ms, expected) in [
                (0, "fresh"),
                (window - 1, "fresh"),
                (window, "stale"),
                (window + 1, "fresh"),
                (2 * window - 1, "fresh"),
                (2 * window, "stale"),
            ] {
                assert_eq!(kind(&cache.look("a", at(ms))), expected, "ttl {ttl}, {ms} ms");
            }
            cache.renew("a", &seen, at(3 * window));
            assert_eq!(kind(&cache.look("a", at(4 * window - 1))), "fresh");
            cache.renew("a", &small(), at(9 * window));
            assert_eq!(kind(&cache.look("a", at(4 * window))), "stale", "another file's renewal");
            cache.remove("a");
            assert_eq!(kind(&cache.look("a", at(4 * window))), "unknown");
        }
    }

    #[test]
    fn the_clock_passes_over_what_was_used() {
        let bounds = Bounds { entries: 3, bytes: usize::MAX, descriptors: 9 };
        let mut shard = Shard::default();
        let entry = || Entry { file: small(), checked: 0.into(), used: false.into() };
        for path in ["a", "b", "c"] {
            shard.insert(path.into(), entry(), bounds);
        }
        shard.entries["a"].used.store(true, Ordering::Relaxed);
        shard.insert("d".into(), entry(), bounds);
        let mut left: Vec<&str> = shard.entries.keys().map(|key| &**key).collect();
        left.sort_unstable();
        assert_eq!(left, ["a", "c", "d"]);
    }

    #[test]
    fn idle_files_are_closed() {
        let (cache, now) = cache(Duration::ZERO, SHARD_BOUNDS);
        for path in ["used", "idle"] {
            cache.insert(&path.into(), &open(), now);
        }
        cache.insert(&"in memory".into(), &small(), now);
        cache.look("used", now);
        assert_eq!(cache.close_idle(), 1);
        assert_eq!(kind(&cache.look("idle", now)), "unknown");
        assert_eq!(kind(&cache.look("in memory", now)), "fresh");
        assert_eq!(cache.close_idle(), 0);
        assert_eq!(kind(&cache.look("used", now)), "unknown");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        #[test]
        fn no_sequence_breaks_the_bounds(steps in prop::collection::vec((0_u8..5, 0_u8..24), 0..300)) {
            let bounds = Bounds { entries: 3, bytes: 5000, descriptors: 2 };
            let (cache, now) = cache(Duration::ZERO, bounds);
            for (step, path) in steps {
                let path: Arc<str> = format!("{path}").into();
                match step {
                    0 => cache.insert(&path, &small(), now),
                    1 => cache.insert(&path, &open(), now),
                    2 => cache.remove(&path),
                    3 => drop(cache.look(&path, now)),
                    _ => drop(cache.close_idle()),
                }
                for shard in &cache.shards {
                    let shard = shard.read().unwrap();
                    prop_assert!(!shard.exceeds(bounds));
                    prop_assert_eq!(shard.turns.len(), shard.entries.len());
                    let bytes: usize = shard.entries.iter().map(|(key, entry)| entry.weight(key)).sum();
                    prop_assert_eq!(shard.bytes, bytes);
                    prop_assert!(shard.turns.iter().all(|key| shard.entries.contains_key(key)));
                }
            }
        }
    }
}
