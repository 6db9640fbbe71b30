//! How many messages of one client may wait for handlers: beyond that the client is not read.

use crate::fault::{Fault, FaultKind};
use crate::line::Line;
use bytes::Bytes;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Small messages at once; one of the largest takes all the room there is.
const ROOM: u32 = 64;

/// The messages of one connection that no handler has taken yet. Without it one client could fill
/// the queue that all clients of a handler share.
#[derive(Clone, Debug)]
pub struct Backlog {
    room: Arc<Semaphore>,
    message_bytes_max: usize,
    deadline: Duration,
}

/// A message's place in the backlog.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Backlog {
    /// For messages of at most `message_bytes_max` bytes, which wait for at most `deadline`.
    pub fn new(message_bytes_max: usize, deadline: Duration) -> Self {
        Self { room: Arc::new(Semaphore::new(ROOM as usize)), message_bytes_max, deadline }
    }

    /// Waits until there is room for a message of `bytes`.
    ///
    /// # Errors
    /// `NoHandler` when handlers take none in time; `Killed` when the connection is.
    pub async fn place(&self, line: &Line, bytes: usize) -> Result<Place, Fault> {
        let share = bytes.saturating_mul(ROOM as usize - 1) / self.message_bytes_max.max(1);
        let units = u32::try_from(share).unwrap_or(ROOM).saturating_add(1).min(ROOM);
        if let Ok(permit) = Arc::clone(&self.room).try_acquire_many_owned(units) {
            return Ok(Place { _permit: permit });
        }
        let room = Arc::clone(&self.room).acquire_many_owned(units);
        let mut room = std::pin::pin!(tokio::time::timeout(self.deadline, room));
        poll_fn(|cx| {
            if let Poll::Ready(reason) = line.poll_cut(cx) {
                return Poll::Ready(Err(FaultKind::Killed(reason).into()));
            }
            room.as_mut().poll(cx).map(|place| match place {
                Ok(Ok(permit)) => Ok(Place { _permit: permit }),
                Ok(Err(_)) | Err(_) => Err(FaultKind::NoHandler { retry_after: 1 }.into()),
            })
        })
        .await
    }
}

impl Place {
    /// The same bytes; the place is free again when the last copy of them is gone.
    pub fn hold(self, message: Bytes) -> Bytes {
        Bytes::from_owner(Held { message, _place: self })
    }
}

struct Held {
    message: Bytes,
    _place: Place,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.message
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ConnId;

    #[tokio::test(start_paused = true)]
    async fn room_is_shared_by_size_and_comes_back_with_the_bytes() {
        let line = Line::new(ConnId(1));
        let backlog = Backlog::new(1000, Duration::from_secs(5));
        let mut held = Vec::new();
        for _ in 0..ROOM {
            held.push(backlog.place(&line, 10).await.unwrap().hold(Bytes::from_static(b"x")));
        }
        let full = backlog.place(&line, 0).await.unwrap_err();
        assert_eq!(full.kind, FaultKind::NoHandler { retry_after: 1 });
        let copy = held[0].clone();
        held.clear();
        assert!(backlog.place(&line, 1000).await.is_err(), "one is still held");
        assert_eq!(copy, "x");
        drop(copy);
        let largest = backlog.place(&line, 1000).await.unwrap();
        let waiting = backlog.clone();
        let waits =
            tokio::spawn(async move { waiting.place(&Line::new(ConnId(2)), 1).await.is_ok() });
        tokio::task::yield_now().await;
        drop(largest);
        assert!(waits.await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_kill_ends_the_wait() {
        let line = Line::new(ConnId(1));
        let backlog = Backlog::new(1, Duration::from_secs(5));
        let _all = backlog.place(&line, 1).await.unwrap();
        line.kill();
        let killed = FaultKind::Killed(http1::CloseReason::Killed);
        assert_eq!(backlog.place(&line, 1).await.unwrap_err().kind, killed);
    }
}
