//! A deadline that moves often and fires rarely.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::{Instant, Sleep, sleep_until};

/// One timer for all the deadlines of one direction of a connection.
///
/// Moving a deadline later costs nothing: the timer is left where it is, and when it fires too
/// early it is set again. So a busy keep-alive connection touches the timer wheel once an idle
/// period, not once a request.
#[derive(Default)]
pub(crate) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Ready once `deadline` has passed. Only the deadline of the latest call counts.
    pub(crate) fn poll_expired(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if sleep.deadline() >= deadline || Instant::now() >= deadline {
                self.sleep = None;
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.sleep.as_ref().map(|sleep| sleep.deadline());
        f.debug_struct("Alarm").field("at", &at).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn fires_at_the_latest_deadline_it_was_asked_for() {
        let start = Instant::now();
        let mut alarm = Alarm::default();
        let at = |s| start + Duration::from_secs(s);
        poll_fn(|cx| {
            assert!(alarm.poll_expired(cx, at(10)).is_pending());
            assert!(alarm.poll_expired(cx, at(60)).is_pending());
            Poll::Ready(())
        })
        .await;
        poll_fn(|cx| alarm.poll_expired(cx, at(60))).await;
        assert_eq!(start.elapsed().as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn an_earlier_deadline_is_kept() {
        let start = Instant::now();
        let mut alarm = Alarm::default();
        let at = |s| start + Duration::from_secs(s);
        poll_fn(|cx| {
            assert!(alarm.poll_expired(cx, at(60)).is_pending());
            Poll::Ready(())
        })
        .await;
        poll_fn(|cx| alarm.poll_expired(cx, at(5))).await;
        assert_eq!(start.elapsed().as_secs(), 5);
    }
}
