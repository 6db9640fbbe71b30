//! What a handler link is bound to, and its bounds.

use std::time::Duration;

use zmtp::Heartbeat;

/// A handler row: where the two sockets are bound and what they are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkSpec {
    /// Where PUSH is bound: `tcp://host:port`, `tcp://*:port` or `ipc://path`.
    pub send_spec: String,
    /// Identity the PUSH socket announces; may be empty.
    pub send_ident: String,
    /// Where SUB is bound.
    pub recv_spec: String,
    /// Subscription prefix of the SUB socket; empty takes every reply.
    pub recv_ident: String,
}

/// Which of the peers with room gets the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Balance {
    /// In turn, as Mongrel2 does.
    #[default]
    RoundRobin,
    /// The one with the fewest unanswered requests; in turn among equals.
    LeastPending,
}

/// Bounds of one link. `Default` gives the values named at each field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkLimits {
    /// Messages that wait for a peer; the next one is refused. 1000.
    pub queue_max: usize,
    /// Notices that wait for a peer, beside those messages; 24 bytes each. 262,144: more than most
    /// hosts have descriptors for, so that every client may leave at once.
    pub notices_max: usize,
    /// How long a message waits for a peer before it is undelivered. Notices wait as long as it
    /// takes. 10 s.
    pub queue_timeout: Duration,
    /// Longest reply frame; of a longer one only its first bytes are told. 64 MiB.
    pub message_bytes_max: usize,
    /// Messages queued for one peer or being written to it; more go to others or wait. 1000.
    pub peer_queue_max: usize,
    /// Requests a peer may hold unanswered; `usize::MAX` for no bound. No bound.
    pub pending_max: usize,
    /// How often a replayable request goes to another peer after its peer was lost. 2.
    pub retries: u32,
    /// How long a request whose peer has left may still be answered before it goes to another peer
    /// or is given up, once a publisher has left, too, or if there is none. 500 ms.
    pub orphan_grace: Duration,
    /// The same while as many publish as before: answers travel on connections of their own, and a
    /// handler that ends in good order closes this one first. An answer that has begun may take
    /// longer. And how long peers keep what they have, once one of their answers was lost and it can
    /// not be said which. 60 s.
    pub orphan_patience: Duration,
    /// How long a peer keeps what it has while nobody publishes on the link. Requests are given to
    /// peers all the same: a handler may connect the socket for its answers last. 10 s: a hundred
    /// attempts of libzmq to connect again.
    pub silence_patience: Duration,
    /// How long a peer that comes is given nothing, once as many publish as there are peers: so
    /// long a handler's PUB may take to hear of our subscription. 100 ms.
    pub arrival_grace: Duration,
    /// The same where fewer publish than there are peers. 1 s.
    pub arrival_patience: Duration,
    /// Choice among peers. Round robin.
    pub balance: Balance,
    /// Peers per socket; further connections wait to be accepted. Those in their handshake do not
    /// count, and have a bound of their own (128). 1024.
    pub peers_max: usize,
    /// From accept to the end of the handshake. 10 s.
    pub handshake_timeout: Duration,
    /// Silence after which a handler that speaks ZMTP 3.1 is sent a PING on either socket; zero never.
    /// One that may have 500 messages unread is not: libzmq does not look at a PING while its receive
    /// queue (1000 messages unless told otherwise) is full. TCP keep-alive finds dead hosts in any
    /// case. Zero.
    pub heartbeat_interval: Duration,
    /// Silence after that PING at which a handler that has answered one before is taken for lost, and
    /// what it had with it. 30 s.
    pub heartbeat_timeout: Duration,
    /// How long `close` goes on writing what is queued. 1 s.
    pub linger: Duration,
}

impl LinkLimits {
    pub(super) fn heartbeat(&self) -> Option<Heartbeat> {
        let (interval, timeout) = (self.heartbeat_interval, self.heartbeat_timeout);
        (!interval.is_zero()).then_some(Heartbeat { interval, timeout })
    }
}

impl Default for LinkLimits {
    fn default() -> Self {
        Self {
            queue_max: 1000,
            notices_max: 1 << 18,
            queue_timeout: Duration::from_secs(10),
            message_bytes_max: 64 << 20,
            peer_queue_max: 1000,
            pending_max: usize::MAX,
            retries: 2,
            orphan_grace: Duration::from_millis(500),
            orphan_patience: Duration::from_secs(60),
            silence_patience: Duration::from_secs(10),
            arrival_grace: Duration::from_millis(100),
            arrival_patience: Duration::from_secs(1),
            balance: Balance::default(),
            peers_max: 1024,
            handshake_timeout: Duration::from_secs(10),
            heartbeat_interval: Duration::ZERO,
            heartbeat_timeout: Duration::from_secs(30),
            linger: Duration::from_secs(1),
        }
    }
}
