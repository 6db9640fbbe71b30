//! The control port: a REP socket that answers one request frame with one reply frame.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;
use zmtp::{
    Departure, Endpoint, Frame, Local, Options, Peer, PeerId, Security, Seldom, SocketType, Traffic,
};

mod ask;

pub use self::ask::{AskFault, ask};
use crate::fault::BindFault;

/// A bound control port; `ipc://` paths have mode 0600. Dropping it unbinds.
#[derive(Debug)]
pub struct ControlPort {
    endpoint: Endpoint,
    desk: Arc<Desk>,
    requests: mpsc::Receiver<Request>,
}

impl ControlPort {
    /// Binds the REP socket.
    pub async fn bind(spec: &str) -> Result<Self, BindFault> {
        let (queue, requests) = mpsc::channel(REQUESTS_MAX);
        let desk = Arc::new(Desk { visitors: Mutex::default(), queue, dropped: Seldom::default() });
        let traffic: Arc<dyn Traffic> = Arc::<Desk>::clone(&desk);
        let endpoint = match spec.parse() {
            Ok(address) => {
                Endpoint::bind(&address, options(SocketType::Rep, REQUEST_BYTES_MAX), traffic).await
            }
            Err(cause) => Err(cause),
        };
        let endpoint = endpoint.map_err(|cause| BindFault { spec: spec.to_owned(), cause })?;
        Ok(Self { endpoint, desk, requests })
    }

    /// The spec that is really bound: a port `*` or `0` has become a number.
    pub fn bound(&self) -> String {
        self.endpoint.bound().to_string()
    }

    /// Answers requests, one at a time over all peers, until the future is dropped.
    pub async fn serve<F, A>(&mut self, mut answer: F)
    where
        F: FnMut(Bytes) -> A + Send,
        A: Future<Output = Bytes> + Send,
    {
        while let Some(Request { peer, mut envelope, body }) = self.requests.recv().await {
            envelope.push(Frame::last(answer(body).await));
            self.desk.reply(peer, envelope);
        }
    }

    /// Writes the replies still queued, then unbinds.
    pub async fn close(self) {
        self.endpoint.close().await;
    }
}

/// One request, and the frames that bring its answer back: up to the first empty one.
#[derive(Debug)]
struct Request {
    peer: PeerId,
    envelope: Vec<Frame>,
    body: Bytes,
}

/// The peers of the control port and what is under way to and from them.
#[derive(Debug)]
struct Desk {
    visitors: Mutex<BTreeMap<PeerId, Visitor>>,
    queue: mpsc::Sender<Request>,
    dropped: Seldom,
}

#[derive(Debug)]
struct Visitor {
    peer: Arc<Peer>,
    message: Message,
    /// Requests that are not answered yet.
    asking: usize,
    replies: VecDeque<Vec<Frame>>,
    /// When it was last heard or answered.
    last: Instant,
}

/// Why a message gets no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("no request behind an empty frame")]
    NoRequest,
    #[error(
        "more than {ENVELOPE_FRAMES_MAX} frames before an empty one, or one of more than \
         {ENVELOPE_FRAME_BYTES_MAX} bytes"
    )]
    Envelope,
    #[error("{REQUESTS_MAX} requests wait already")]
    QueueFull,
    #[error("{REPLIES_MAX} replies, or {REPLIES_BYTES_MAX} bytes of them, have not been read")]
    Unread,
    #[error("the last of {PEERS_MAX} places is taken, and nobody has been idle for longer")]
    Idle,
}

/// A message of which not all frames are there.
#[derive(Debug, Default)]
struct Message {
    envelope: Vec<Frame>,
    delimited: bool,
    /// Of several frames after the delimiter, the first.
    body: Option<Bytes>,
}

impl Message {
    /// Takes a frame; the message, if that was its last frame.
    fn push(&mut self, frame: Frame, peer: PeerId) -> Result<Option<Request>, Refusal> {
        let more = frame.more;
        if self.delimited {
            self.body.get_or_insert(frame.payload);
        } else if self.envelope.len() < ENVELOPE_FRAMES_MAX
            && frame.payload.len() <= ENVELOPE_FRAME_BYTES_MAX
        {
            self.delimited = frame.payload.is_empty();
            self.envelope.push(Frame { more: true, ..frame });
        } else {
            return Err(Refusal::Envelope);
        }
        if more {
            return Ok(None);
        }
        let message = std::mem::take(self);
        let body = message.body.ok_or(Refusal::NoRequest)?;
        Ok(Some(Request { peer, envelope: message.envelope, body }))
    }
}

impl Visitor {
    /// The least has the least need of its place.
    fn need(&self) -> (bool, Instant) {
        (self.asking > 0 || !self.replies.is_empty(), self.last)
    }

    /// One that waits for an answer which won't come must not wait for ever.
    fn dismiss(&self, why: Refusal, dropped: &Seldom) {
        if let Some(count) = dropped.add() {
            tracing::warn!(peer = self.peer.name(), %why, count, "control peer dropped");
        }
        self.peer.dismiss();
    }
}

impl Desk {
    fn visitors(&self) -> MutexGuard<'_, BTreeMap<PeerId, Visitor>> {
        self.visitors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reply(&self, peer: PeerId, frames: Vec<Frame>) {
        let mut visitors = self.visitors();
        let Some(visitor) = visitors.get_mut(&peer) else { return };
        visitor.asking -= 1;
        visitor.last = Instant::now();
        visitor.replies.push_back(frames);
        let bytes: usize = visitor.replies.iter().flatten().map(|frame| frame.payload.len()).sum();
        let count = visitor.replies.len();
        // One may be longer: that many connections are there.
        if count > REPLIES_MAX || (count > 1 && bytes > REPLIES_BYTES_MAX) {
            visitor.replies.clear();
            visitor.dismiss(Refusal::Unread, &self.dropped);
        } else {
            visitor.peer.wake();
        }
    }
}

impl Traffic for Desk {
    fn joined(&self, peer: &Arc<Peer>) {
        let mut visitors = self.visitors();
        if visitors.len() + 1 >= PEERS_MAX
            && let Some(idle) = visitors.values().min_by_key(|visitor| visitor.need())
        {
            idle.dismiss(Refusal::Idle, &self.dropped);
        }
        let visitor = Visitor {
            peer: Arc::clone(peer),
            message: Message::default(),
            asking: 0,
            replies: VecDeque::new(),
            last: Instant::now(),
        };
        visitors.insert(peer.id(), visitor);
    }

    fn received(&self, peer: &Peer, frames: &mut Vec<Frame>) {
        let mut visitors = self.visitors();
        let Some(visitor) = visitors.get_mut(&peer.id()) else { return };
        visitor.last = Instant::now();
        for frame in frames.drain(..) {
            let outcome = match visitor.message.push(frame, peer.id()) {
                Ok(Some(request)) => {
                    visitor.asking += 1;
                    self.queue.try_send(request).map_err(|_full| Refusal::QueueFull)
                }
                Ok(None) => Ok(()),
                Err(why) => Err(why),
            };
            match outcome {
                Ok(()) => {}
                // As libzmq's REP does.
                Err(why @ Refusal::NoRequest) => {
                    if let Some(count) = self.dropped.add() {
                        tracing::warn!(peer = peer.name(), %why, count, "control request dropped");
                    }
                }
                Err(why) => return visitor.dismiss(why, &self.dropped),
            }
        }
    }

    fn supply(&self, peer: &Peer, frames: &mut Vec<Frame>) {
        if let Some(visitor) = self.visitors().get_mut(&peer.id())
            && let Some(reply) = visitor.replies.pop_front()
        {
            visitor.last = Instant::now();
            *frames = reply;
        }
    }

    fn left(&self, peer: &Peer, _written: usize, _why: &Departure) {
        self.visitors().remove(&peer.id());
    }
}

fn options(socket: SocketType, message_bytes_max: usize) -> Options {
    Options {
        local: Local {
            socket,
            identity: Bytes::new(),
            security: Security::Null,
            subscription: Bytes::new(),
            message_bytes_max,
        },
        peers_max: PEERS_MAX,
        handshakes_max: HANDSHAKES_MAX,
        handshake_timeout: HANDSHAKE_TIMEOUT,
        heartbeat: None,
        linger: LINGER,
        ipc_mode: Some(0o600),
    }
}

/// A command's name and its arguments.
const REQUEST_BYTES_MAX: usize = 4 << 10;

/// `status what=net` has a row for each connection.
const REPLY_BYTES_MAX: usize = 64 << 20;

/// Operators and their monitoring. Whoever takes the last place costs the one that has been idle for
/// longest its own, so that there is always one.
const PEERS_MAX: usize = 64;

const HANDSHAKES_MAX: usize = 16;

/// Requests that wait over all peers; a REQ peer has one at a time.
const REQUESTS_MAX: usize = 256;

/// Replies that a peer has not read, and their bytes unless it is a single one.
const REPLIES_MAX: usize = 8;
const REPLIES_BYTES_MAX: usize = 16 << 20;

/// A REQ peer sends the delimiter alone; each ROUTER on the way adds one frame.
const ENVELOPE_FRAMES_MAX: usize = 16;
const ENVELOPE_FRAME_BYTES_MAX: usize = 255;

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
const LINGER: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
