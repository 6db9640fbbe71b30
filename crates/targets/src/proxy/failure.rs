//! Why a back end gave no answer, and what the client is told.

use super::Shared;
use super::upload::Content;
use edge::{Fault, FaultKind};
use http1::CloseReason;
use hyper::Request;
use hyper::client::conn::TrySendError;
use std::error::Error;
use std::fmt::Write as _;
use std::io;

/// Why an exchange ends before its answer does.
#[derive(Debug)]
pub(super) enum Stop {
    /// Nobody is there to be answered.
    Gone(CloseReason),
    Fault(Fault),
}

/// Why there is no response head.
#[derive(Debug)]
pub(super) enum Failure {
    /// The connection was closed before any of the request was sent.
    Unsent(Box<Request<Content>>, hyper::Error),
    /// The connection ended, and with it the request.
    Lost(hyper::Error),
    /// What came is not a response.
    Garbage(hyper::Error),
    /// The client, or time, ended the exchange.
    Stop(Stop),
}

impl Failure {
    pub(super) fn of_sending(mut failed: TrySendError<Request<Content>>) -> Self {
        let unsent = failed.take_message();
        let error = failed.into_error();
        match unsent {
            Some(request) => Self::Unsent(Box::new(request), error),
            None if error.is_parse() || error.is_user() || is_ours(&error) => Self::Garbage(error),
            None => Self::Lost(error),
        }
    }

    /// What to answer for the back end.
    pub(super) fn into_stop(self, shared: &Shared) -> Stop {
        let (text, error) = match self {
            Self::Stop(stop) => return stop,
            Self::Unsent(_, error) | Self::Lost(error) => ("it closed without an answer", error),
            Self::Garbage(error) => ("its answer is not HTTP/1.1", error),
        };
        shared.failed(FaultKind::UpstreamBroken, chain(text, &error)).into()
    }
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Stop> for Fault {
    /// Once a response has begun, there is nothing more to say.
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Gone(_) => FaultKind::ClientGone.into(),
            Stop::Fault(fault) => fault,
        }
    }
}

/// Whether our own end of the stream refused to go on.
fn is_ours(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::InvalidData)
}

/// One line: `text`, and what caused it.
pub(super) fn chain(text: &str, error: &dyn Error) -> String {
    let mut text = text.to_owned();
    let mut next = Some(error);
    while let Some(error) = next {
        write!(text, ": {error}").expect("a String takes all");
        next = error.source();
    }
    text
}
