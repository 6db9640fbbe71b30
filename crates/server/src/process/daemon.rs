//! Leaving the terminal, and telling it only then that all is well.

use crate::error::StartFault;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// Marks the process that was started to be the daemon.
const MARK: &str = "LURCHER_DAEMON";

/// Which of the two processes this is.
#[derive(Debug)]
pub enum Daemon {
    /// The daemon; it must say so when it serves.
    Itself(Launcher),
    /// The launcher: the daemon serves, as it says itself, and the launcher is done.
    Launched { ready: String },
}

/// Whether this process was started to be the daemon.
pub fn is_daemon() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Starts this program once more, without a terminal, and waits until it serves or has failed.
///
/// A new process instead of fork(2): nothing of this one, such as threads or locks, is half there.
pub fn become_daemon() -> Result<Daemon, StartFault> {
    if is_daemon() {
        rustix::process::setsid().map_err(|errno| StartFault::Daemon { source: errno.into() })?;
        return Ok(Daemon::Itself(Launcher::listening()?));
    }
    launch().map_err(|source| StartFault::Daemon { source })?
}

fn launch() -> io::Result<Result<Daemon, StartFault>> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env(MARK, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut ready = String::new();
    if let Some(stdout) = child.stdout.take() {
        // One line when it serves; nothing when it dies before.
        BufReader::new(stdout).read_line(&mut ready)?;
    }
    match ready.strip_suffix('\n') {
        Some(ready) => Ok(Ok(Daemon::Launched { ready: ready.to_owned() })),
        None => Ok(Err(StartFault::DaemonFailed)),
    }
}

/// Whoever waits for a daemon to serve.
#[derive(Debug)]
pub struct Launcher {
    /// Opened at once: there is no such file inside a chroot.
    null: File,
}

impl Launcher {
    fn listening() -> Result<Self, StartFault> {
        let null = OpenOptions::new().read(true).write(true).open("/dev/null");
        null.map(|null| Self { null }).map_err(|source| StartFault::Daemon { source })
    }

    /// Tells the launcher that the server serves, and lets go of the terminal for good.
    pub fn ready(self, line: &str) -> io::Result<()> {
        writeln!(io::stdout(), "{line}")?;
        io::stdout().flush()?;
        rustix::stdio::dup2_stdout(&self.null)?;
        rustix::stdio::dup2_stderr(&self.null)?;
        Ok(())
    }
}
