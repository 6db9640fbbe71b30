//! The control port at work: where it is open, and the life of its task.

mod answer;
mod orders;
mod status;

use crate::error::chain;
use answer::Desk;
use bus::ControlPort;
use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use answer::View;
pub use orders::{Order, Orders};

/// The control port of a server. Dropping it closes the port at once.
#[derive(Debug)]
pub struct Control {
    desk: Arc<Desk>,
    open: Mutex<Option<Open>>,
}

/// A port, or what `control_stop` left of it.
#[derive(Debug)]
struct Open {
    /// As configured, to see whether a reload moves it.
    asked: String,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Control {
    /// Opens the port at `spec`; without one the server serves all the same.
    pub async fn open(view: View, spec: &str) -> (Self, Orders) {
        let (desk, orders) = Desk::new(view);
        let control = Self { desk: Arc::new(desk), open: Mutex::default() };
        control.follow(spec).await;
        (control, orders)
    }

    /// Moves to `spec` if that is another address. One that can't be had leaves the old one open.
    pub async fn follow(&self, spec: &str) {
        if self.state().as_ref().is_some_and(|open| open.asked == spec) {
            return;
        }
        let port = match ControlPort::bind(spec).await {
            Ok(port) => port,
            Err(fault) => return tracing::error!("no control port: {}", chain(&fault)),
        };
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve(port, Arc::clone(&self.desk), stop.clone()));
        let next = Open { asked: spec.to_owned(), stop, task };
        if let Some(old) = self.state().replace(next) {
            old.stop.cancel();
        }
    }

    /// Writes the answers that are still to be read, for a moment, and closes the port.
    pub async fn close(&self) {
        let Some(mut open) = self.state().take() else { return };
        open.stop.cancel();
        if let Err(error) = (&mut open.task).await {
            tracing::error!(%error, "the control port ended badly");
        }
    }

    fn state(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Some(open) = self.state().take() {
            open.task.abort();
        }
    }
}

async fn serve(mut port: ControlPort, desk: Arc<Desk>, stop: CancellationToken) {
    tokio::select! {
        () = port.serve(|request: Bytes| desk.answer(request, &stop)) => {}
        () = stop.cancelled() => {}
    }
    port.close().await;
}
