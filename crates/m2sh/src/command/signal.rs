//! `stop`, `reload`, `running`: signals to the processes that the pid files name.

use nix::sys::signal::{Signal, kill};
use store::rows::ServerRow;

use super::pid_file::{State, state};
use super::select::{label, select};
use crate::Terminal;
use crate::arguments::Options;
use crate::failure::Failure;

pub(super) fn stop(options: &Options, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let signal = if options.has("murder") { Signal::SIGTERM } else { Signal::SIGINT };
    for_each(options, terminal, |server, _| send(server, signal))
}

pub(super) fn reload(options: &Options, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    for_each(options, terminal, |server, _| send(server, Signal::SIGHUP))
}

/// Succeeds when all selected servers run, so that scripts can ask; Mongrel2's m2sh always succeeds.
pub(super) fn running(options: &Options, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    for_each(options, terminal, |server, several| {
        let whose = if several { format!("{}: ", label(server)) } else { String::new() };
        match state(server) {
            State::Running(pid) => Ok(format!("{whose}mongrel2 at PID {pid} running.")),
            State::Stale { pid, .. } => {
                Err(Said::Result(format!("{whose}mongrel2 at PID {pid} is NOT running.")))
            }
            State::Unreadable { path, found } => Err(Said::Result(format!(
                "{whose}mongrel2 is not running because {} holds {found:?}.",
                path.display()
            ))),
            State::NoFile { .. } => Err(Said::Result(format!(
                "{whose}mongrel2 is not running because pid_file isn't there."
            ))),
        }
    })
}

/// What a server that was not signalled, or does not run, is told about.
enum Said {
    Result(String),
    Error(String),
}

/// Does all selected servers, also after one that failed.
fn for_each(
    options: &Options,
    terminal: &mut Terminal<'_>,
    act: impl Fn(&ServerRow, bool) -> Result<String, Said>,
) -> Result<(), Failure> {
    let servers = select(options, terminal)?.servers;
    let mut done = 0;
    for server in &servers {
        match act(server, servers.len() > 1) {
            Ok(line) => {
                done += 1;
                writeln!(terminal.out, "{line}")?;
            }
            Err(Said::Result(line)) => writeln!(terminal.out, "{line}")?,
            Err(Said::Error(line)) => writeln!(terminal.err, "m2sh: {line}")?,
        }
    }
    if done == servers.len() { Ok(()) } else { Err(Failure::Some { done, wanted: servers.len() }) }
}

fn send(server: &ServerRow, signal: Signal) -> Result<String, Said> {
    let label = label(server);
    match state(server) {
        State::Running(pid) => match kill(pid, signal) {
            Ok(()) => Ok(format!("sent {signal} to server {label} at PID {pid}.")),
            Err(errno) => Err(Said::Error(format!(
                "can't send {signal} to server {label} at PID {pid}: {}",
                errno.desc()
            ))),
        },
        State::Stale { pid, path } => Err(Said::Error(format!(
            "server {label} is not running: PID {pid} of {} is gone or another program",
            path.display()
        ))),
        State::Unreadable { path, found } => Err(Said::Error(format!(
            "server {label}: {} holds {found:?}, expected a pid",
            path.display()
        ))),
        State::NoFile { tried } => {
            let tried: Vec<_> = tried.iter().map(|path| path.display().to_string()).collect();
            let tried = tried.join(" nor ");
            Err(Said::Error(format!("server {label} is not running: no pid file {tried}")))
        }
    }
}
