//! Something that peers can make happen a thousand times a second, and that must not fill the log.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

const BETWEEN_LINES: Duration = Duration::from_secs(1);

/// Counts, and says now and then that it is time for a line in the log.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<Untold>);

#[derive(Debug, Default)]
struct Untold {
    told: Option<Instant>,
    count: u64,
}

impl Seldom {
    /// One more; at most once a second, how many there have been since the last time.
    pub(crate) fn add(&self) -> Option<u64> {
        let mut untold = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        untold.count += 1;
        if untold.told.is_some_and(|last| last.elapsed() < BETWEEN_LINES) {
            return None;
        }
        untold.told = Some(Instant::now());
        Some(std::mem::take(&mut untold.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_a_line_a_second() {
        let seldom = Seldom::default();
        assert_eq!(seldom.add(), Some(1));
        assert!((0..999).all(|_| seldom.add().is_none()));
        tokio::time::advance(BETWEEN_LINES).await;
        assert_eq!(seldom.add(), Some(1000));
    }
}
