//! Why a back end gave no answer, and what the client is told.

use super::upload::Content;
use edge::{Fault, FaultKind};
use http1::CloseReason;
use hyper::Request;
use hyper::client::conn::TrySendError;
use std::error::Error;
use std::fmt::Write as _;

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
            None if error.is_parse() || error.is_user() => Self::Garbage(error),
            None => Self::Lost(error),
        }
    }

    /// What to answer for the back end at `address`.
    pub(super) fn into_stop(self, address: &str) -> Stop {
        match self {
            Self::Stop(stop) => stop,
            Self::Unsent(_, error) | Self::Lost(error) => {
                broken(format!("The back end {address} closed without an answer"), &error).into()
            }
            Self::Garbage(error) => {
                broken(format!("The answer of the back end {address} is not HTTP/1.1"), &error)
                    .into()
            }
        }
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

fn broken(text: String, error: &dyn Error) -> Fault {
    Fault::new(FaultKind::UpstreamBroken, chain(text, error))
}

/// One line: `text`, and what caused it.
pub(super) fn chain(mut text: String, error: &dyn Error) -> String {
    let mut next = Some(error);
    while let Some(error) = next {
        write!(text, ": {error}").expect("a String takes all");
        next = error.source();
    }
    text.push('.');
    text
}
