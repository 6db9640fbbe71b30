//! Something that peers can make happen a thousand times a second, and that must not fill the log.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Counts, and says now and then that it is time for a line in the log.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<Untold>);

#[derive(Debug, Default)]
struct Untold {
    told: Option<Instant>,
    count: u64,
}

impl Seldom {
    /// One more; at most once a second, how many there have been since the last time.
    pub fn add(&self) -> Option<u64> {
        let mut untold = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        untold.count += 1;
        if untold.told.is_some_and(|last| last.elapsed() < BETWEEN_LINES) {
            return None;
        }
        untold.told = Some(Instant::now());
        Some(std::mem::take(&mut untold.count))
    }
}

const BETWEEN_LINES: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_a_line_a_second() {
        let seldom = Seldom::default();
        assert_eq!(seldom.add(), Some(1));
        assert!((0..999).all(|_| seldom.add().is_none()));
        seldom.0.lock().unwrap().told = Instant::now().checked_sub(BETWEEN_LINES);
        assert_eq!(seldom.add(), Some(1000));
    }
}
