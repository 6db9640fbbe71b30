//! What the simulated server serves: targets that read their body, leave it, stream or fail.

use crate::exchange::{AccessRecord, Answer, Exchange, Rules, Service};
use crate::fault::{Fault, FaultKind};
use crate::response::{Body, BodySource, Response};
use bytes::Bytes;
use http1::CloseReason;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

/// The largest body that `/echo` takes.
pub(super) const BODY_MAX: u64 = 100_000;
/// What `/stream` answers, in pieces of seven bytes.
pub(super) const STREAM: &str = "a body that comes in pieces and whose length nobody knows";
/// How long the answer of `/big` is: more than the client's side takes at once.
pub(super) const BIG: usize = 150_000;

#[derive(Debug)]
pub(super) struct Echo {
    rules: Arc<Rules>,
    reasons: Mutex<Vec<Option<CloseReason>>>,
}

impl Default for Echo {
    fn default() -> Self {
        let rules = Rules {
            limits: site::Limits::default(),
            http: http1::Limits::default(),
            tcp_keepalive: false,
        };
        Self { rules: Arc::new(rules), reasons: Mutex::default() }
    }
}

impl Echo {
    /// The close reason of each exchange, in order.
    pub(super) fn reasons(&self) -> Vec<Option<CloseReason>> {
        self.reasons.lock().unwrap().clone()
    }
}

/// What `/echo` says of a body: where it differs, so does this.
pub(super) fn digest(body: &[u8]) -> String {
    let sum =
        body.iter().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add((*byte).into()));
    format!("{} bytes, {sum:08x}", body.len())
}

impl Service for Echo {
    type Trace = ();

    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules)
    }

    async fn serve<'r>(&self, mut exchange: Exchange<'r, '_>) -> (Answer<'r>, ()) {
        let path = exchange.head.path();
        let answer = match path {
            "/echo" => echo(&mut exchange).await,
            "/stream" => Ok(streamed()),
            "/close" => Ok(Response { close: true, ..text("closing") }),
            "/slow" => {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                Ok(text("at last"))
            }
            "/big" => Ok(text(&"b".repeat(BIG))),
            "/early" => Ok(text("early")),
            _ => Err(FaultKind::NotFound.into()),
        };
        (answer.map_or_else(Answer::Fault, Answer::Response), ())
    }

    fn record(&self, record: AccessRecord<'_, ()>) {
        self.reasons.lock().unwrap().push(record.close);
    }
}

async fn echo(exchange: &mut Exchange<'_, '_>) -> Result<Response<'static>, Fault> {
    exchange.invite().await.map_err(|_| FaultKind::ClientGone)?;
    let body = exchange.body.collect(BODY_MAX).await?;
    Ok(text(&digest(&body)))
}

fn text(text: &str) -> Response<'static> {
    let mut response = Response::new(200);
    response.body = Body::Bytes(Bytes::copy_from_slice(text.as_bytes()));
    response
}

fn streamed() -> Response<'static> {
    let mut response = Response::new(200);
    let source = Box::new(Pieces { left: STREAM.as_bytes(), pause: true });
    response.body = Body::Stream { source, length: None };
    response
}

/// Every second call has nothing yet.
#[derive(Debug)]
struct Pieces {
    left: &'static [u8],
    pause: bool,
}

impl BodySource for Pieces {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Fault>>> {
        self.pause = !self.pause;
        if self.pause {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let (piece, left) = self.left.split_at(self.left.len().min(7));
        self.left = left;
        Poll::Ready(Some(Ok(Bytes::from_static(piece))))
    }
}
