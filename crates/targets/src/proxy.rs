//! An HTTP/1.1 back end, streamed both ways.
//!
//! The request reaches it as the client sent it, but for what RFC 9110 section 7.6 asks of a
//! gateway: fields that end here (Connection and what it names, Keep-Alive, Proxy-Connection, TE,
//! Trailer, Transfer-Encoding, Upgrade, and Expect, which we answer) are left out, framing is our
//! own, and these are added:
//!
//! - `Host`, as sent; for an HTTP/1.0 request without one, the back end's address;
//! - `X-Forwarded-For`: what the client sent, and after it the client's address;
//! - `X-Forwarded-Host` and `X-Forwarded-Proto`, in place of what the client sent;
//! - `Via: 1.1 lurcher`, after those of others.
//!
//! Fields with `_` in their name are left out: CGI and its heirs can't tell them from those with
//! `-`. Fields of one name keep their order. Of the response, `Date` and `Server` are ours.
//!
//! There is no task beside the client's: it drives the connection to the back end that carries its
//! request, and in between that connection waits in a pool that all threads share. A request that
//! switches protocols would take the connection out of its `Link` instead.

mod alarm;
mod failure;
mod hop;
mod link;
mod passage;
mod pool;
mod relay;
mod request;
mod response;
mod upload;
mod waking;

#[cfg(test)]
mod tests;

use edge::{Answer, Exchange, Fault, FaultKind, Relayed, Response, Whose};
use failure::{Failure, Stop, chain};
use hyper::client::conn::http1::Builder;
use hyper::header::HeaderValue;
use link::Link;
use passage::Passage;
use pool::Pool;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use upload::Upload;

/// The live state of one `site::Proxy`: its address and the connections that wait for a request.
#[derive(Debug)]
pub struct Upstream {
    shared: Arc<Shared>,
}

/// What the exchanges under way share.
#[derive(Debug)]
struct Shared {
    proxy: Arc<site::Proxy>,
    /// `addr:port`, for people and for requests that name no host.
    address: String,
    authority: HeaderValue,
    settings: Builder,
    connect_deadline: Duration,
    response_deadline: Duration,
    read_ahead_bytes_max: usize,
    upload_bytes_max: Option<u64>,
    pool: Pool,
}

impl Upstream {
    pub fn new(proxy: Arc<site::Proxy>, limits: &site::Limits) -> Self {
        let address = if proxy.addr.contains(':') && !proxy.addr.starts_with('[') {
            format!("[{}]:{}", proxy.addr, proxy.port)
        } else {
            format!("{}:{}", proxy.addr, proxy.port)
        };
        // An address that can't stand in a field can't be connected to either.
        let authority = HeaderValue::from_str(&address);
        let shared = Shared {
            proxy,
            address,
            authority: authority.unwrap_or_else(|_| HeaderValue::from_static("localhost")),
            settings: link::settings(limits),
            connect_deadline: limits.proxy_connect_deadline,
            response_deadline: limits.proxy_response_deadline,
            read_ahead_bytes_max: limits.head_bytes_max,
            upload_bytes_max: limits.upload_size_max,
            pool: Pool::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Passes a request on and answers with what comes back.
    ///
    /// A connection from the pool may turn out to be closed. A request of which nothing was sent
    /// then gets another one, and so does one that is idempotent and whose body has not begun
    /// (RFC 9110 section 9.2.2); all others are answered with 502, as they may have been acted on.
    pub async fn serve<'r>(&self, exchange: Exchange<'r, '_>) -> Answer<'r> {
        match self.forward(exchange).await {
            Ok(response) => Answer::Response(response),
            Err(Stop::Fault(fault)) => {
                self.shared.note(&fault);
                Answer::Fault(fault)
            }
            Err(Stop::Gone(reason)) => Answer::Relayed(Relayed {
                status: None,
                content_bytes: 0,
                close: Some(reason),
                by: None,
            }),
        }
    }

    async fn forward<'r>(&self, mut exchange: Exchange<'r, '_>) -> Result<Response<'r>, Stop> {
        let shared = &self.shared;
        let framing = exchange.head.framing();
        upload::check(framing, shared.upload_bytes_max)?;
        let idle = shared.pool.take();
        let is_reused = idle.is_some();
        let link = match idle {
            Some(link) => link,
            None => shared.connect().await?,
        };
        // Only now: a client need not send its body to hear that there is no back end.
        exchange.invite().await.map_err(Stop::Gone)?;
        let Exchange { head, peer, body, .. } = exchange;
        let upload = Upload::new(body, framing, shared.upload_bytes_max);
        let mut passage = Passage::new(Arc::clone(shared), link, upload);
        let make = |passage: &mut Passage<'r>| {
            request::request(head, peer, &shared.authority, passage.upload().content())
        };
        let mut request = make(&mut passage)?;
        let mut may_try_again = is_reused;
        let answered = loop {
            let failure = match passage.response(request).await {
                Ok(response) => break Ok(response),
                Err(failure) => failure,
            };
            request = match failure {
                Failure::Unsent(unsent, _) if may_try_again => *unsent,
                Failure::Lost(_)
                    if may_try_again
                        && request::is_idempotent(head)
                        && !passage.upload().has_begun() =>
                {
                    make(&mut passage)?
                }
                failure => break Err(failure),
            };
            passage.change(shared.connect().await?);
            may_try_again = false;
        };
        let answered = answered.map_err(|failure| failure.into_stop(&shared.address))?;
        response::response(passage, head.is_head(), answered).await
    }
}

impl Shared {
    /// A client's faults are in the access log.
    fn note(&self, fault: &Fault) {
        if fault.kind.verdict().whose == Whose::Upstream {
            tracing::warn!(upstream = self.address, detail = fault.text(), "a back end failed");
        }
    }

    /// In a box, because it is rare and large beside what other requests need.
    fn connect(&self) -> Pin<Box<dyn Future<Output = Result<Box<Link>, Fault>> + Send + '_>> {
        Box::pin(self.open())
    }

    async fn open(&self) -> Result<Box<Link>, Fault> {
        let host = self.proxy.addr.trim_start_matches('[').trim_end_matches(']');
        let unreachable = |error: &dyn std::error::Error| {
            let text = format!("The back end {} can't be reached", self.address);
            Fault::new(FaultKind::UpstreamUnreachable, chain(text, error))
        };
        let stream = link::dial(host, self.proxy.port, self.connect_deadline).await;
        let stream = stream.map_err(|error| unreachable(&error))?;
        Link::over(stream, &self.settings).await.map_err(|error| unreachable(&error))
    }
}
