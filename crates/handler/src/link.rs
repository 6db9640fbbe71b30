//! The two sockets of a handler, and the task that keeps them connected.
//!
//! `zeromq` 0.7 connects again only for SUB sockets, so this does it for PULL and XPUB. Replies go
//! out by XPUB, not PUB: XPUB shows the subscription arriving, which is the moment from which the
//! server hears us, and it writes to the connection itself, so a slow server slows the sender
//! down where PUB would drop.
//!
//! The two are lost and connected again together: requests that can't be answered are better with
//! another handler, and the server sees at once, from both ends, that this one has left them.

mod publish;
mod pull;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::str::FromStr as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use zeromq::util::PeerIdentity;
use zeromq::{MultiPeerBackend, Socket, SocketOptions, SocketRecv, ZmqMessage};

use crate::options::{ConnectError, HandlerOptions};

pub(crate) use publish::Outgoing;
use publish::Publisher;
use pull::Puller;

/// Messages of the server, each with the number of restarts seen before it.
pub(crate) type Requests = mpsc::Receiver<(Bytes, u64)>;
type RequestSender = mpsc::Sender<(Bytes, u64)>;

/// One attempt to connect; `zeromq` tries a refused address again within it.
const ATTEMPT_MAX: Duration = Duration::from_secs(1);

/// Between attempts that fail at once.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(100);

/// How far connecting has come; what to say when time is up.
#[derive(Debug, Default)]
pub(crate) struct Progress(Mutex<Step>);

#[derive(Debug, Clone, Default)]
enum Step {
    #[default]
    Starting,
    /// The last attempt ended so.
    Failed { wanted: Side, reason: String },
    /// Connected, waiting for the subscription.
    Subscription,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted<'a> {
    /// And what the server is to know us by.
    Push(&'a str),
    Sub,
}

#[derive(Debug, Clone, Copy)]
enum Side {
    Push,
    Sub,
}

impl Progress {
    fn set(&self, step: Step) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = step;
    }

    pub(crate) fn timed_out(&self, options: &HandlerOptions) -> ConnectError {
        let waited = options.connect_timeout;
        let unreachable = |wanted, reason| {
            let (spec, binds, row) = match wanted {
                Side::Push => (&options.send_spec, "PUSH", "send_spec"),
                Side::Sub => (&options.recv_spec, "SUB", "recv_spec"),
            };
            ConnectError::Unreachable { spec: spec.clone(), waited, reason, binds, row }
        };
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            Step::Starting => unreachable(Side::Sub, "no answer".to_owned()),
            Step::Failed { wanted, reason } => unreachable(wanted, reason),
            Step::Subscription => ConnectError::NotSubscribed {
                spec: options.recv_spec.clone(),
                sender: options.sender_id.clone(),
                waited,
            },
        }
    }
}

/// Both sockets, connected.
pub(crate) struct Links {
    publisher: Publisher,
    puller: Puller,
}

/// Where and as whom to connect, what of it others know.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) send_spec: String,
    pub(crate) recv_spec: String,
    /// The start of each reply: the sender id and a space.
    pub(crate) prefix: Vec<u8>,
    /// What the server knows our PULL socket by.
    pub(crate) identity: Arc<str>,
    /// How often the links broke.
    pub(crate) restarts: Arc<AtomicU64>,
    /// They need not be connected again.
    pub(crate) draining: Arc<AtomicBool>,
}

/// Why a link's work has ended.
enum End {
    /// Its peer is gone.
    Lost,
    /// Nobody in this program wants it any more.
    Unwanted,
}

impl Links {
    /// Requests come only when they can be answered.
    pub(crate) async fn connect(route: &Route, progress: &Progress) -> Self {
        let publisher = Publisher::connect(&route.recv_spec, &route.prefix, progress).await;
        let puller = Puller::connect(&route.send_spec, &route.identity, progress).await;
        Self { publisher, puller }
    }

    /// Passes messages on, and connects again, until nobody in this program wants it any more.
    pub(crate) async fn run(
        mut self,
        route: Route,
        requests: RequestSender,
        mut replies: mpsc::Receiver<Outgoing>,
    ) {
        loop {
            let generation = route.restarts.load(Ordering::Acquire);
            if let End::Unwanted = self.pass_on(generation, &requests, &mut replies).await {
                return;
            }
            // From now on what was asked before is stale.
            route.restarts.fetch_add(1, Ordering::AcqRel);
            match reconnect(&route, &requests, &mut replies).await {
                Some(links) => self = links,
                None => break,
            }
        }
        drop(requests);
        // Those who answer yet have nobody to answer to.
        while let Some(outgoing) = replies.recv().await {
            outgoing.drop_unsent();
        }
    }

    async fn pass_on(
        self,
        generation: u64,
        requests: &RequestSender,
        replies: &mut mpsc::Receiver<Outgoing>,
    ) -> End {
        let mut publishing = pin!(self.publisher.run(replies));
        let pulling = self.puller.run(requests, generation);
        tokio::select! {
            end = &mut publishing => return end,
            End::Lost = pulling => return End::Lost,
            else => {}
        }
        // Replies may go on without requests.
        publishing.await
    }
}

/// Replies of the meantime are dropped: their ids may belong to a server that is gone. `None` when
/// no requests are wanted any more.
async fn reconnect(
    route: &Route,
    requests: &RequestSender,
    replies: &mut mpsc::Receiver<Outgoing>,
) -> Option<Links> {
    if route.draining.load(Ordering::Acquire) || requests.is_closed() {
        return None;
    }
    let Route { send_spec, recv_spec, .. } = route;
    tracing::info!(send_spec, recv_spec, "links to the server lost, connecting again");
    let progress = Progress::default();
    let mut again = pin!(Links::connect(route, &progress));
    let mut dropped = 0_u64;
    let links = loop {
        tokio::select! {
            biased;
            outgoing = replies.recv() => dropped += u64::from(outgoing?.drop_unsent()),
            () = requests.closed() => return None,
            links = &mut again => break links,
        }
    };
    if dropped > 0 {
        tracing::warn!(recv_spec, dropped, "replies dropped while the links were down");
    }
    Some(links)
}

/// The peer is gone.
struct Lost;

/// A socket with one connection to `spec`, however long that takes.
async fn connect<S: Socket>(spec: &str, wanted: Wanted<'_>, progress: &Progress) -> S {
    let (wanted, identity) = match wanted {
        Wanted::Push(identity) => (Side::Push, PeerIdentity::from_str(identity).ok()),
        Wanted::Sub => (Side::Sub, None),
    };
    progress.set(Step::Failed { wanted, reason: "no answer".to_owned() });
    loop {
        let mut options = SocketOptions::default();
        options.connect_timeout(ATTEMPT_MAX);
        if let Some(identity) = &identity {
            options.peer_identity(identity.clone());
        }
        let mut socket = S::with_options(options);
        match socket.connect(spec).await {
            Ok(()) => return socket,
            Err(error) => {
                tracing::debug!(spec, %error, "cannot connect yet");
                progress.set(Step::Failed { wanted, reason: error.to_string() });
            }
        }
        tokio::time::sleep(ATTEMPT_PAUSE).await;
    }
}

/// Waits for a message or the end of the connection. May be cancelled; nothing is lost.
///
/// `recv` of PULL and XPUB waits forever when the peer is gone. The read half of each connection
/// shares the socket's options, so their count tells whether there is one; the peer's end wakes
/// the task that polls `recv`, and then the count is looked at.
async fn receive<S: Socket + SocketRecv>(socket: &mut S) -> Result<ZmqMessage, Lost> {
    let backend = socket.backend();
    let mut message = socket.recv();
    poll_fn(|cx| match Pin::as_mut(&mut message).poll(cx) {
        Poll::Ready(result) => Poll::Ready(result.map_err(|_| Lost)),
        Poll::Pending if is_connected(&backend) => Poll::Pending,
        Poll::Pending => Poll::Ready(Err(Lost)),
    })
    .await
}

fn is_connected(backend: &Arc<dyn MultiPeerBackend>) -> bool {
    Arc::strong_count(backend.socket_options()) > 1
}
