//! Sends a response: its head and its content, framed for the client that asked.

use crate::connection::closes;
use crate::fault::Fault;
use crate::framing::{Asked, Delimiting, write_head};
use crate::response::{Body, BodySource, Response};
use crate::writer::{Unsent, Writer};
use bytes::{BufMut, Bytes, BytesMut};
use http1::CloseReason;
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// Pieces smaller than this are sent together with their chunk size in one buffer.
const COALESCE_BYTES: usize = 4 << 10;

thread_local! {
    static HEAD: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(1 << 10));
}

/// Sends `response`; `Err` says why the connection can't go on.
pub(crate) async fn send(
    writer: &mut Writer,
    response: Response<'_>,
    asked: Asked,
    keep: bool,
    deadline: Duration,
) -> Result<(), CloseReason> {
    let delimiting = asked.delimiting(&response);
    let unsent = start(writer, &response, asked, delimiting, keep)?;
    writer.finish(unsent, deadline).await?;
    match (response.body, delimiting) {
        (_, Delimiting::None) => Ok(()),
        (Body::File(slice), _) => writer.send_file(&slice, deadline).await,
        (Body::Stream { source, .. }, delimiting) => {
            let streamed = stream(writer, source, delimiting, deadline).await;
            // The end of such content is the end of the stream: it must not come.
            writer.is_cut_short = streamed.is_err() && delimiting == Delimiting::Close;
            streamed
        }
        (Body::Empty | Body::Bytes(_) | Body::Absent { .. }, _) => Ok(()),
    }
}

/// The head and, where it is in memory, the content leave in one system call.
fn start(
    writer: &mut Writer,
    response: &Response<'_>,
    asked: Asked,
    delimiting: Delimiting,
    keep: bool,
) -> Result<Unsent, CloseReason> {
    let body = match &response.body {
        Body::Bytes(bytes) if delimiting != Delimiting::None => bytes.clone(),
        _ => Bytes::new(),
    };
    HEAD.with_borrow_mut(|head| {
        head.clear();
        write_head(head, response, asked, delimiting, keep);
        writer.start(head, body)
    })
}

async fn stream(
    writer: &mut Writer,
    mut source: Box<dyn BodySource + '_>,
    delimiting: Delimiting,
    deadline: Duration,
) -> Result<(), CloseReason> {
    let mut left = match delimiting {
        Delimiting::Length(length) => Some(length),
        Delimiting::None | Delimiting::Chunked | Delimiting::Close => None,
    };
    loop {
        let piece = poll_fn(|cx| match writer.poll_cut(cx) {
            Poll::Ready(reason) => Poll::Ready(Err(reason)),
            Poll::Pending => source.poll_piece(cx).map(Ok),
        });
        let Some(piece) = piece.await? else { break };
        // The status is out: all that can be said now is that the content is not whole.
        let piece = piece.map_err(|fault| breaks_off(&fault))?;
        if piece.is_empty() {
            continue;
        }
        if let Some(left) = &mut left {
            *left = left.checked_sub(piece.len() as u64).ok_or(CloseReason::UpstreamFailed)?;
        }
        let sending = async {
            if delimiting == Delimiting::Chunked {
                send_chunk(writer, piece, deadline).await
            } else {
                writer.send(piece, deadline).await
            }
        };
        while_uploading(sending, &mut *source).await?;
    }
    match left {
        Some(1..) => Err(CloseReason::UpstreamFailed),
        Some(0) => Ok(()),
        None if delimiting == Delimiting::Chunked => {
            writer.send(Bytes::from_static(b"0\r\n\r\n"), deadline).await
        }
        None => Ok(()),
    }
}

/// Awaits `sending`, and whenever it waits for the client, has the request moved on.
async fn while_uploading(
    sending: impl Future<Output = Result<(), CloseReason>>,
    source: &mut (dyn BodySource + '_),
) -> Result<(), CloseReason> {
    let mut sending = pin!(sending);
    poll_fn(|cx| {
        let sent = sending.as_mut().poll(cx);
        match sent {
            Poll::Pending => match source.poll_upload(cx) {
                Ok(()) => Poll::Pending,
                Err(fault) => Poll::Ready(Err(breaks_off(&fault))),
            },
            sent => sent,
        }
    })
    .await
}

/// Why the connection ends when content does not.
fn breaks_off(fault: &Fault) -> CloseReason {
    closes(fault).unwrap_or(CloseReason::UpstreamFailed)
}

async fn send_chunk(
    writer: &mut Writer,
    piece: Bytes,
    deadline: Duration,
) -> Result<(), CloseReason> {
    let size = format!("{:x}\r\n", piece.len());
    if piece.len() < COALESCE_BYTES {
        let mut chunk = BytesMut::with_capacity(size.len() + piece.len() + 2);
        chunk.put_slice(size.as_bytes());
        chunk.put_slice(&piece);
        chunk.put_slice(b"\r\n");
        return writer.send(chunk.freeze(), deadline).await;
    }
    let unsent = writer.start(size.as_bytes(), piece)?;
    writer.finish(unsent, deadline).await?;
    writer.send(Bytes::from_static(b"\r\n"), deadline).await
}
