//! How long handlers take, in a histogram of fixed size.

use std::time::Duration;

/// What can be said of a number of answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Latency {
    /// Answers.
    pub count: u64,
    /// Their mean.
    pub mean: Duration,
    /// Half of them took no longer, to within a quarter.
    pub p50: Duration,
    /// 99 of 100 took no longer, to within a quarter.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

/// Counts in four buckets for each doubling of a microsecond.
#[derive(Debug, Clone)]
pub(super) struct Latencies {
    count: u64,
    sum: Duration,
    max: Duration,
    buckets: [u32; BUCKETS],
}

/// Up to two to the 37th microseconds: a day and a half.
const BUCKETS: usize = 36 * 4;

impl Default for Latencies {
    fn default() -> Self {
        Self { count: 0, sum: Duration::ZERO, max: Duration::ZERO, buckets: [0; BUCKETS] }
    }
}

impl Latencies {
    pub(super) fn record(&mut self, took: Duration) {
        self.count += 1;
        self.sum = self.sum.saturating_add(took);
        self.max = self.max.max(took);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get_mut(bucket(micros).min(BUCKETS - 1)) {
            *bucket = bucket.saturating_add(1);
        }
    }

    pub(super) fn summary(&self) -> Latency {
        if self.count == 0 {
            return Latency::default();
        }
        let mean = self.sum.as_nanos() / u128::from(self.count);
        Latency {
            count: self.count,
            mean: Duration::from_nanos(u64::try_from(mean).unwrap_or(u64::MAX)),
            p50: self.quantile(50),
            p99: self.quantile(99),
            max: self.max,
        }
    }

    /// What so many of a hundred did not exceed.
    fn quantile(&self, percent: u64) -> Duration {
        let enough = (self.count * percent).div_ceil(100);
        let mut seen = 0;
        for (index, &count) in self.buckets.iter().enumerate() {
            seen += u64::from(count);
            if seen >= enough {
                return Duration::from_micros(upper(index)).min(self.max);
            }
        }
        self.max
    }
}

fn bucket(micros: u64) -> usize {
    if micros < 4 {
        return micros as usize;
    }
    let exponent = micros.ilog2() as usize;
    let quarter = (micros >> (exponent - 2)) as usize & 3;
    (exponent - 1) * 4 + quarter
}

/// The most that a bucket counts.
fn upper(bucket: usize) -> u64 {
    if bucket < 4 {
        return bucket as u64 + 1;
    }
    let (exponent, quarter) = (bucket / 4 + 1, bucket as u64 % 4);
    (4 + quarter + 1) << (exponent - 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_has_a_bucket_of_a_quarters_width() {
        let mut last = 0;
        for micros in (0..100_000).chain([1 << 36, (1 << 37) - 1]) {
            let bucket = bucket(micros);
            assert!(bucket >= last && bucket < BUCKETS, "{micros}");
            assert!(micros < upper(bucket), "{micros}: {}", upper(bucket));
            assert!(upper(bucket) <= micros + micros / 4 + 1, "{micros}: {}", upper(bucket));
            last = bucket;
        }
    }

    #[test]
    fn a_summary_tells_the_usual_from_the_rare() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.summary(), Latency::default());
        let ms = Duration::from_millis;
        (0..97).for_each(|_| latencies.record(ms(1)));
        (0..3).for_each(|_| latencies.record(ms(100)));
        latencies.record(Duration::from_secs(1 << 40));
        let Latency { count, p50, p99, max, .. } = latencies.summary();
        assert_eq!((count, max), (101, Duration::from_secs(1 << 40)));
        assert!(p50 >= ms(1) && p50 < Duration::from_micros(1250), "{p50:?}");
        assert!(p99 >= ms(100) && p99 <= ms(125), "{p99:?}");
    }
}
