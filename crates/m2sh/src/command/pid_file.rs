//! Where a server's pid file is, and whether the process in it is that server.

use std::fs;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal;
use nix::unistd::Pid;
use store::rows::{Cell, ServerRow};

/// What the pid files of a server say.
#[derive(Debug)]
pub(super) enum State {
    Running(Pid),
    /// A pid file names a process that is gone, or that is another program by now.
    Stale {
        pid: Pid,
        path: PathBuf,
    },
    /// A file is there but holds no pid.
    Unreadable {
        path: PathBuf,
        found: String,
    },
    NoFile {
        tried: Vec<PathBuf>,
    },
}

/// Looks at every place where the server may have written its pid.
pub(super) fn state(server: &ServerRow) -> State {
    let (Cell::Text(chroot), Cell::Text(pid_file)) = (&server.chroot, &server.pid_file) else {
        return State::NoFile { tried: Vec::new() };
    };
    let tried = candidates(chroot, pid_file);
    let mut found = None;
    for path in &tried {
        let Ok(content) = fs::read_to_string(path) else { continue };
        let path = path.clone();
        let state = match parse(&content) {
            None => State::Unreadable { path, found: content.chars().take(20).collect() },
            Some(pid) if is_server(pid, server) => return State::Running(pid),
            Some(pid) => State::Stale { pid, path },
        };
        found.get_or_insert(state);
    }
    found.unwrap_or(State::NoFile { tried })
}

/// A server in a chroot writes it below the chroot, one without root below the current directory, and
/// one with an empty chroot where `pid_file` says.
fn candidates(chroot: &str, pid_file: &str) -> Vec<PathBuf> {
    let in_chroot = match chroot {
        "" => PathBuf::from(pid_file),
        chroot => Path::new(chroot).join(pid_file.trim_start_matches('/')),
    };
    let mut paths = vec![in_chroot];
    let beside = PathBuf::from(format!(".{pid_file}"));
    if !paths.contains(&beside) {
        paths.push(beside);
    }
    paths
}

/// Only a positive number: `kill` takes 0 and below for whole groups of processes.
fn parse(content: &str) -> Option<Pid> {
    content.trim().parse().ok().filter(|pid| *pid > 0).map(Pid::from_raw)
}

/// Whether the process lives and, as far as the system tells, was started with the server's uuid. A
/// pid that outlived a crash may belong to anybody by now.
fn is_server(pid: Pid, server: &ServerRow) -> bool {
    match signal::kill(pid, None) {
        Ok(()) | Err(Errno::EPERM) => {}
        Err(_) => return false,
    }
    let Ok(command_line) = fs::read(format!("/proc/{pid}/cmdline")) else { return true };
    let Cell::Text(uuid) = &server.uuid else { return true };
    command_line.is_empty()
        || command_line.split(|byte| *byte == 0).any(|argument| argument == uuid.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_is_a_positive_number() {
        for (content, pid) in [
            ("31450", Some(31450)),
            ("31450\n", Some(31450)),
            ("0", None),
            ("-5", None),
            ("", None),
            ("x", None),
            ("99999999999", None),
        ] {
            assert_eq!(parse(content), pid.map(Pid::from_raw), "{content:?}");
        }
    }

    #[test]
    fn pid_files_are_below_the_chroot_or_here() {
        for (chroot, pid_file, expected) in [
            ("/srv/www", "/run/m.pid", &["/srv/www/run/m.pid", "./run/m.pid"][..]),
            ("/srv/www/", "run/m.pid", &["/srv/www/run/m.pid", ".run/m.pid"]),
            ("./", "/run/m.pid", &["./run/m.pid"]),
            ("", "/run/m.pid", &["/run/m.pid", "./run/m.pid"]),
        ] {
            let expected: Vec<_> = expected.iter().map(PathBuf::from).collect();
            assert_eq!(candidates(chroot, pid_file), expected, "{chroot:?} {pid_file:?}");
        }
    }
}
