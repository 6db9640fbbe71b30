//! The client's side of a control port: one question, one answer.

use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::timeout;
use zmtp::{Departure, Frame, Peer, SocketType, Traffic};

/// Asks the control port at `spec` one question (the client's side, for m2sh).
pub async fn ask(spec: &str, request: Bytes, within: Duration) -> Result<Bytes, AskFault> {
    let (answer, answered) = oneshot::channel();
    let question =
        Arc::new(Question { request: Mutex::new(Some(request)), answer: Mutex::new(Some(answer)) });
    let spec = spec.to_owned();
    let exchange = async {
        let connect = async {
            zmtp::connect(
                &spec.parse()?,
                super::options(SocketType::Req, super::REPLY_BYTES_MAX),
                question,
            )
            .await
        };
        let connection =
            connect.await.map_err(|cause| AskFault::Connect { spec: spec.clone(), cause })?;
        let answer = answered.await.map_err(|_| AskFault::Closed { spec: spec.clone() });
        drop(connection);
        answer
    };
    match timeout(within, exchange).await {
        Ok(outcome) => outcome,
        Err(_) => Err(AskFault::Timeout { spec, within }),
    }
}

#[derive(Debug)]
struct Question {
    request: Mutex<Option<Bytes>>,
    /// Dropped with the connection.
    answer: Mutex<Option<oneshot::Sender<Bytes>>>,
}

impl Traffic for Question {
    fn supply(&self, _peer: &Peer, frames: &mut Vec<Frame>) {
        if let Some(request) = take(&self.request) {
            frames.push(Frame { more: true, payload: Bytes::new() });
            frames.push(Frame::last(request));
        }
    }

    fn received(&self, _peer: &Peer, frames: &mut Vec<Frame>) {
        let reply = frames.drain(..).find(|frame| !frame.more);
        if let Some(reply) = reply
            && let Some(answer) = take(&self.answer)
            && answer.send(reply.payload).is_err()
        {
            tracing::debug!("the answer came too late");
        }
    }

    fn left(&self, _peer: &Peer, _written: usize, _why: &Departure) {
        take(&self.answer);
    }
}

fn take<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
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
