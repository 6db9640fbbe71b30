//! Counts round trips and how long each took; the time it began stands in the message itself.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;

/// What a message begins with: when it was sent, and its number.
pub(crate) const STAMP_BYTES: usize = 2 * size_of::<u64>();

/// What is not measured: until everything has warmed up.
const WARM_UP: Duration = Duration::from_millis(500);

/// Longest round trip told from longer ones, in microseconds.
const MICROS_MAX: usize = 1_000_000;

pub(crate) struct Meter {
    epoch: Instant,
    bytes: usize,
    is_on: AtomicBool,
    /// Round trips by the microseconds they took.
    counts: Vec<AtomicU32>,
}

impl Meter {
    pub(crate) fn new(bytes: usize) -> Arc<Self> {
        let counts = (0..MICROS_MAX).map(|_| AtomicU32::new(0)).collect();
        let bytes = bytes.max(STAMP_BYTES);
        Arc::new(Self { epoch: Instant::now(), bytes, is_on: AtomicBool::new(false), counts })
    }

    /// A message of this number that is sent now.
    pub(crate) fn message(&self, number: u64) -> Bytes {
        let mut message = Vec::with_capacity(self.bytes);
        message.extend_from_slice(&self.nanos().to_ne_bytes());
        message.extend_from_slice(&number.to_ne_bytes());
        message.resize(self.bytes, b'x');
        message.into()
    }

    /// It has come back; its number.
    pub(crate) fn arrived(&self, message: &[u8]) -> u64 {
        let (sent, rest) = message.split_first_chunk().expect("as it was sent");
        let number = u64::from_ne_bytes(*rest.first_chunk().expect("as it was sent"));
        if self.is_on.load(Ordering::Relaxed) {
            let nanos = self.nanos().saturating_sub(u64::from_ne_bytes(*sent));
            let micros = (nanos / 1000) as usize;
            if let Some(count) = self.counts.get(micros.min(MICROS_MAX - 1)) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
        number
    }

    /// Lets the load run for so long and prints what it was.
    pub(crate) async fn measure(&self, time: Duration) {
        tokio::time::sleep(WARM_UP).await;
        self.is_on.store(true, Ordering::Relaxed);
        let (start, cpu) = (Instant::now(), cpu_ticks());
        tokio::time::sleep(time).await;
        self.is_on.store(false, Ordering::Relaxed);
        let (took, cpu) = (start.elapsed(), cpu_ticks() - cpu);
        let counts: Vec<u32> = self.counts.iter().map(|c| c.load(Ordering::Relaxed)).collect();
        let done: u64 = counts.iter().map(|&count| u64::from(count)).sum();
        let rate = done as f64 / took.as_secs_f64();
        let micros = cpu as f64 * 10_000.0 / done as f64;
        let [p50, p99] = [50, 99].map(|percent| quantile(&counts, done * percent / 100));
        #[expect(clippy::print_stdout, reason = "a measurement's result")]
        {
            println!(
                "{rate:.0} round trips/s, {micros:.2} us of CPU each, p50 {p50} us, p99 {p99} us"
            );
        }
    }

    fn nanos(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }
}

/// The microseconds that so many did not exceed.
fn quantile(counts: &[u32], enough: u64) -> usize {
    let mut seen = 0;
    let exceeds = |&count: &u32| {
        seen += u64::from(count);
        seen > enough
    };
    counts.iter().position(exceeds).unwrap_or(MICROS_MAX)
}

/// User and system time of this process, in hundredths of a second.
fn cpu_ticks() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields = stat.rsplit(')').next().expect("fields").split_whitespace();
    fields.skip(11).take(2).map(|field| field.parse::<u64>().expect("ticks")).sum()
}
