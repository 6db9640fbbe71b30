//! A handler link: PUSH and SUB bound as one, every request known until it is answered.

mod events;
mod fleet;
mod latency;
mod ledger;
mod slab;
mod sockets;
mod spec;
mod stats;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::AbortHandle;
use tokio::time::sleep_until;
use zmtp::{Endpoint, Options, Security, SocketType};

pub use self::events::{
    Delivery, Holders, LinkEvents, News, NotRetired, NotSent, Notice, Outgoing, Overdue, Publisher,
    Retiring, Standing, Tag, Undelivered,
};
pub use self::latency::Latency;
use self::sockets::{Core, PushSide, SubSide};
pub use self::spec::{Balance, LinkLimits, LinkSpec};
pub use self::stats::{LinkStats, PeerName, PeerState, PeerStats};
use crate::fault::BindFault;

/// A bound handler link; clones share it. It keeps its `LinkEvents` alive, which therefore must not
/// own the link.
///
/// When the last clone is dropped without `close`, both sockets close at once and every request
/// still open comes back as by `close`.
#[derive(Debug, Clone)]
pub struct Link {
    shared: Arc<Shared>,
}

struct Shared {
    core: Arc<Core>,
    push: Endpoint,
    sub: Endpoint,
    expiry: AbortHandle,
}

impl Link {
    /// Binds both sockets, or neither. Whoever reaches them may use them.
    pub async fn bind(
        spec: LinkSpec,
        limits: LinkLimits,
        events: Arc<dyn LinkEvents>,
    ) -> Result<Self, BindFault> {
        Self::bind_secured(spec, limits, Security::Null, events).await
    }

    /// Binds both sockets, or neither, for handlers that prove what `security` asks.
    pub async fn bind_secured(
        spec: LinkSpec,
        limits: LinkLimits,
        security: Security,
        events: Arc<dyn LinkEvents>,
    ) -> Result<Self, BindFault> {
        let core = Arc::new(Core::new(limits.clone(), events));
        // Handlers connect to both; replies must have somewhere to go before requests come.
        let sub = bind(
            &spec.recv_spec,
            sub_options(&spec, &limits, &security),
            Arc::new(SubSide(Arc::clone(&core))),
        )
        .await?;
        let push = bind(
            &spec.send_spec,
            push_options(&spec, &limits, &security),
            Arc::new(PushSide(Arc::clone(&core))),
        );
        let push = match push.await {
            Ok(push) => push,
            Err(fault) => {
                sub.close().await;
                return Err(fault);
            }
        };
        let expiry = tokio::spawn(expire(Arc::clone(&core))).abort_handle();
        Ok(Self { shared: Arc::new(Shared { core, push, sub, expiry }) })
    }

    /// Gives a message to a peer with room, or to the waiting queue. Never blocks.
    pub fn send(&self, outgoing: Outgoing) -> Result<(), NotSent> {
        self.shared.core.try_act(|fleet| fleet.send(outgoing, Instant::now()))?;
        Ok(())
    }

    /// The exchange has ended with an answer: as `forget`, and how long it took is counted.
    pub fn answered(&self, tag: Tag) -> Holders {
        self.shared.core.act(|fleet| fleet.answered(tag, Instant::now()))
    }

    /// The client has left: as `forget`, but what no peer was given yet still goes to one, once.
    pub fn abandon(&self, tag: Tag) {
        self.shared.core.act(|fleet| fleet.abandon(tag));
    }

    /// The exchange has ended without an answer: whatever has its tag is forgotten, and what still
    /// waits is never sent, but for a message (`Delivery::Message`) that a peer has been chosen for.
    /// Who may have an answer under way all the same.
    pub fn forget(&self, tag: Tag) -> Holders {
        self.shared.core.act(|fleet| fleet.forget(tag))
    }

    /// No peer has been given anything of `conn` yet: until one has, none is told that it has left.
    pub fn introduce(&self, conn: u64) {
        self.shared.core.fleet().introduce(conn);
    }

    /// `conn` has ended, and nobody is to be told.
    pub fn dismiss(&self, conn: u64) {
        self.shared.core.fleet().dismiss(conn);
    }

    /// Gives a notice to a peer with room, or to those that wait, behind all messages that do.
    /// Never blocks.
    pub fn notify(&self, notice: Notice) -> Result<(), NotSent> {
        self.shared.core.try_act(|fleet| fleet.notify(notice))?;
        Ok(())
    }

    /// The client has had the first bytes of the answer: the request is not sent to another peer
    /// any more. When its peer is lost it is undelivered. Who may answer it, one of them being the
    /// one that does.
    pub fn begun(&self, tag: Tag) -> Holders {
        self.shared.core.act(|fleet| fleet.begun(tag, Instant::now()))
    }

    /// The answer to `tag` has not begun though its peer has had `patience`: another peer is asked
    /// if the request may be sent twice, and the late one gets fewer requests until it answers.
    pub fn overdue(&self, tag: Tag, patience: Duration) -> Overdue {
        let mut outcome = Overdue::GiveUp;
        self.shared.core.act(|fleet| {
            let (overdue, effects) = fleet.overdue(tag, patience, Instant::now());
            outcome = overdue;
            effects
        });
        outcome
    }

    /// Gives `who` no more messages: what it has not been written goes to others, and `last` is the
    /// last it is given. What it has it may still answer. A second time nothing happens.
    pub fn retire(&self, who: Retiring<'_>, last: &Bytes) -> Result<(), NotRetired> {
        self.shared.core.try_act(|fleet| match who {
            Retiring::Named(name) => fleet.retire(|peer| peer.info().identity == name, last),
            Retiring::Holding(conn) => fleet.retire_holder(conn, last),
        })?;
        Ok(())
    }

    /// Other limits from now on, for peers and requests that are there, too; `handshake_timeout` and
    /// `linger` stay as they were bound.
    pub fn adopt(&self, limits: LinkLimits) {
        let core = &self.shared.core;
        self.shared.sub.set_message_bytes_max(limits.message_bytes_max);
        for endpoint in [&self.shared.push, &self.shared.sub] {
            endpoint.set_heartbeat(limits.heartbeat());
            endpoint.set_peers_max(limits.peers_max);
        }
        core.act(|fleet| fleet.adopt(limits));
    }

    /// What handlers must prove from now on, and those connected too: who would not be let in as it
    /// was is dropped, and what it has not answered is treated as when it leaves.
    pub fn set_security(&self, security: &Security) {
        self.shared.push.set_security(security.clone());
        self.shared.sub.set_security(security.clone());
    }

    /// How far the messages of `tag` have come; `None` if none is known any more.
    pub fn standing(&self, tag: Tag) -> Option<Standing> {
        self.shared.core.fleet().standing(tag)
    }

    /// As `forget`, and says how far the messages had come.
    pub fn withdraw(&self, tag: Tag) -> Option<Standing> {
        let mut standing = None;
        self.shared.core.act(|fleet| {
            standing = fleet.standing(tag);
            fleet.forget(tag)
        });
        standing
    }

    /// Returns once peers have been given all messages of `tag`, or they have been given up.
    pub async fn given(&self, tag: Tag) {
        let core = &self.shared.core;
        loop {
            let given = core.given.notified();
            if core.fleet().is_given(tag) {
                return;
            }
            given.await;
        }
    }

    /// PULL peers connected now.
    pub fn peers(&self) -> usize {
        self.shared.core.fleet().peers()
    }

    /// Peers, queues and counters as they stand.
    pub fn stats(&self) -> LinkStats {
        let refused = self.shared.push.refused() + self.shared.sub.refused();
        LinkStats { peers_refused: refused, ..self.shared.core.stats(Instant::now()) }
    }

    /// The specs that are really bound: a port `*` or `0` has become a number. Send, receive.
    pub fn bound(&self) -> (String, String) {
        (self.shared.push.bound().to_string(), self.shared.sub.bound().to_string())
    }

    /// Stops accepting, writes what is queued for at most `linger`, unbinds, and gives every
    /// request still open back: `Undelivered::Closed` if no handler had it, else `PeerLost`.
    pub async fn close(&self) {
        self.shared.core.fleet().close();
        self.shared.push.close().await;
        self.shared.sub.close().await;
        self.shared.core.give_up_all();
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.expiry.abort();
        self.core.give_up_all();
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (push, sub) = (self.push.bound(), self.sub.bound());
        f.debug_struct("Link").field("push", push).field("sub", sub).finish_non_exhaustive()
    }
}

async fn bind(
    spec: &str,
    options: Options,
    traffic: Arc<dyn zmtp::Traffic>,
) -> Result<Endpoint, BindFault> {
    let bound = match spec.parse() {
        Ok(address) => Endpoint::bind(&address, options, traffic).await,
        Err(cause) => Err(cause),
    };
    bound.map_err(|cause| BindFault { spec: spec.to_owned(), cause })
}

fn push_options(spec: &LinkSpec, limits: &LinkLimits, security: &Security) -> Options {
    Options {
        local: zmtp::Local {
            socket: SocketType::Push,
            identity: spec.send_ident.clone().into(),
            security: security.clone(),
            subscription: Bytes::new(),
            message_bytes_max: PULL_MESSAGE_BYTES_MAX,
        },
        peers_max: limits.peers_max,
        handshakes_max: HANDSHAKES_MAX,
        handshake_timeout: limits.handshake_timeout,
        heartbeat: limits.heartbeat(),
        linger: limits.linger,
        ipc_mode: None,
    }
}

fn sub_options(spec: &LinkSpec, limits: &LinkLimits, security: &Security) -> Options {
    let push = push_options(spec, limits, security);
    Options {
        local: zmtp::Local {
            socket: SocketType::Sub,
            identity: Bytes::new(),
            subscription: spec.recv_ident.clone().into(),
            message_bytes_max: limits.message_bytes_max,
            ..push.local
        },
        ..push
    }
}

/// Gives up what has waited for too long, when it is due.
async fn expire(core: Arc<Core>) {
    loop {
        let due = core.fleet().next_expiry();
        let Some(due) = due else {
            core.armed.notified().await;
            continue;
        };
        tokio::select! {
            () = sleep_until(due.into()) => {}
            // There may be something that is due earlier.
            () = core.armed.notified() => continue,
        }
        core.act(|fleet| fleet.expire(Instant::now()));
    }
}

/// Connections per socket that are in their handshake; of more, the oldest is dropped.
const HANDSHAKES_MAX: usize = 128;

/// A PULL peer has no reason to send messages; what it sends is read and dropped.
const PULL_MESSAGE_BYTES_MAX: usize = 64 << 10;

#[cfg(test)]
mod tests;
