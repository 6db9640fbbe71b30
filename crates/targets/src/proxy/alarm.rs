//! A deadline that is moved with every request and seldom fires.

use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that stays with a connection from request to request. It is not moved when the deadline
/// is, but when it fires too early: so the timer wheel is touched once a deadline, not once a
/// request.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Ready once `deadline` has passed.
    pub(super) fn poll_expired(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        loop {
            if sleep.as_mut().poll(cx).is_pending() {
                // A task that has used up its turn is told to wait even for what is over.
                let is_over = sleep.is_elapsed() && Instant::now() >= deadline;
                return if is_over { Poll::Ready(()) } else { Poll::Pending };
            }
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }
}
