//! A body too large for one message: in parts, as the handler grants credits (`upload.stream`).

use super::message::Written;
use super::spool::{announced, too_large};
use super::{HandlerLink, Terms, wire_protocol};
use bus::{Delivery, Outgoing, Tag};
use bytes::{Bytes, BytesMut};
use edge::{Audience, Exchange, Fault, FaultKind, Reading, Relayed, Turn};
use http1::{CloseReason, Limit};
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use wire::request::UploadPart;

/// A longer rest of a body is cheaper to end with its connection.
const SKIP_BYTES_MAX: usize = 256 << 10;

/// Parts that the handler's socket has not begun to take. A handler that grants credits for more
/// than it reads holds the client back with this much in memory.
const UNTAKEN_BYTES_MAX: usize = 256 << 10;

/// What a part weighs beside its bytes, so that chunks of one byte have a bound, too.
const PART_BYTES: usize = 512;

/// How far a streamed body has come.
#[derive(Debug)]
struct Progress {
    /// As announced; `None` if the client sends chunks.
    length: Option<u64>,
    /// What the handler has been sent.
    offset: u64,
    /// What the handler takes; parts are not cut to it, so it may fall below zero.
    credits: i64,
    /// Of what was sent, what may not have been taken yet.
    untaken: usize,
    /// Read from the client, not sent yet.
    held: Bytes,
    body_ended: bool,
}

impl HandlerLink {
    /// Sends the body in parts. Without credits nothing is read: TCP holds the client back.
    pub(super) async fn stream(
        &self,
        exchange: &mut Exchange<'_, '_>,
        audience: &Arc<dyn Audience>,
        terms: Terms<'_>,
    ) -> Result<Relayed, Fault> {
        let size_max = terms.limits.upload_size_max;
        let part_max = usize::try_from(terms.limits.content_length).unwrap_or(usize::MAX).max(1);
        let mut progress = Progress::new(announced(exchange, size_max)?);
        exchange.client.open(audience);
        if let Some(length) = progress.length {
            progress.held = exchange.body.arrived()?.unwrap_or_default();
            // Never all of it: the handler waits for a part that says it is the last.
            let first_max = part_max.min(usize::try_from(length - 1).unwrap_or(usize::MAX));
            let first = progress.take(first_max);
            self.begin(exchange, terms, &first)?;
            progress.offset = first.len() as u64;
        } else {
            self.begin(exchange, terms, &[])?;
        }

        loop {
            if progress.credits > 0 && progress.has_part() && !progress.is_ahead() {
                let offset = progress.offset;
                let bytes = progress.take(part_max);
                progress.sent(bytes.len());
                let done = progress.is_whole();
                self.send_part(exchange, UploadPartOf { offset, done, bytes: &bytes })?;
                if done {
                    break;
                }
                continue;
            }
            let reading = progress.reading();
            let patience = terms.limits.handler_timeout.filter(|_| reading == Reading::Paused);
            exchange.client.expect_answer(patience);
            let taken = pin!(self.taken(tag(exchange), progress.is_ahead()));
            let turn = exchange.client.turn_or(&mut exchange.body, reading, taken).await;
            let Some(turn) = turn else {
                progress.untaken = 0;
                continue;
            };
            match turn {
                Turn::Piece(piece) => progress.held = piece,
                Turn::BodyEnd => progress.body_ended = true,
                Turn::Credits(more) => {
                    progress.credits = progress.credits.saturating_add(more);
                    // Whoever waits for a word may send its body now.
                    exchange.invite().await.map_err(|_| FaultKind::ClientGone)?;
                }
                Turn::Upgraded => {}
                Turn::Failed(fault) => return Err(fault),
                Turn::Over(relayed) if relayed.close.is_none() && !exchange.body.is_done() => {
                    return skip(exchange, relayed).await;
                }
                Turn::Over(relayed) => return Ok(relayed),
            }
            if let Some(max) = size_max.filter(|&max| progress.received() > max) {
                return Err(too_large(max));
            }
        }
        exchange.client.expect_answer(terms.limits.handler_timeout);
        exchange.client.relay(&mut exchange.body).await
    }

    /// The message with all headers. It counts as the request: should its handler go, so does the
    /// exchange.
    fn begin(
        &self,
        exchange: &Exchange<'_, '_>,
        terms: Terms<'_>,
        first: &[u8],
    ) -> Result<(), Fault> {
        let message = self.request(exchange, terms, Written::StreamStart(first));
        let delivery = Delivery::Request { tag: tag(exchange), replayable: false };
        self.send(Outgoing { message, delivery })
    }

    /// Returns once the handler's socket has taken what was sent, if that `matters`.
    async fn taken(&self, tag: Tag, matters: bool) {
        if matters {
            self.link.given(tag).await;
        } else {
            pending().await
        }
    }

    fn send_part(&self, exchange: &Exchange<'_, '_>, part: UploadPartOf<'_>) -> Result<(), Fault> {
        let UploadPartOf { offset, done, bytes } = part;
        let path = exchange.head.path().as_bytes();
        let sender = &self.handler.send_ident;
        let part = UploadPart { sender, conn: exchange.peer.conn.0, path, offset, done, bytes };
        let mut message = BytesMut::with_capacity(bytes.len() + path.len() + sender.len() + 96);
        part.encode(wire_protocol(self.handler.protocol), &mut message);
        let delivery = Delivery::Part { tag: tag(exchange) };
        self.send(Outgoing { message: message.freeze(), delivery })
    }
}

/// What differs from part to part.
#[derive(Clone, Copy, Debug)]
struct UploadPartOf<'a> {
    offset: u64,
    done: bool,
    bytes: &'a [u8],
}

impl Progress {
    fn new(length: Option<u64>) -> Self {
        // No part goes before the request itself has found its handler.
        let untaken = UNTAKEN_BYTES_MAX;
        Self { length, offset: 0, credits: 0, untaken, held: Bytes::new(), body_ended: false }
    }

    /// Whether there is something to send, be it only that this was all.
    fn has_part(&self) -> bool {
        !self.held.is_empty() || self.body_ended
    }

    fn reading(&self) -> Reading {
        if self.credits > 0 && !self.has_part() { Reading::Body } else { Reading::Paused }
    }

    /// Whether the handler's socket has to catch up.
    fn is_ahead(&self) -> bool {
        self.untaken >= UNTAKEN_BYTES_MAX
    }

    fn take(&mut self, bytes_max: usize) -> Bytes {
        self.held.split_to(bytes_max.min(self.held.len()))
    }

    fn sent(&mut self, bytes: usize) {
        self.offset += bytes as u64;
        self.untaken += bytes + PART_BYTES;
        self.credits = self.credits.saturating_sub(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Whether the part just sent was the last.
    fn is_whole(&self) -> bool {
        match self.length {
            Some(length) => self.offset == length,
            None => self.body_ended && self.held.is_empty(),
        }
    }

    fn received(&self) -> u64 {
        self.offset + self.held.len() as u64
    }
}

/// The handler has answered and takes no more. What is left of the body is thrown away, so that the
/// connection can be kept, unless the handler closes it.
async fn skip(exchange: &mut Exchange<'_, '_>, relayed: Relayed) -> Result<Relayed, Fault> {
    let mut skipped = 0;
    loop {
        match exchange.client.turn(&mut exchange.body, Reading::Body).await {
            Turn::Piece(piece) => skipped += piece.len(),
            Turn::BodyEnd => return Ok(relayed),
            Turn::Credits(_) | Turn::Upgraded => {}
            Turn::Failed(fault) => return Err(fault),
            Turn::Over(relayed) => return Ok(relayed),
        }
        if skipped > SKIP_BYTES_MAX {
            return Ok(Relayed { close: Some(CloseReason::Limit(Limit::SkipBytes)), ..relayed });
        }
    }
}

fn tag(exchange: &Exchange<'_, '_>) -> Tag {
    Tag { conn: exchange.peer.conn.0, exchange: exchange.client.exchange() }
}
