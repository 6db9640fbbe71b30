//! `start`: runs the server program and passes on its exit status.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use store::rows::ServerRow;

use super::list::text;
use super::select::select;
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
    let mut children = Vec::new();
    let mut failed = None;
    for server in &selection.servers {
        match spawn(&selection.database, server, options.get("sudo")) {
            Ok(child) => children.push(child),
            Err(failure) => failed = failed.or(Some(failure)),
        }
    }
    let mut status = 0;
    let running = forward_signals(&children);
    for mut child in children {
        match wait(&mut child, &running) {
            Ok(exit) if status == 0 => status = exit_code(exit),
            Ok(_) => {}
            Err(source) => failed = failed.or(Some(Failure::Wait(source))),
        }
    }
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

type Running = Arc<Mutex<Vec<Pid>>>;

/// Keeps m2sh alive until its servers have ended. SIGTERM and SIGHUP are passed on; SIGINT is not,
/// because a terminal sends it to the servers too, and a second one ends them without a drain.
fn forward_signals(children: &[Child]) -> Running {
    let pids = children.iter().map(pid).collect();
    let running = Arc::new(Mutex::new(pids));
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGHUP);
    if signals.thread_block().is_err() {
        return running;
    }
    let targets = Arc::clone(&running);
    thread::spawn(move || {
        while let Ok(signal) = signals.wait() {
            if signal == Signal::SIGINT {
                continue;
            }
            for pid in targets.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                // It may have ended a moment ago; it is not reaped yet, so nobody else is hit.
                _ = kill(*pid, signal);
            }
        }
    });
    running
}

/// Waits without reaping first, so that the pid is never signalled after it may have been given away.
fn wait(child: &mut Child, running: &Running) -> io::Result<ExitStatus> {
    let pid = pid(child);
    while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
    running.lock().unwrap_or_else(PoisonError::into_inner).retain(|known| *known != pid);
    child.wait()
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a pid fits pid_t"))
}

/// As a shell counts: 128 and the signal for a server that a signal ended.
fn exit_code(exit: ExitStatus) -> u8 {
    let code = exit.code().or_else(|| exit.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}
