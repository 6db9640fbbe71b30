//! Leaving the terminal, and telling it only then that all is well.

use crate::error::StartFault;
use std::io::{self, Read, Write};
use std::process::{Command, Stdio};

/// Marks the process that was started to be the daemon.
const MARK: &str = "LURCHER_DAEMON";
/// What the daemon writes to its launcher once it serves.
const READY: &[u8] = b"ready\n";

/// Which of the two processes this is.
#[derive(Debug)]
pub enum Daemon {
    /// The daemon; it must say [`Daemon::ready`] when it serves.
    Itself,
    /// The launcher: the daemon serves, and the launcher is done.
    Launched,
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
    let mut said = Vec::new();
    if let Some(stdout) = &mut child.stdout {
        let mut byte = [0; 64];
        // Until it is ready, or has closed its end by dying.
        while !said.ends_with(READY) {
            match stdout.read(&mut byte)? {
                0 => return Ok(Err(StartFault::DaemonFailed)),
                count => said.extend_from_slice(&byte[..count]),
            }
        }
    }
    Ok(Ok(Daemon::Launched))
}

impl Daemon {
    /// Tells the launcher that the server serves, and lets go of the terminal for good.
    pub fn ready() -> io::Result<()> {
        io::stdout().write_all(READY)?;
        io::stdout().flush()?;
        let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
        rustix::stdio::dup2_stdout(&null)?;
        rustix::stdio::dup2_stderr(&null)?;
        Ok(())
    }
}
