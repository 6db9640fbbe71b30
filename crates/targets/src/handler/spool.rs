//! A body too large for one message: to a file, between an upload's *start* and *done* messages.

use super::message::Written;
use super::upload_file::{Finished, Spool};
use super::{HandlerLink, Terms};
use bus::{Delivery, Outgoing, Standing, Tag};
use bytes::Bytes;
use edge::{Audience, Exchange, Fault, FaultKind, Poured, Reading, Relayed, Turn};
use http1::{CloseReason, Framing};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

impl HandlerLink {
    /// Writes the body to a file, telling the handler before and after.
    pub(super) async fn spool(
        &self,
        exchange: &mut Exchange<'_, '_>,
        audience: &Arc<dyn Audience>,
        terms: Terms<'_>,
    ) -> Result<Relayed, Fault> {
        let Some(store) = terms.store else {
            return Err(too_large(terms.limits.content_length));
        };
        let size_max = terms.limits.upload_size_max;
        let length = announced(exchange, size_max)?;
        let claim = store.claim(length, terms.uploads.store_max)?;
        let mut spool = Spool::create(store, claim, terms.uploads, size_max).await?;
        exchange.client.open(audience);
        let start = self.request(exchange, terms, Written::UploadStart(spool.name()));
        let tag = Tag { conn: exchange.peer.conn.0, exchange: exchange.client.exchange() };
        self.send(Outgoing { message: start, delivery: Delivery::Message { tag } })?;
        exchange.invite().await.map_err(|_| FaultKind::ClientGone)?;

        loop {
            let turn = if spool.is_busy() {
                let written = pin!(spool.written());
                exchange.client.turn_or(&mut exchange.body, Reading::Lent, written).await
            } else {
                Some(exchange.client.turn(&mut exchange.body, Reading::Body).await)
            };
            let Some(turn) = turn else {
                let (lent, poured) = spool.settle()?;
                if let Some(lent) = lent {
                    exchange.body.take_back(lent);
                }
                if poured == Poured::Enough {
                    spool.write(exchange.body.lend());
                }
                continue;
            };
            match turn {
                Turn::Piece(piece) => {
                    spool.push(piece)?;
                    if spool.is_full() {
                        spool.write(exchange.body.lend());
                    }
                }
                Turn::BodyEnd => break,
                Turn::Credits(_) | Turn::Upgraded => {}
                // Dropping the spool removes the file.
                Turn::Failed(fault) => return Err(fault),
                Turn::Over(relayed) => return Ok(relayed),
            }
        }
        let name = spool.name().to_owned();
        let finished = spool.finish().await?;
        let done = Written::UploadDone {
            file: &name,
            size: finished.size,
            digest: finished.digest.as_deref(),
        };
        let done = self.request(exchange, terms, done);
        exchange.client.expect_answer(terms.limits.handler_timeout);
        self.give(exchange, done, finished).await
    }

    /// Sends the *done* message. The file is the handler's as soon as one has been given that; if
    /// none ever is, it goes away.
    async fn give(
        &self,
        exchange: &mut Exchange<'_, '_>,
        done: Bytes,
        mut finished: Finished,
    ) -> Result<Relayed, Fault> {
        let tag = Tag { conn: exchange.peer.conn.0, exchange: exchange.client.exchange() };
        let is_answered = exchange.client.is_answered();
        // Whatever the method: the first handler may have taken the file away already.
        let delivery = Delivery::Request { tag, replayable: false };
        self.send(Outgoing { message: done, delivery })?;
        let waits = self.link.standing(tag) == Some(Standing::Waiting);
        if waits {
            finished.list().await;
        }
        let mut relay = pin!(exchange.client.relay(&mut exchange.body));
        let mut given = pin!(self.link.given(tag));
        let mut early = None;
        poll_fn(|cx| {
            // An exchange that is answered ends at once; its file still waits for a handler.
            if !is_answered && let Poll::Ready(relayed) = relay.as_mut().poll(cx) {
                early = Some(relayed);
                return Poll::Ready(());
            }
            given.as_mut().poll(cx)
        })
        .await;
        // A message that nobody was given and that is not known either has been given up.
        let is_lost = early.is_some() || is_answered;
        let is_lost = is_lost && waits && self.link.standing(tag).is_none();
        if waits && !is_lost {
            finished.unlist().await;
        }
        let relayed = match early {
            Some(relayed) => relayed,
            None => relay.await,
        };
        let standing = self.link.withdraw(tag);
        let is_ours = is_lost
            || matches!(standing, Some(Standing::Waiting | Standing::Queued))
            || matches!(&relayed, Err(fault) if matches!(fault.kind, FaultKind::NoHandler { .. }));
        if !is_ours {
            finished.keep();
        }
        // A handler that answered the *start* message answers *done*, too, if it does not know
        // uploads: that must not become the answer to the next request.
        relayed.map(|relayed| {
            let ends = is_answered.then_some(CloseReason::ResponseEnded);
            Relayed { close: relayed.close.or(ends), ..relayed }
        })
    }
}

/// The length that the client has announced; a fault if it is more than `size_max`.
pub(super) fn announced(
    exchange: &Exchange<'_, '_>,
    size_max: Option<u64>,
) -> Result<Option<u64>, Fault> {
    let Framing::Length(length) = exchange.head.framing() else { return Ok(None) };
    match size_max.filter(|&max| length > max) {
        Some(max) => Err(too_large(max)),
        None => Ok(Some(length)),
    }
}

pub(super) fn too_large(limit: u64) -> Fault {
    let text = format!("The body is larger than the {limit} bytes that are taken here.");
    Fault::new(FaultKind::BodyTooLarge, text)
}
