//! The two sockets of a link, as their peers' tasks see them.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;
use zmtp::{Departure, Frame, Oversized, Peer, PeerId, Seldom, Traffic};

use super::events::{Holders, LinkEvents};
use super::fleet::{Effects, Fleet, Given, Parting};
use super::spec::LinkLimits;
use super::stats::{LinkStats, PeerName};

/// What both sockets and the link itself share.
pub(super) struct Core {
    fleet: Mutex<Fleet<Arc<Peer>>>,
    events: Arc<dyn LinkEvents>,
    publishers: Mutex<BTreeMap<PeerId, String>>,
    received: AtomicU64,
    oversized: Seldom,
    /// There is a time for `Fleet::expire` now.
    pub(super) armed: Notify,
    /// Messages have been given to a peer, or given up.
    pub(super) given: Notify,
}

impl Core {
    pub(super) fn new(limits: LinkLimits, events: Arc<dyn LinkEvents>) -> Self {
        Self {
            fleet: Mutex::new(Fleet::new(limits)),
            events,
            publishers: Mutex::default(),
            received: AtomicU64::new(0),
            oversized: Seldom::default(),
            armed: Notify::new(),
            given: Notify::new(),
        }
    }

    /// Held for the length of one call only.
    pub(super) fn fleet(&self) -> MutexGuard<'_, Fleet<Arc<Peer>>> {
        self.fleet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the fleet and carries out what follows from it. Who may answer what was answered.
    pub(super) fn act(
        &self,
        act: impl FnOnce(&mut Fleet<Arc<Peer>>) -> Effects<Arc<Peer>>,
    ) -> Holders {
        let Ok(holders) = self.try_act(|fleet| Ok::<_, Infallible>(act(fleet)));
        holders
    }

    /// As `act`, where the fleet may refuse.
    pub(super) fn try_act<E>(
        &self,
        act: impl FnOnce(&mut Fleet<Arc<Peer>>) -> Result<Effects<Arc<Peer>>, E>,
    ) -> Result<Holders, E> {
        let mut fleet = self.fleet();
        let effects = act(&mut fleet)?;
        // The second answer can come as soon as others may look at the fleet.
        for &tag in &effects.repeated {
            self.events.repeated(tag);
        }
        drop(fleet);
        for (peer, is_idle) in effects.wake {
            if is_idle { peer.wake_at_once() } else { peer.wake() }
        }
        if effects.is_given || !effects.fallen.is_empty() {
            self.given.notify_waiters();
        }
        for (tag, why) in effects.fallen {
            self.events.undelivered(tag, why);
        }
        if effects.arm {
            self.armed.notify_one();
        }
        Ok(effects.holders)
    }

    pub(super) fn give_up_all(&self) {
        let open = self.fleet().give_up_all();
        self.given.notify_waiters();
        for (tag, why) in open {
            self.events.undelivered(tag, why);
        }
    }

    pub(super) fn stats(&self, now: Instant) -> LinkStats {
        let describe = |peer: &Arc<Peer>| PeerName {
            address: peer.address().to_owned(),
            identity: peer.info().identity.clone(),
            version: peer.info().version,
            proved: peer.info().credential.to_string(),
        };
        let mut stats = self.fleet().stats(now, describe);
        stats.publishers = self.publishers().values().cloned().collect();
        stats.received = self.received.load(Ordering::Relaxed);
        stats
    }

    fn publishers(&self) -> MutexGuard<'_, BTreeMap<PeerId, String>> {
        self.publishers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").finish_non_exhaustive()
    }
}

/// PUSH: requests go out.
#[derive(Debug)]
pub(super) struct PushSide(pub(super) Arc<Core>);

impl Traffic for PushSide {
    fn full(&self, endpoint: &str, max: usize, most_from: &str) {
        warn_of_full(endpoint, max, most_from);
    }

    fn joined(&self, peer: &Arc<Peer>) {
        tracing::info!(peer = peer.name(), version = ?peer.info().version, "handler connected");
        self.0.act(|fleet| fleet.joined(peer.id(), Arc::clone(peer), Instant::now()));
    }

    fn supply(&self, peer: &Peer, frames: &mut Vec<Frame>) {
        let give = |given| {
            let message = match given {
                Given::Message(message) => message,
                Given::Notice(notice) => self.0.events.notice(notice),
            };
            frames.push(Frame::last(message));
        };
        self.0.act(|fleet| fleet.take(peer.id(), Instant::now(), give));
    }

    fn is_excused(&self, peer: &Peer) -> bool {
        self.0.fleet().may_be_full(peer.id())
    }

    fn last_sign(&self, peer: &Peer) -> Option<Instant> {
        self.0.fleet().last_sign(peer.id())
    }

    fn can_take_back(&self) -> bool {
        true
    }

    fn stalled(&self, peer: &Peer, kept: usize) {
        self.0.act(|fleet| fleet.stalled(peer.id(), kept));
    }

    fn left(&self, peer: &Peer, written: usize, why: &Departure) {
        tracing::info!(peer = peer.name(), %why, "handler disconnected");
        self.0.act(|fleet| fleet.left(peer.id(), written, parting(why), Instant::now()));
    }
}

fn warn_of_full(endpoint: &str, max: usize, most_from: &str) {
    tracing::warn!(
        endpoint,
        max,
        most_from,
        "no more handlers are accepted, see handler.peers_max"
    );
}

fn parting(why: &Departure) -> Parting {
    if matches!(why, Departure::Silent) { Parting::Silent } else { Parting::Closed }
}

/// SUB: replies come in.
#[derive(Debug)]
pub(super) struct SubSide(pub(super) Arc<Core>);

impl Traffic for SubSide {
    fn full(&self, endpoint: &str, max: usize, most_from: &str) {
        warn_of_full(endpoint, max, most_from);
    }

    fn joined(&self, peer: &Arc<Peer>) {
        self.0.publishers().insert(peer.id(), peer.name());
        self.0.act(|fleet| fleet.publisher_joined(Instant::now()));
    }

    /// Each frame of a multipart message is a message of its own, as with Mongrel2.
    fn received(&self, peer: &Peer, frames: &mut Vec<Frame>) {
        self.0.received.fetch_add(frames.len() as u64, Ordering::Relaxed);
        for frame in frames.drain(..) {
            self.0.events.message(peer.id(), frame.payload);
        }
    }

    /// Answers that travel behind it are not lost with it, as they would be with the connection.
    fn passes_over(&self) -> bool {
        true
    }

    fn oversized(&self, peer: &Peer, oversized: &Oversized) {
        let Oversized { size, max, begins } = oversized;
        if let Some(count) = self.0.oversized.add() {
            let peer = peer.name();
            tracing::warn!(peer, size, max, count, "a reply over handler.message_max is not read");
        }
        match begins {
            Some(begins) => self.0.events.oversized(peer.id(), begins, *max),
            None => {
                let credential = &peer.info().credential;
                let is_meant = |puller: &Arc<Peer>| puller.info().credential == *credential;
                self.0.act(|fleet| fleet.lapse(is_meant, Instant::now()));
            }
        }
    }

    fn left(&self, peer: &Peer, _written: usize, why: &Departure) {
        self.0.publishers().remove(&peer.id());
        self.0.events.fell_silent(peer.id());
        self.0.act(|fleet| fleet.publisher_left(parting(why), Instant::now()));
    }
}
