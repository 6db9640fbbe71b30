//! A conversation after a 101: the client's bytes no longer are HTTP (RFC 9110 section 7.8).

use super::{Conversation, Relayed, Turn};
use crate::backlog::{Backlog, Place};
use crate::fault::Fault;
use crate::line::{Delivery, Heard};
use crate::reader::RequestBody;
use bytes::Bytes;
use http1::CloseReason;
use std::future::poll_fn;
use std::task::Poll;

/// What happened next on an upgraded connection.
#[derive(Debug)]
pub enum Spoken {
    /// What the client sent, as it came.
    Bytes(Bytes),
    /// A message that was given to a handler will not reach one.
    Failed(Fault),
    /// The server is going down: say so and end.
    Draining,
    /// The exchange has ended.
    Over(Relayed),
}

enum Event {
    Heard(Heard),
    Read(Bytes),
    InputEnd,
    Draining,
}

impl Conversation<'_> {
    /// Whether a handler's answer was a whole 101: HTTP is over.
    pub fn is_upgraded(&self) -> bool {
        // Behind any other final status the tracker waits for content.
        self.tracker.status() == Some(101)
    }

    /// Whether that answer agreed upon an extension of WebSocket.
    pub fn agrees_on_extensions(&self) -> bool {
        self.tracker.agrees_on_extensions()
    }

    /// Passes on what handlers say until the client says something, or all is over.
    ///
    /// While a handler's bytes wait for the client to take them, nothing is read from it.
    pub async fn spoken(&mut self, body: &mut RequestBody<'_>) -> Spoken {
        loop {
            let event = poll_fn(|cx| {
                if let Poll::Ready(heard) = self.line.poll_heard(cx) {
                    return Poll::Ready(Event::Heard(heard));
                }
                if let Poll::Ready(read) = body.poll_read(cx) {
                    return Poll::Ready(read.map_or(Event::InputEnd, Event::Read));
                }
                if self.line.is_draining() { Poll::Ready(Event::Draining) } else { Poll::Pending }
            });
            let heard = match event.await {
                Event::Heard(heard) => heard,
                Event::Read(bytes) => return Spoken::Bytes(bytes),
                Event::InputEnd => return Spoken::Over(self.over(CloseReason::PeerClosed)),
                Event::Draining => return Spoken::Draining,
            };
            if let Heard::Delivery(Delivery::Failed { exchange, why }) = heard {
                if exchange == self.exchange {
                    return Spoken::Failed(why.into());
                }
                continue;
            }
            match self.hear(heard).await {
                Some(Turn::Over(relayed)) => return Spoken::Over(relayed),
                Some(Turn::Failed(fault)) => return Spoken::Failed(fault),
                Some(_) | None => {}
            }
        }
    }

    /// Waits until there is room for a message of `bytes` that the client has sent.
    ///
    /// # Errors
    /// As [`Backlog::place`].
    pub async fn place(&self, backlog: &Backlog, bytes: usize) -> Result<Place, Fault> {
        backlog.place(self.line, bytes).await
    }

    /// Sends the server's own last word, and says how the exchange ended.
    pub async fn say_last(&mut self, word: Bytes, reason: CloseReason) -> Relayed {
        // Whether or not the client takes it, the connection ends for this reason.
        let _taken = self.writer.send(word, self.write_deadline).await;
        self.over(reason)
    }

    /// The exchange ends without another word.
    pub fn over(&self, reason: CloseReason) -> Relayed {
        debug_assert!(self.is_upgraded(), "only an upgraded conversation ends without HTTP");
        self.relayed(Some(reason))
    }
}
