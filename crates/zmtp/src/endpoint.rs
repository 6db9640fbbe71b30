//! Endpoints: a bound address with a task for each peer, or one connection.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use crate::admission::Admission;
use crate::fault::EndpointFault;
use crate::listener::{self, Listener};
use crate::mechanism::Security;
use crate::options::{Heartbeat, Options};
use crate::peer::{self, Orders, Shared, Traffic};
use crate::refusals::Refusals;
use crate::spec::Spec;
use crate::stream::Stream;

/// A bound endpoint. Dropping it closes everything at once; `close` lets peers finish writing.
#[derive(Debug)]
pub struct Endpoint {
    bound: Spec,
    message_bytes_max: Arc<AtomicUsize>,
    orders: watch::Sender<Orders>,
    refusals: Arc<Refusals>,
    admission: Arc<Admission>,
    task: AbortHandle,
}

impl Endpoint {
    /// Binds the address and serves its peers in tasks of their own.
    pub async fn bind(
        spec: &Spec,
        options: Options,
        traffic: Arc<dyn Traffic>,
    ) -> Result<Self, EndpointFault> {
        let (listener, bound) = Listener::bind(spec, options.ipc_mode).await?;
        let (orders, given) = watch::channel(orders(&options));
        let shared = Shared::new(options, traffic);
        let message_bytes_max = Arc::clone(&shared.message_bytes_max);
        let refusals = Arc::clone(&shared.refusals);
        let admission = Arc::clone(&shared.admission);
        let server =
            Server { name: bound.to_string(), shared, orders: given, peers: JoinSet::new() };
        let task = tokio::spawn(server.run(listener)).abort_handle();
        Ok(Self { bound, message_bytes_max, orders, refusals, admission, task })
    }

    /// What is bound: a port 0 or `*` has become a number.
    pub fn bound(&self) -> &Spec {
        &self.bound
    }

    /// The longest frame taken from now on, from peers already connected, too.
    pub fn set_message_bytes_max(&self, max: usize) {
        self.message_bytes_max.store(max, Ordering::Relaxed);
    }

    /// When silent peers are asked and taken for lost from now on, those already connected, too.
    pub fn set_heartbeat(&self, heartbeat: Option<Heartbeat>) {
        self.orders.send_modify(|orders| orders.heartbeat = heartbeat);
    }

    /// How many peers there may be from now on. Those that are there stay.
    pub fn set_peers_max(&self, max: usize) {
        self.admission.set_peers_max(max);
    }

    /// What peers must prove from now on. Those connected that it would not have let in as it did
    /// are dropped.
    pub fn set_security(&self, security: Security) {
        self.orders.send_modify(|orders| orders.security = security);
    }

    /// How many peers did not get through their handshake since the endpoint was bound.
    pub fn refused(&self) -> u64 {
        self.refusals.count()
    }

    /// Stops accepting, lets peers write what they are supplied with for at most `linger`, and
    /// returns when all are gone and the address is free.
    pub async fn close(&self) {
        self.orders.send_modify(|orders| orders.closing = true);
        self.orders.closed().await;
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Connects to an endpoint, as its one peer, with NULL security. The connection is not made again
/// when it ends.
pub async fn connect(
    spec: &Spec,
    options: Options,
    traffic: Arc<dyn Traffic>,
) -> Result<Endpoint, EndpointFault> {
    let stream = listener::connect(spec).await?;
    let (orders, given) = watch::channel(orders(&options));
    let shared = Shared::new(options, traffic);
    // The owner lives no longer than the connection.
    let message_bytes_max = Arc::clone(&shared.message_bytes_max);
    let refusals = Arc::clone(&shared.refusals);
    let admission = Arc::clone(&shared.admission);
    let place = shared.admission.enter(stream.peer());
    let peer = peer::run(stream, place, shared, given);
    let task = tokio::spawn(peer).abort_handle();
    let bound = spec.clone();
    Ok(Endpoint { bound, message_bytes_max, orders, refusals, admission, task })
}

fn orders(options: &Options) -> Orders {
    let heartbeat = options.heartbeat;
    Orders { closing: false, heartbeat, security: options.local.security.clone() }
}

struct Server {
    name: String,
    shared: Shared,
    orders: watch::Receiver<Orders>,
    peers: JoinSet<()>,
}

impl Server {
    async fn run(mut self, listener: Listener) {
        let mut orders = self.orders.clone();
        let mut told: Option<Instant> = None;
        loop {
            let full = self.shared.admission.full();
            if let Some((max, host, count)) = &full
                && told.is_none_or(|told| told.elapsed() >= TOLD_EVERY)
            {
                let most_from = format!("{host} ({count})");
                self.shared.traffic.full(&self.name, *max, &most_from);
                told = Some(Instant::now());
            }
            tokio::select! {
                accepted = listener.accept(), if full.is_none() => match accepted {
                    Ok(stream) => self.admit(stream),
                    Err(error) => pause(&self.name, &error).await,
                },
                Some(left) = self.peers.join_next(), if !self.peers.is_empty() => {
                    report(&self.name, left);
                }
                () = self.shared.admission.changed.notified() => {}
                () = sleep(TOLD_EVERY), if full.is_some() => {}
                () = ordered(&mut orders) => break,
            }
        }
        drop(listener);
        let all_left = async {
            while let Some(left) = self.peers.join_next().await {
                report(&self.name, left);
            }
        };
        if timeout(self.shared.options.linger, all_left).await.is_err() {
            let cut = self.peers.len();
            tracing::warn!(endpoint = self.name, cut, "peers were cut with messages unwritten");
            self.peers.shutdown().await;
        }
    }

    fn admit(&mut self, stream: Stream) {
        let place = self.shared.admission.enter(stream.peer());
        self.peers.spawn(peer::run(stream, place, self.shared.clone(), self.orders.clone()));
    }
}

/// A peer's task that panicked is a bug of ours; its owner has been told that the peer left.
fn report(name: &str, left: Result<(), JoinError>) {
    if let Err(join) = left
        && join.is_panic()
    {
        tracing::error!(endpoint = name, %join, "a peer's task panicked");
    }
}

/// Ends when the endpoint is to close, or is gone.
async fn ordered(orders: &mut watch::Receiver<Orders>) {
    if orders.wait_for(|orders| orders.closing).await.is_err() {
        tracing::trace!("the endpoint was dropped");
    }
}

/// Out of descriptors, or a connection that was gone before it was taken.
async fn pause(name: &str, error: &io::Error) {
    if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) {
        return;
    }
    tracing::warn!(endpoint = name, %error, "cannot accept a peer");
    sleep(ACCEPT_PAUSE).await;
}

/// While no more peers are accepted.
const TOLD_EVERY: Duration = Duration::from_secs(60);

const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
