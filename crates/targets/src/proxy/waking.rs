//! The waker that hyper sees: it reaches the client's task only when that task is not at it anyway.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// hyper's two ends wake each other through channels made for two tasks. Here one task polls both,
/// one after the other, and every such wake would have it scheduled once more for nothing; and a
/// connection from the pool would wake the task that had it before.
#[derive(Debug)]
pub(super) struct Waking {
    bell: Arc<Bell>,
    /// `bell` as a waker: always the same one, so that nobody has to replace it.
    waker: Waker,
}

#[derive(Debug, Default)]
struct Bell {
    state: AtomicU8,
    /// Who wants to be woken; nobody for a connection in the pool.
    task: Mutex<Option<Waker>>,
}

/// Wakes go to the task.
const AWAY: u8 = 0;
/// The task is polling.
const BUSY: u8 = 1;
/// The task is polling, and there was a wake.
const RUNG: u8 = 2;

impl Default for Waking {
    fn default() -> Self {
        let bell: Arc<Bell> = Arc::default();
        Self { waker: Waker::from(Arc::clone(&bell)), bell }
    }
}

impl Waking {
    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// From now on, wakes are for `task`.
    pub(super) fn belongs_to(&self, task: &Waker) {
        let mut known = self.bell.task();
        match &mut *known {
            Some(known) => known.clone_from(task),
            none => *none = Some(task.clone()),
        }
    }

    /// From now on, nobody is woken.
    pub(super) fn belongs_to_nobody(&self) {
        *self.bell.task() = None;
    }

    /// The task begins to poll; wakes so far are thereby answered.
    pub(super) fn begin(&self) {
        self.bell.state.store(BUSY, Ordering::SeqCst);
    }

    /// The task wants to stop polling; false if it has to begin again, because of a wake.
    pub(super) fn end(&self) -> bool {
        let ended =
            self.bell.state.compare_exchange(BUSY, AWAY, Ordering::SeqCst, Ordering::SeqCst);
        ended.is_ok()
    }

    /// The task stops polling and comes back without being woken.
    pub(super) fn leave(&self) {
        self.bell.state.store(AWAY, Ordering::SeqCst);
    }
}

impl Bell {
    fn task(&self) -> MutexGuard<'_, Option<Waker>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let rung = self.state.compare_exchange(BUSY, RUNG, Ordering::SeqCst, Ordering::SeqCst);
        if rung == Err(AWAY)
            && let Some(task) = &*self.task()
        {
            task.wake_by_ref();
        }
    }
}
