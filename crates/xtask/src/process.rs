//! Other programs: run one to its end, or keep one running and take it down for certain.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// How long a service may take to stop after SIGTERM before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// Pause between two looks at a port that nobody listens on yet.
const POLL: Duration = Duration::from_millis(50);

/// Runs a program to its end with our own standard streams; anything but exit 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|e| format!("{}: {e}", line(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", line(command))) }
}

/// Runs a program to its end and returns what it wrote to standard output.
pub(crate) fn capture(command: &mut Command) -> Result<String, String> {
    let output =
        command.stderr(Stdio::inherit()).output().map_err(|e| format!("{}: {e}", line(command)))?;
    if !output.status.success() {
        return Err(format!("{}: {}", line(command), output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Where a program is: on the PATH, or where Debian keeps daemons, which few users' PATH names.
pub(crate) fn locate(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
}

/// A command for a program that the kernel ends when we end, however that happens.
pub(crate) fn tied(program: impl AsRef<Path>) -> Command {
    let program = program.as_ref();
    let found = program.to_str().and_then(locate).unwrap_or_else(|| program.to_path_buf());
    let Some(setpriv) = locate("setpriv") else { return Command::new(found) };
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "TERM", "--"]).arg(found);
    command
}

/// A program that runs until it is stopped; dropping it stops it.
#[derive(Debug)]
pub(crate) struct Service {
    name: String,
    pid: u32,
    exit: Receiver<ExitStatus>,
    gone: Option<ExitStatus>,
}

impl Service {
    /// Starts a program in a process group of its own, so that Ctrl-C reaches it only through us.
    /// Its output goes to `log`, or to our own streams without one.
    pub(crate) fn start(
        name: &str,
        command: &mut Command,
        log: Option<&Path>,
    ) -> Result<Self, String> {
        command.stdin(Stdio::null()).process_group(0);
        if let Some(path) = log {
            let file = File::create(path).map_err(|e| format!("{}: {e}", path.display()))?;
            let twin = file.try_clone().map_err(|e| format!("{}: {e}", path.display()))?;
            command.stdout(file).stderr(twin);
        }
        let mut child = command.spawn().map_err(|e| format!("{}: {e}", line(command)))?;
        let pid = child.id();
        let (tell, exit) = mpsc::channel();
        std::thread::spawn(move || {
            if let Ok(status) = child.wait() {
                // Nobody listens once the service was dropped.
                tell.send(status).ok();
            }
        });
        Ok(Self { name: name.to_owned(), pid, exit, gone: None })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits that long for the end of the program.
    pub(crate) fn exited_within(&mut self, patience: Duration) -> Option<ExitStatus> {
        if self.gone.is_none() {
            self.gone = self.exit.recv_timeout(patience).ok();
        }
        self.gone
    }

    /// Waits until somebody accepts connections on `address`.
    pub(crate) fn wait_for(
        &mut self,
        address: SocketAddr,
        patience: Duration,
    ) -> Result<(), String> {
        let deadline = Instant::now() + patience;
        while TcpStream::connect_timeout(&address, POLL).is_err() {
            if let Some(status) = self.exited_within(POLL) {
                return Err(format!(
                    "{} ended before it listened on {address}: {status}",
                    self.name
                ));
            }
            if Instant::now() > deadline {
                return Err(format!("{} does not listen on {address}", self.name));
            }
        }
        Ok(())
    }

    /// SIGTERM, some patience, SIGKILL.
    pub(crate) fn stop(&mut self) {
        for (signal, patience) in [("TERM", STOP_PATIENCE), ("KILL", STOP_PATIENCE)] {
            if self.exited_within(Duration::ZERO).is_some() {
                return;
            }
            let kill = format!("kill -{signal} {}", self.pid);
            // It may end by itself in this moment; then there is nothing to do.
            drop(Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status());
            if self.exited_within(patience).is_some() {
                return;
            }
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The command as a person would type it.
fn line(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_service_is_gone() {
        let service = Service::start("cat", tied("tail").args(["-f", "/dev/null"]), None).unwrap();
        let proc = format!("/proc/{}", service.pid());
        assert!(Path::new(&proc).exists());
        drop(service);
        assert!(!Path::new(&proc).exists());
    }

    #[test]
    fn a_failure_names_the_command() {
        let error = run(Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
        assert_eq!(error, "sh -c exit 3: exit status: 3");
    }
}
