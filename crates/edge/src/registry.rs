//! Every open connection by its number: the one shared map.

use crate::line::{Delivered, Delivery, Line};
use crate::peer::ConnId;
use crate::vitals::{Seen, Tick, Vitals};
use site::Limits;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Locks are held for a map operation only; shards keep connections on different cores apart.
const SHARDS: usize = 64;

#[derive(Debug)]
pub struct Registry {
    last: AtomicU64,
    open: AtomicUsize,
    lingering: AtomicUsize,
    emptied: Notify,
    draining: AtomicBool,
    began: Instant,
    /// When signs of life were last looked for, in milliseconds since `began`.
    ticked: AtomicU64,
    shards: Box<[Mutex<Shard>]>,
}

type Shard = HashMap<u64, Arc<Line>, BuildHasherDefault<CountingHasher>>;

/// A connection's place in the registry; leaving happens when it is dropped.
#[derive(Debug)]
pub(crate) struct Entry {
    registry: Arc<Registry>,
    line: Arc<Line>,
}

/// A connection that has left the registry and only has to hang up.
#[derive(Debug)]
pub(crate) struct Lingering {
    registry: Arc<Registry>,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            last: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            lingering: AtomicUsize::new(0),
            emptied: Notify::new(),
            began: Instant::now(),
            ticked: AtomicU64::new(0),
            draining: AtomicBool::new(false),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }
}

impl Registry {
    /// A new connection; `fd` is its socket's descriptor, for people.
    pub(crate) fn enter(self: &Arc<Self>, fd: i32) -> Entry {
        let conn = ConnId(self.last.fetch_add(1, Ordering::Relaxed) + 1);
        let vitals = Vitals::new(Duration::from_millis(self.ticked.load(Ordering::Relaxed)));
        let line = Arc::new(Line::accepted(conn, fd, vitals));
        self.shard(conn).insert(conn.0, Arc::clone(&line));
        self.open.fetch_add(1, Ordering::Relaxed);
        // After it stands in the map: either this or the pass over the map tells it.
        if self.draining.load(Ordering::SeqCst) {
            line.drain();
        }
        Entry { registry: Arc::clone(self), line }
    }

    /// How many connections are open.
    pub fn len(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// How many sockets clients hold: open connections, and those that only have to hang up.
    pub(crate) fn sockets(&self) -> usize {
        self.len() + self.lingering.load(Ordering::Relaxed)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Hands `delivery` to connection `conn`; at most `limit_bytes` may wait there.
    pub fn deliver(&self, conn: ConnId, delivery: Delivery, limit_bytes: usize) -> Delivered {
        match self.find(conn) {
            Some(line) => line.deliver(delivery, limit_bytes),
            None => Delivered::Gone,
        }
    }

    pub fn find(&self, conn: ConnId) -> Option<Arc<Line>> {
        self.shard(conn).get(&conn.0).cloned()
    }

    /// Asks every connection, also those to come, to close as soon as it is idle.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        self.each(Line::drain);
    }

    /// Closes every connection, those that wait for a handler with an answer of ours.
    pub fn end_drain(&self) {
        self.each(Line::end_drain);
    }

    /// Closes every connection at once.
    pub fn kill(&self) {
        self.each(Line::kill);
    }

    /// Looks for signs of life, and kills the connections that break too many of their rules.
    pub(crate) fn tick(&self, limits: &Limits) {
        let now = self.began.elapsed();
        let ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let before = Duration::from_millis(self.ticked.swap(ms, Ordering::Relaxed));
        let killed = AtomicUsize::new(0);
        self.each(|line| {
            if let Some(reason) = line.vitals().check(Tick { before, now }, limits) {
                killed.fetch_add(1, Ordering::Relaxed);
                line.kill_for(reason);
            }
        });
        let killed = killed.into_inner();
        if killed > 0 {
            tracing::info!(
                killed, min_ping = ?limits.min_ping, min_read_rate = ?limits.min_read_rate,
                min_write_rate = ?limits.min_write_rate, kill_limit = limits.kill_limit,
                "closing connections without a sign of life"
            );
        }
    }

    /// Every open connection and what it has been seen to do, in no order.
    pub fn seen(&self) -> Vec<(Arc<Line>, Seen)> {
        let now = self.began.elapsed();
        let mut seen = Vec::with_capacity(self.len());
        for shard in &self.shards {
            let lines = lock(shard);
            seen.extend(lines.values().map(|line| (Arc::clone(line), line.vitals().seen(now))));
        }
        seen
    }

    /// Returns when no connection is open.
    pub async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    fn each(&self, f: impl Fn(&Line)) {
        for shard in &self.shards {
            let lines: Vec<_> = lock(shard).values().cloned().collect();
            lines.iter().for_each(|line| f(line));
        }
    }

    fn shard(&self, conn: ConnId) -> MutexGuard<'_, Shard> {
        lock(&self.shards[(conn.0 % SHARDS as u64) as usize])
    }
}

impl Entry {
    pub(crate) fn line(&self) -> &Arc<Line> {
        &self.line
    }

    /// Leaves the registry, which must not wait for a client that only has to hang up; the socket
    /// still counts as one of `sockets_max`. `None` if there is no room for such clients.
    pub(crate) fn linger(self, sockets_max: usize) -> Option<Lingering> {
        let registry = Arc::clone(&self.registry);
        let is_crowded = registry.sockets() > sockets_max - sockets_max / 16;
        registry.lingering.fetch_add(1, Ordering::Relaxed);
        let lingering = Lingering { registry };
        drop(self);
        (!is_crowded).then_some(lingering)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        self.registry.lingering.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.line.close();
        self.registry.shard(self.line.conn()).remove(&self.line.conn().0);
        if self.registry.open.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.registry.emptied.notify_waiters();
        }
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keys are a counter of ours, not a peer's choice: spreading them is enough.
#[derive(Debug, Default)]
pub(crate) struct CountingHasher(u64);

impl Hasher for CountingHasher {
    fn finish(&self) -> u64 {
        // The map takes its bucket from the low bits, which in one shard are all alike before
        // this: keys of a shard are equal modulo SHARDS.
        self.0.rotate_left(26)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0.rotate_left(8) ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, key: u64) {
        // Fibonacci hashing: the high bits change with every key.
        self.0 = key.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn who_lingers_counts_as_a_socket_and_has_no_room_in_a_crowd() {
        let registry = Arc::new(Registry::default());
        let entries: Vec<_> = (0..16).map(|_| registry.enter(-1)).collect();
        let lingering: Vec<_> = entries.into_iter().map(|entry| entry.linger(16)).collect();
        assert_eq!((registry.len(), registry.sockets()), (0, 15));
        let stay: Vec<_> = lingering.iter().map(Option::is_some).collect();
        assert_eq!(stay, [&[false][..], &[true; 15]].concat());
        drop(lingering);
        assert_eq!(registry.sockets(), 0);
    }

    #[tokio::test]
    async fn a_number_is_never_given_twice_and_leaves_with_its_connection() {
        let registry = Arc::new(Registry::default());
        let first = registry.enter(-1);
        let second = registry.enter(-1);
        assert_eq!((first.line().conn(), second.line().conn()), (ConnId(1), ConnId(2)));
        drop(second);
        assert!(registry.find(ConnId(2)).is_none());
        assert_eq!(registry.enter(-1).line().conn(), ConnId(3));
        drop(first);
        tokio::time::timeout(Duration::from_secs(5), registry.emptied()).await.unwrap();
        assert!(registry.is_empty());
    }
}
