//! Where the server's own words go: standard error, or the error log of a daemon.

use crate::access_log;
use crate::error::StartFault;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Chooses what is logged, such as `debug` or `edge=trace`; `info` without it.
const FILTER: &str = "LURCHER_LOG";

static DESTINATION: Mutex<Destination> = Mutex::new(Destination::StandardError);

/// Where log lines are written.
#[derive(Debug)]
pub enum Destination {
    StandardError,
    File { path: PathBuf, file: File },
}

/// Starts logging, to standard error.
pub fn start() {
    let filter = EnvFilter::try_from_env(FILTER).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .with_writer(Lines)
        .init();
}

pub fn send_to(destination: Destination) {
    *current() = destination;
}

pub fn is_in_file() -> bool {
    matches!(&*current(), Destination::File { .. })
}

/// After a rotation: goes on in a file of the configured name.
pub fn reopen() {
    let path = match &*current() {
        Destination::StandardError => return,
        Destination::File { path, .. } => path.clone(),
    };
    match Destination::file(path) {
        Ok(destination) => send_to(destination),
        Err(fault) => tracing::error!(%fault, "going on with the old error log"),
    }
}

impl Destination {
    pub fn file(path: PathBuf) -> Result<Self, StartFault> {
        match access_log::open(Path::new(&path)) {
            Ok(file) => Ok(Self::File { path, file }),
            Err(source) => Err(StartFault::ErrorLog { path, source }),
        }
    }
}

fn current() -> MutexGuard<'static, Destination> {
    DESTINATION.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match &mut *current() {
            Destination::StandardError => io::stderr().write(line),
            Destination::File { file, .. } => file.write(line),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
