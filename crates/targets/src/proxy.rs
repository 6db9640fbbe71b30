//! An HTTP/1.1 back end, streamed both ways.
//!
//! The request reaches it as the client sent it, but for what RFC 9110 section 7.6 asks of a
//! gateway: fields that end here (Connection and what it names, Keep-Alive, Proxy-Connection, TE,
//! Trailer, Transfer-Encoding and Upgrade) are left out, framing is our own, Max-Forwards is
//! counted down, and these are added:
//!
//! - `Host`, as sent; for an HTTP/1.0 request without one, the back end's address;
//! - `X-Forwarded-For`: what the client sent, and after it the client's address;
//! - `X-Forwarded-Host` and `X-Forwarded-Proto`, in place of what the client sent;
//! - `Via: 1.1 lurcher`, after those of others.
//!
//! Fields with `_` in their name are left out: CGI and its heirs can't tell them from those with
//! `-`. Fields of one name keep their order. Whether a client that waits with its body is invited
//! is for the back end to say. Of the response, `Server` is ours, and `Date` if it has none.
//!
//! There is no task beside the client's: it drives the connection to the back end that carries its
//! request, and in between that connection waits in a pool that all threads share. A request that
//! switches protocols would take the connection out of its `Link` instead.

mod alarm;
mod failure;
mod forwards;
mod hop;
mod interim;
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

use edge::{Answer, Exchange, Fault, FaultKind, Relayed, Response};
use failure::{Failure, Stop, chain};
use http1::Version;
use hyper::client::conn::http1::Builder;
use hyper::header::HeaderValue;
use interim::Wanted;
use link::Link;
use passage::Passage;
use pool::Pool;
use std::error::Error;
use std::fmt::Display;
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
        if forwards::left(exchange.head) == Some(0) {
            return forwards::answer(exchange.head);
        }
        match self.forward(exchange).await {
            Ok(response) => Answer::Response(response),
            Err(Stop::Fault(fault)) => Answer::Fault(fault),
            Err(Stop::Gone(reason)) => Answer::Relayed(Relayed {
                status: None,
                content_bytes: 0,
                close: Some(reason),
                by: None,
            }),
        }
    }

    async fn forward<'r>(&self, exchange: Exchange<'r, '_>) -> Result<Response<'r>, Stop> {
        let shared = &self.shared;
        let Exchange { head, peer, body, mut client } = exchange;
        let framing = head.framing();
        upload::check(framing, shared.upload_bytes_max)?;
        let idle = shared.pool.take();
        let is_reused = idle.is_some();
        let link = match idle {
            Some(link) => link,
            None => shared.connect().await?,
        };
        let upload = Upload::new(body, framing, shared.upload_bytes_max);
        let mut passage = Passage::new(Arc::clone(shared), link, upload);
        let make = |passage: &mut Passage<'r>| {
            let parts = (passage.upload().content(), passage.link().take_room());
            request::request(head, peer, &shared.authority, parts)
        };
        let mut request = make(&mut passage)?;
        let wanted = Wanted {
            invitation: head.expects_continue(),
            others: head.version() == Version::Http11,
        };
        let mut may_try_again = is_reused;
        let answered = loop {
            let failure = match passage.response(request, wanted, &mut client).await {
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
        let answered = answered.map_err(|failure| failure.into_stop(shared))?;
        // It may still be waiting with its body, and needs to know that nobody will ask for it.
        let is_last = head.expects_continue() && !passage.upload().has_begun();
        let mut response = response::response(passage, head.is_head(), answered).await?;
        response.close = is_last;
        Ok(response)
    }
}

impl Shared {
    /// A fault of the back end. Why is for the log: what is behind us is not the client's business.
    fn failed(&self, kind: FaultKind, why: impl Display) -> Fault {
        tracing::warn!(upstream = self.address, detail = %why, "a back end failed");
        kind.into()
    }

    /// In a box, because it is rare and large beside what other requests need.
    fn connect(&self) -> Pin<Box<dyn Future<Output = Result<Box<Link>, Fault>> + Send + '_>> {
        Box::pin(self.open())
    }

    async fn open(&self) -> Result<Box<Link>, Fault> {
        let host = self.proxy.addr.trim_start_matches('[').trim_end_matches(']');
        let unreachable = |error: &dyn Error| {
            self.failed(FaultKind::UpstreamUnreachable, chain("it can't be reached", error))
        };
        let stream = link::dial(host, self.proxy.port, self.connect_deadline).await;
        let stream = stream.map_err(|error| unreachable(&error))?;
        Link::over(stream, &self.settings).await.map_err(|error| unreachable(&error))
    }
}
