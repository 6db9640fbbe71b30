//! What the server costs: a ruler for microbenchmarks.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Length of one sample; long enough that reading the clock does not count.
const SAMPLE: Duration = Duration::from_millis(10);
const SAMPLES: usize = 31;

/// Measures pieces of work and prints a line for each.
#[derive(Debug)]
pub struct Ruler {
    only: String,
}

impl Ruler {
    /// Measures only what has the first word of the command line in its name, or everything.
    pub fn from_arguments() -> Self {
        // cargo bench adds `--bench`.
        let word = std::env::args().skip(1).find(|word| !word.starts_with("--"));
        Self { only: word.unwrap_or_default() }
    }

    /// Repeats `work` and prints the median time of one call, with the fastest and slowest sample.
    pub fn measure<T>(&self, name: &str, mut work: impl FnMut() -> T) {
        if !name.contains(&self.only) {
            return;
        }
        let mut sample = |calls: u32| {
            let began = Instant::now();
            for _ in 0..calls {
                black_box(work());
            }
            began.elapsed()
        };
        let mut calls = 1;
        while sample(calls) < SAMPLE / 2 {
            calls *= 2;
        }
        let mut nanoseconds: Vec<f64> =
            (0..SAMPLES).map(|_| sample(calls).as_secs_f64() * 1e9 / f64::from(calls)).collect();
        nanoseconds.sort_by(f64::total_cmp);
        if let [fastest, .., slowest] = nanoseconds.as_slice()
            && let Some(median) = nanoseconds.get(SAMPLES / 2)
        {
            println!("{name:<40} {median:>9.1} ns   {fastest:>9.1} .. {slowest:.1}");
        }
    }
}
