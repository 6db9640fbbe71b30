//! `start`: runs the server program and passes on its exit status.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use store::rows::ServerRow;
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::task::JoinSet;

use super::list::text;
use super::select::{Selection, select};
use crate::Terminal;
use crate::arguments::Options;
use crate::failure::Failure;

/// Starts every selected server at once and waits for all of them; a server that daemonizes is waited
/// for only until it has.
pub(super) fn run(options: &Options, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    if options.has("url") || options.has("style") {
        return Err(Failure::ConfigModule);
    }
    let selection = select(options, terminal)?;
    terminal.out.flush()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)?;
    runtime.block_on(start(&selection, options.get("sudo")))
}

async fn start(selection: &Selection, sudo: Option<&str>) -> Result<(), Failure> {
    // Before the first server: a signal that comes early must not be lost. A program that is executed
    // does not inherit the handlers.
    let caught = Caught::new().map_err(Failure::Runtime)?;
    let mut children = Vec::new();
    let mut failed = None;
    for server in &selection.servers {
        match spawn(&selection.database, server, sudo) {
            Ok(child) => children.push(Some(child)),
            Err(failure) => failed = failed.or(Some(failure)),
        }
    }
    let status = supervise(children, caught).await.map_err(Failure::Runtime)?;
    match (failed, status) {
        (Some(failure), _) => Err(failure),
        (None, 0) => Ok(()),
        (None, status) => Err(Failure::Status(status)),
    }
}

fn spawn(database: &Path, server: &ServerRow, sudo: Option<&str>) -> Result<Child, Failure> {
    let words = match sudo {
        None => "",
        Some("") => "sudo",
        Some(words) => words,
    };
    let mut line: Vec<OsString> = words.split_whitespace().map(OsString::from).collect();
    line.push(server_program().into());
    line.push(database.into());
    line.push(text(&server.uuid).into());
    let program = PathBuf::from(&line[0]);
    let spawned = Command::new(&program).args(&line[1..]).spawn();
    spawned.map_err(|source| Failure::Spawn { program, source })
}

/// The server that was installed with this m2sh, else the first one in PATH.
fn server_program() -> PathBuf {
    let beside = env::current_exe().ok().map(|m2sh| m2sh.with_file_name("server"));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from("server"))
}

/// The signals that m2sh outlives while its servers run.
struct Caught {
    terminate: Signals,
    hangup: Signals,
    /// A terminal sends it to the servers too, and a second one ends them without a drain, so it is not
    /// passed on.
    interrupt: Signals,
}

impl Caught {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

/// Waits for all children and passes signals on to those that still run. Returns the first exit code
/// that is not 0.
async fn supervise(mut children: Vec<Option<Child>>, mut caught: Caught) -> io::Result<u8> {
    let mut ends = JoinSet::new();
    for (index, child) in children.iter().enumerate() {
        if let Some(child) = child {
            let pid = pid(child);
            ends.spawn_blocking(move || {
                wait_for_end(pid);
                index
            });
        }
    }
    let mut code = 0;
    loop {
        tokio::select! {
            end = ends.join_next() => match end {
                None => return Ok(code),
                Some(index) => {
                    if let Some(mut child) = children[index?].take() {
                        let exit = exit_code(child.wait()?);
                        code = if code == 0 { exit } else { code };
                    }
                }
            },
            _ = caught.terminate.recv() => pass_on(Signal::SIGTERM, &children),
            _ = caught.hangup.recv() => pass_on(Signal::SIGHUP, &children),
            _ = caught.interrupt.recv() => {}
        }
    }
}

fn pass_on(signal: Signal, children: &[Option<Child>]) {
    for child in children.iter().flatten() {
        // One that has just ended is not reaped yet, so the pid is nobody else's.
        _ = kill(pid(child), signal);
    }
}

/// Leaves the child to be reaped, so that its pid cannot be given away while it may be signalled.
fn wait_for_end(pid: Pid) {
    while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a pid fits pid_t"))
}

/// As a shell counts: 128 and the signal for a server that a signal ended.
fn exit_code(exit: ExitStatus) -> u8 {
    let code = exit.code().or_else(|| exit.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}
