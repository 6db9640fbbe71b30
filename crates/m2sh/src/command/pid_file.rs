//! Where a server's pid file is, and whether the process in it is that server.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal;
use nix::unistd::Pid;
use site::below_chroot;
use store::rows::{Cell, ServerRow};

/// A pid and its line end fit in less.
const CONTENT_BYTES_MAX: u64 = 32;

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
        let content = match content(path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => error.to_string(),
            Err(_) => continue,
        };
        let path = path.clone();
        let state = match parse(&content) {
            None => State::Unreadable { path, found: content },
            Some(pid) if is_server(pid, server) => return State::Running(pid),
            Some(pid) => State::Stale { pid, path },
        };
        found.get_or_insert(state);
    }
    found.unwrap_or(State::NoFile { tried })
}

/// A server writes it below its chroot; Mongrel2's without root, below the current directory.
fn candidates(chroot: &str, pid_file: &str) -> Vec<PathBuf> {
    let mut paths = vec![below_chroot(chroot, pid_file)];
    let beside = below_chroot(".", pid_file);
    if !paths.contains(&beside) {
        paths.push(beside);
    }
    paths
}

/// The folder belongs to the server's user, who must not have root read another file or wait for a
/// pipe.
fn content(path: &Path) -> io::Result<String> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = File::options().read(true).custom_flags(flags.bits()).open(path);
    let file = file.map_err(|error| match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ELOOP) => io::Error::new(io::ErrorKind::InvalidData, "a symbolic link"),
        _ => error,
    })?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "something that is no file"));
    }
    let mut content = Vec::new();
    file.take(CONTENT_BYTES_MAX).read_to_end(&mut content)?;
    Ok(String::from_utf8_lossy(&content).into_owned())
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
    // A process that has ended, and that nobody has waited for yet, has no command line.
    !command_line.is_empty()
        && command_line.split(|byte| *byte == 0).any(|argument| argument == uuid.as_bytes())
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
    fn only_the_begin_of_a_regular_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link, pipe) =
            (folder.path().join("file"), folder.path().join("link"), folder.path().join("pipe"));
        fs::write(&file, "1".repeat(1000)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(content(&file).unwrap(), "1".repeat(32));
        assert_eq!(content(&link).unwrap_err().to_string(), "a symbolic link");
        assert_eq!(content(&pipe).unwrap_err().to_string(), "something that is no file");
    }

    #[test]
    fn pid_files_are_below_the_chroot_or_here() {
        for (chroot, pid_file, expected) in [
            ("/srv/www", "/run/m.pid", &["/srv/www/run/m.pid", "./run/m.pid"][..]),
            ("/srv/www", "run/m.pid", &["/srv/www/run/m.pid", "./run/m.pid"]),
            ("./", "/run/m.pid", &["./run/m.pid"]),
            ("", "/run/m.pid", &["/run/m.pid", "./run/m.pid"]),
        ] {
            let expected: Vec<_> = expected.iter().map(PathBuf::from).collect();
            assert_eq!(candidates(chroot, pid_file), expected, "{chroot:?} {pid_file:?}");
        }
    }
}
