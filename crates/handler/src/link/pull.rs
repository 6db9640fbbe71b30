//! Requests: a PULL socket that is connected again when the server is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::mpsc;
use zeromq::PullSocket;

use super::{Progress, Wanted, connect, receive};

/// What becomes of the link.
pub(crate) struct Fate {
    /// How often it broke and was connected again.
    pub(crate) restarts: Arc<AtomicU64>,
    /// It need not be connected again.
    pub(crate) draining: Arc<AtomicBool>,
}

pub(crate) struct Puller {
    spec: String,
    identity: Arc<str>,
    socket: PullSocket,
}

impl Puller {
    pub(crate) async fn connect(spec: &str, identity: &Arc<str>, progress: &Progress) -> Self {
        let socket = connect(spec, Wanted::Push(identity), progress).await;
        Self { spec: spec.to_owned(), identity: Arc::clone(identity), socket }
    }

    /// Passes requests on until nobody wants them any more.
    pub(crate) async fn run(
        mut self,
        requests: mpsc::Sender<(Bytes, u64)>,
        Fate { restarts, draining }: Fate,
    ) {
        loop {
            let received = tokio::select! {
                received = receive(&mut self.socket) => received,
                () = requests.closed() => return,
            };
            let Ok(message) = received else {
                if draining.load(Ordering::Acquire) {
                    return;
                }
                restarts.fetch_add(1, Ordering::AcqRel);
                tracing::info!(spec = self.spec, "link for requests lost, connecting again");
                let progress = Progress::default();
                tokio::select! {
                    again = Self::connect(&self.spec, &self.identity, &progress) => self = again,
                    () = requests.closed() => return,
                }
                continue;
            };
            let generation = restarts.load(Ordering::Acquire);
            for frame in message.into_vec() {
                if requests.send((frame, generation)).await.is_err() {
                    return;
                }
            }
        }
    }
}
