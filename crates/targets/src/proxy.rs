//! An HTTP/1.1 back end, streamed both ways.

use edge::{Answer, Exchange, FaultKind};
use std::sync::Arc;

/// The live state of one `site::Proxy`: its address and the connections that wait for a request.
#[derive(Debug)]
pub struct Upstream {
    proxy: Arc<site::Proxy>,
}

impl Upstream {
    pub fn new(proxy: Arc<site::Proxy>, _limits: &site::Limits) -> Self {
        Self { proxy }
    }

    /// Passes a request on and answers with what comes back.
    #[expect(clippy::unused_async, reason = "the signature stands before its content")]
    pub async fn serve<'r>(&self, _exchange: Exchange<'r, '_>) -> Answer<'r> {
        tracing::debug!(addr = %self.proxy.addr, "not yet");
        Answer::Fault(FaultKind::UpstreamUnreachable.into())
    }
}
