//! Where the server's own words go: standard error, or the error log of a daemon.
//!
//! Nothing that logs ever waits for whoever reads, nor fails with it: while the server serves, a
//! thread of its own writes, and what it can't write in time is dropped and counted.

mod filter;
mod queue;

use crate::access_log;
use crate::error::StartFault;
use queue::Queue;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tracing_subscriber::fmt::MakeWriter;

pub use queue::Background;

static QUEUE: Queue = Queue::new();

/// Where log lines are written.
#[derive(Clone, Debug)]
pub enum Destination {
    StandardError,
    File { path: PathBuf, file: Arc<File> },
}

/// Starts logging, to standard error, each line at once.
pub fn start() {
    let (filter, fault) = filter::from_environment();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .with_writer(Lines)
        // It would say so on standard error, and panic where that is what fails.
        .log_internal_errors(false)
        .init();
    if let Some(fault) = fault {
        tracing::warn!("{fault}");
    }
}

/// From now on a thread writes, until the result is dropped.
///
/// # Errors
/// There is no thread to be had.
pub fn in_background() -> Result<Background, StartFault> {
    QUEUE.in_background().map_err(|source| StartFault::Runtime { source })
}

pub fn send_to(destination: Destination) {
    QUEUE.send_to(destination);
}

pub fn is_in_file() -> bool {
    matches!(QUEUE.destination(), Destination::File { .. })
}

/// Whether a person reads along.
pub fn is_on_terminal() -> bool {
    !is_in_file() && io::stderr().is_terminal()
}

/// After a rotation: goes on in a file of the configured name.
pub fn reopen() {
    let Destination::File { path, .. } = QUEUE.destination() else { return };
    match Destination::file(path) {
        Ok(destination) => send_to(destination),
        Err(fault) => tracing::error!(%fault, "going on with the old error log"),
    }
}

impl Destination {
    pub fn file(path: PathBuf) -> Result<Self, StartFault> {
        match access_log::open(Path::new(&path)) {
            Ok(file) => Ok(Self::File { path, file: Arc::new(file) }),
            Err(source) => Err(StartFault::ErrorLog { path, source }),
        }
    }

    fn write(&self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::StandardError => io::stderr().lock().write_all(lines),
            Self::File { file, .. } => file.as_ref().write_all(lines),
        }
    }
}

#[derive(Debug)]
struct Lines;

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl Write for Lines {
    /// Takes the whole line, whatever becomes of it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        QUEUE.write(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
