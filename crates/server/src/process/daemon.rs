//! Leaving the terminal, and telling it only then that all is well.

use crate::error::StartFault;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// Marks the process that was started to be the daemon.
const MARK: &str = "LURCHER_DAEMON";

/// Which of the two processes this is.
#[derive(Debug)]
pub enum Daemon {
    /// The daemon; it must say [`Daemon::ready`] when it serves.
    Itself,
    /// The launcher: the daemon serves, as it says itself, and the launcher is done.
    Launched { ready: String },
}

/// Starts this program once more, without a terminal, and waits until it serves or has failed.
///
/// A new process instead of fork(2): nothing of this one, such as threads or locks, is half there.
pub fn become_daemon() -> Result<Daemon, StartFault> {
    if std::env::var_os(MARK).is_some() {
        rustix::process::setsid().map_err(|errno| StartFault::Daemon { source: errno.into() })?;
        return Ok(Daemon::Itself);
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

impl Daemon {
    /// Tells the launcher that the server serves, and lets go of the terminal for good.
    pub fn ready(line: &str) -> io::Result<()> {
        writeln!(io::stdout(), "{line}")?;
        io::stdout().flush()?;
        let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
        rustix::stdio::dup2_stdout(&null)?;
        rustix::stdio::dup2_stderr(&null)?;
        Ok(())
    }
}
