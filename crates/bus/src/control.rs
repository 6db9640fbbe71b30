//! The control port: a REP socket that answers one request frame with one reply frame.

use std::time::Duration;

use bytes::Bytes;

use crate::fault::BindFault;

/// A bound control port; `ipc://` paths have mode 0600. Dropping it unbinds.
#[derive(Debug)]
pub struct ControlPort {}

impl ControlPort {
    /// Binds the REP socket.
    pub async fn bind(spec: &str) -> Result<Self, BindFault> {
        let _ = spec;
        todo!()
    }

    /// The spec that is really bound: a port `*` or `0` has become a number.
    pub fn bound(&self) -> String {
        todo!()
    }

    /// Answers requests, one at a time over all peers, until the future is dropped.
    pub async fn serve<F, A>(&mut self, answer: F)
    where
        F: FnMut(Bytes) -> A + Send,
        A: Future<Output = Bytes> + Send,
    {
        let _ = answer;
        todo!()
    }

    /// Writes the replies still queued, then unbinds.
    pub async fn close(self) {
        todo!()
    }
}

/// Asks the control port at `spec` one question (the client's side, for m2sh).
pub async fn ask(spec: &str, request: Bytes, within: Duration) -> Result<Bytes, AskFault> {
    let _ = (spec, request, within);
    todo!()
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskFault {
    /// No such address, or nobody listens there.
    #[error("cannot connect to {spec}")]
    Connect {
        /// The spec as given.
        spec: String,
        /// What was wrong with it, or what the system said.
        #[source]
        cause: zmtp::EndpointFault,
    },
    /// The peer went away before it answered.
    #[error("{spec} closed the connection before it answered")]
    Closed {
        /// The spec as given.
        spec: String,
    },
    /// The time was up.
    #[error("{spec} gave no answer within {within:?}")]
    Timeout {
        /// The spec as given.
        spec: String,
        /// How long was waited.
        within: Duration,
    },
}
