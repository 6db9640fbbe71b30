//! How many peers an endpoint has, how many are in their handshake, and who has to make way.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::options::Options;
use crate::peer::{Departure, PeerId};
use crate::refusals;

/// The places of one endpoint. Handshakes have a bound of their own, so that whoever proves nothing
/// keeps nobody out.
#[derive(Debug)]
pub(crate) struct Admission {
    handshakes_max: usize,
    state: Mutex<State>,
    /// A peer has taken the last place, or there are more or fewer of them.
    pub(crate) changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    peers_max: usize,
    /// In the order they came.
    handshaking: BTreeMap<PeerId, Newcomer>,
    /// Peers by host.
    joined: HashMap<Arc<str>, usize>,
    joined_count: usize,
    next: PeerId,
}

#[derive(Debug)]
struct Newcomer {
    host: Arc<str>,
    wake: Arc<Notify>,
}

/// The place of one connection, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    admission: Arc<Admission>,
    pub(crate) id: PeerId,
    pub(crate) address: String,
    host: Arc<str>,
    /// Wakes the task of the connection: in the handshake, because it has to make way.
    pub(crate) wake: Arc<Notify>,
    has_joined: bool,
}

impl Admission {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            handshakes_max: options.handshakes_max.max(1),
            state: Mutex::new(State { peers_max: options.peers_max, ..State::default() }),
            changed: Notify::new(),
        }
    }

    /// From now on; those that are there stay.
    pub(crate) fn set_peers_max(&self, max: usize) {
        self.state().peers_max = max;
        self.changed.notify_one();
    }

    /// Begins a handshake. Where too many are under way, the oldest of the host with most of them
    /// is woken to make way.
    pub(crate) fn enter(self: &Arc<Self>, address: String) -> Place {
        let host: Arc<str> = refusals::host(&address).into();
        let wake = Arc::new(Notify::new());
        let mut state = self.state();
        if state.handshaking.len() >= self.handshakes_max
            && let Some(oldest) = state.oldest_of_the_most()
            && let Some(newcomer) = state.handshaking.remove(&oldest)
        {
            newcomer.wake.notify_one();
        }
        let id = state.next;
        state.next += 1;
        let newcomer = Newcomer { host: Arc::clone(&host), wake: Arc::clone(&wake) };
        state.handshaking.insert(id, newcomer);
        drop(state);
        Place { admission: Arc::clone(self), id, address, host, wake, has_joined: false }
    }

    /// If every place is taken: how many there are, the host that has most of them, and how many.
    pub(crate) fn full(&self) -> Option<(usize, Arc<str>, usize)> {
        let state = self.state();
        if state.joined_count < state.peers_max {
            return None;
        }
        let most = state.joined.iter().max_by_key(|(_, count)| **count);
        most.map(|(host, count)| (state.peers_max, Arc::clone(host), *count))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn oldest_of_the_most(&self) -> Option<PeerId> {
        let mut hosts: HashMap<&str, (usize, PeerId)> = HashMap::new();
        for (&id, newcomer) in &self.handshaking {
            hosts.entry(&newcomer.host).or_insert((0, id)).0 += 1;
        }
        let most = hosts.into_values().max_by_key(|&(count, oldest)| (count, !oldest));
        most.map(|(_, oldest)| oldest)
    }
}

impl Place {
    /// The handshake is over.
    pub(crate) fn join(&mut self) -> Result<(), Departure> {
        let mut state = self.admission.state();
        if state.handshaking.remove(&self.id).is_none() {
            return Err(self.crowded());
        }
        if state.joined_count >= state.peers_max {
            return Err(Departure::Full { max: state.peers_max });
        }
        state.joined_count += 1;
        *state.joined.entry(Arc::clone(&self.host)).or_default() += 1;
        self.has_joined = true;
        if state.joined_count >= state.peers_max {
            self.admission.changed.notify_one();
        }
        Ok(())
    }

    pub(crate) fn crowded(&self) -> Departure {
        Departure::Crowded { max: self.admission.handshakes_max }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.admission.state();
        if !self.has_joined {
            state.handshaking.remove(&self.id);
            return;
        }
        state.joined_count -= 1;
        if let Some(count) = state.joined.get_mut(&self.host) {
            *count -= 1;
            if *count == 0 {
                state.joined.remove(&self.host);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(peers_max: usize, handshakes_max: usize) -> Arc<Admission> {
        let state = Mutex::new(State { peers_max, ..State::default() });
        Arc::new(Admission { handshakes_max, state, changed: Notify::new() })
    }

    fn enter(admission: &Arc<Admission>, hosts: &[&str]) -> Vec<Place> {
        hosts.iter().map(|host| admission.enter(format!("tcp://{host}:1"))).collect()
    }

    /// With room for three handshakes, who is still in one.
    fn check(hosts: &[&str], want: &[PeerId]) {
        let admission = admission(9, 3);
        let places = enter(&admission, hosts);
        let left: Vec<_> = admission.state().handshaking.keys().copied().collect();
        assert_eq!(left, want, "{hosts:?}");
        for mut place in places {
            assert_eq!(place.join().is_ok(), want.contains(&place.id), "{hosts:?}");
        }
        assert_eq!(admission.state().joined_count, 0, "{hosts:?}");
    }

    #[test]
    fn the_oldest_of_the_host_with_most_makes_way() {
        check(&["a", "b", "c"], &[0, 1, 2]);
        check(&["a", "b", "c", "d"], &[1, 2, 3]);
        check(&["a", "b", "b", "b"], &[0, 2, 3]);
        check(&["b", "b", "a", "b", "b", "b"], &[2, 4, 5]);
    }

    #[test]
    fn places_are_given_back() {
        let admission = admission(2, 3);
        let mut places = enter(&admission, &["a", "b", "b"]);
        assert!(places[1].join().is_ok() && places[2].join().is_ok());
        assert_eq!(admission.full(), Some((2, "b".into(), 2)));
        assert!(matches!(places[0].join(), Err(Departure::Full { max: 2 })));
        places.remove(1);
        assert_eq!(admission.full(), None);
        admission.set_peers_max(1);
        assert_eq!(admission.full(), Some((1, "b".into(), 1)));
        admission.set_peers_max(2);
        assert!(enter(&admission, &["a"])[0].join().is_ok());
        places.clear();
        let state = admission.state();
        assert!(state.handshaking.is_empty() && state.joined.is_empty(), "{state:?}");
    }
}
