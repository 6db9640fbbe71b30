//! Reads along a handler's raw response, never changing it, to know where it ends.

/// What the bytes so far amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// More must come, or only the close can end it.
    Pending,
    /// The response ended with byte `consumed` of this feed.
    Complete { consumed: usize },
    /// Not HTTP, or HTTP no longer (101): nothing more can be known; only a close ends it.
    Opaque,
}

/// How a response stands when the connection or the handler ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Nothing had been sent.
    Nothing,
    /// Whole: it was complete before, or the close is what ends it.
    Whole,
    /// Cut short in the head, or this many bytes of a Content-Length or an unknown count of chunks are missing.
    CutShort,
    /// Bytes that are not HTTP; nobody can tell.
    Opaque,
}

/// What a handler's response did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("the response ended at byte {end} of this reply, but more bytes follow")]
    Excess { end: usize },
}

/// Follows one response to one request.
#[derive(Debug)]
pub struct ResponseTracker {
    status: Option<u16>,
    body_bytes: u64,
}

impl ResponseTracker {
    /// A tracker for the response to one request; a response to HEAD has no body.
    pub fn new(_request_is_head: bool) -> Self {
        Self { status: None, body_bytes: 0 }
    }

    /// Reads along. An error is final.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Progress, Broken> {
        self.body_bytes = self.body_bytes.saturating_add(bytes.len() as u64);
        Ok(Progress::Opaque)
    }

    /// The handler closed, or the connection did.
    pub fn finish(&mut self) -> Ending {
        Ending::Opaque
    }

    /// The final status, once its head is complete.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// Content bytes so far, without chunk framing.
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// Whether the connection can serve another request after this response.
    pub fn persistent(&self) -> bool {
        false
    }
}
