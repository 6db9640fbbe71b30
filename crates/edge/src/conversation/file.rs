//! A file among a handler's replies.

use super::{Answered, Conversation, Turn};
use crate::file_reply::FileReply;
use http1::{CloseReason, Progress};
use std::sync::Arc;

impl Conversation<'_> {
    /// Sends the file in its turn. One that can't be opened is the answer, if there is none yet.
    pub(super) async fn pass_on_file(&mut self, reply: Arc<FileReply>) -> Option<Turn> {
        let slice = match reply.open().await {
            Ok(slice) => slice,
            Err(fault) => return Some(self.failed(fault)),
        };
        let head = reply.head(slice.length);
        if !head.is_empty()
            && let Some(turn) = self.pass_on(head).await
        {
            return Some(turn);
        }
        if self.is_answered() {
            // A HEAD request: the head was all of it.
            return None;
        }
        match self.tracker.feed_unseen(slice.length) {
            Ok(progress) => {
                let is_whole = matches!(progress, Progress::Complete { .. });
                self.note(if is_whole { Answered::Complete } else { Answered::Partly });
            }
            Err(broken) => {
                tracing::warn!(conn = %self.line.conn(), %broken, "a handler's file is not what its head promised");
                return Some(self.end(CloseReason::HandlerBrokeFraming));
            }
        }
        let sent = self.writer.send_file(&slice, self.write_deadline).await;
        sent.err().map(|reason| self.end(reason))
    }
}
