//! A file that a handler sends to a client: opened in its turn, moved by the kernel.

use crate::fault::{Fault, FaultKind};
use crate::response::FileSlice;
use crate::writer::Writer;
use bytes::{Bytes, BytesMut};
use http1::CloseReason;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A part of a file, with what goes before it. It may be for many connections: each opens the
/// file when the replies before it are written.
pub struct FileReply {
    head: Bytes,
    open: Box<Open>,
}

/// Opens the file; may block. Logs what the client is not told.
type Open = dyn Fn() -> Result<FileSlice, Fault> + Send + Sync;

impl FileReply {
    /// `head` goes out as it is. If it does not end in an empty line, a Content-Length field and
    /// one are added.
    pub fn new(
        head: Bytes,
        open: impl Fn() -> Result<FileSlice, Fault> + Send + Sync + 'static,
    ) -> Self {
        Self { head, open: Box::new(open) }
    }

    pub(crate) async fn open(self: &Arc<Self>) -> Result<FileSlice, Fault> {
        let this = Arc::clone(self);
        let opened = tokio::task::spawn_blocking(move || (this.open)()).await;
        opened.unwrap_or_else(|_| Err(FaultKind::Internal.into()))
    }

    /// What goes before `length` bytes of the file.
    pub(crate) fn head(&self, length: u64) -> Bytes {
        if self.head.is_empty() || self.head.ends_with(b"\r\n\r\n") {
            return self.head.clone();
        }
        let mut head = BytesMut::from(self.head.clone());
        if !head.ends_with(b"\r\n") {
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(format!("Content-Length: {length}\r\n\r\n").as_bytes());
        head.freeze()
    }

    /// What waiting for its turn weighs.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.head.len()
    }

    /// Sends all of it to a client that has no request open. A file that can't be opened is not
    /// sent.
    pub(crate) async fn send(
        self: &Arc<Self>,
        writer: &mut Writer,
        deadline: Duration,
    ) -> Result<(), CloseReason> {
        let Ok(slice) = self.open().await else { return Ok(()) };
        writer.send(self.head(slice.length), deadline).await?;
        writer.send_file(&slice, deadline).await
    }
}

/// Two are the same only if they are one.
impl PartialEq for FileReply {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for FileReply {}

impl fmt::Debug for FileReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileReply").field("head", &self.head).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_added_to_a_head_that_is_not_ended() {
        for (head, want) in [
            ("", ""),
            ("HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"),
            ("HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"),
            ("HTTP/1.1 200 OK", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"),
        ] {
            let reply = FileReply::new(Bytes::from(head), || Err(FaultKind::NotFound.into()));
            assert_eq!(reply.head(7), want);
        }
    }
}
