//! The one place where a request finds its host, its route and its target.

use crate::access_log::AccessLog;
use crate::live::Live;
use arc_swap::ArcSwap;
use bytes::Bytes;
use edge::{
    AccessRecord, Answer, Exchange, Fault, FaultKind, Replies, Response, Rules, Service,
    SocketMessage,
};
use site::{Route, Site, Target};
use std::sync::Arc;
use targets::handler::Terms;

/// What the connections call: the site in force and the access log.
#[derive(Debug)]
pub struct Dispatch {
    live: ArcSwap<Live>,
    access_log: Arc<AccessLog>,
}

/// What a request was found to be for.
#[derive(Debug)]
pub struct Trace {
    pub host: Arc<str>,
    pub target: &'static str,
}

impl Dispatch {
    pub fn new(live: Live, access_log: Arc<AccessLog>) -> Self {
        Self { live: ArcSwap::from_pointee(live), access_log }
    }

    pub fn live(&self) -> Arc<Live> {
        self.live.load_full()
    }

    /// Puts a new configuration in force; what has begun finishes under the old one.
    pub fn replace(&self, live: Live) {
        // Those of earlier configurations, too, which clients still use.
        for link in live.links() {
            link.adopt(&live.site.limits, &live.site.options, &live.handler_security);
        }
        self.live.store(Arc::new(live));
    }

    pub fn access_log(&self) -> &Arc<AccessLog> {
        &self.access_log
    }
}

/// The answer to `OPTIONS *`, which asks about no route: what some target may take (RFC 9110 section 9.3.7).
fn options_of_the_server() -> Response<'static> {
    let mut response = Response::new(204);
    response.fields.add("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    response
}

impl Service for Dispatch {
    type Trace = Trace;

    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.live.load().rules)
    }

    async fn serve<'r>(&self, mut exchange: Exchange<'r, '_>) -> (Answer<'r>, Trace) {
        let live = self.live();
        let head = exchange.head;
        let host = live.site.host(head.host());
        let mut trace = Trace { host: Arc::clone(&host.name), target: "-" };
        if head.asks_for_https() && !exchange.peer.tls {
            return (Answer::Fault(FaultKind::Misdirected.into()), trace);
        }
        let Some(found) = host.route(head.path()) else {
            let answer = match head.path() {
                "*" => Answer::Response(options_of_the_server()),
                _ => Answer::Fault(FaultKind::NotFound.into()),
            };
            return (answer, trace);
        };
        trace.target = found.route.target.kind();
        let answer = match &found.route.target {
            Target::Dir(dir) => match live.dirs[dir.index].serve(head, found.rest).await {
                Ok(response) => Answer::Response(response),
                Err(fault) => Answer::Fault(fault),
            },
            // In a box, because a request for another target has no use for the room it takes.
            Target::Proxy(proxy) => Box::pin(live.proxies[proxy.index].serve(exchange)).await,
            Target::Handler(handler) => {
                let terms = terms(&live, found.route);
                live.handler(handler.index).serve(&mut exchange, terms).await
            }
        };
        (answer, trace)
    }

    fn message(&self, message: SocketMessage<'_>) -> Result<Replies, Fault> {
        let live = self.live.load();
        // The grammar of messages lets ASCII through and nothing else.
        let path = std::str::from_utf8(&message.message.path).unwrap_or_default();
        let found = live.site.host(None).route(path).ok_or(FaultKind::NotFound)?;
        let Target::Handler(handler) = &found.route.target else {
            return Err(FaultKind::NotFound.into());
        };
        live.handler(handler.index).message(message, terms(&live, found.route))?;
        Ok(if handler.raw_payload { Replies::Raw } else { Replies::Base64 })
    }

    fn error_page(&self, trace: &Trace, status: u16) -> Option<Bytes> {
        self.live.load().error_pages.page(&trace.host, status)
    }

    fn record(&self, record: AccessRecord<'_, Trace>) {
        self.access_log.write(&record);
    }
}

fn terms<'a>(live: &'a Live, route: &'a Route) -> Terms<'a> {
    let Site { limits, options, uploads, .. } = &live.site;
    Terms { pattern: &route.text, limits, options, uploads, store: live.upload_store.as_ref() }
}
