//! The program as it is run: what it says, what it survives, what it leaves behind.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

use crate::rows::{rows, text};

/// Enough of them to fill a pipe with what is logged about them.
const REQUESTS: usize = 300;

/// One setting is warned about.
fn database(folder: &Path, chroot: &str) {
    let daemonize = if chroot.is_empty() { "0" } else { "1" };
    let mut rows = rows(&[("server.daemonize", daemonize), ("zeromq.threads", "1")]);
    rows.servers[0].chroot = text(chroot);
    store::replace(&folder.join("config.sqlite"), &rows, None).unwrap();
}

fn command(folder: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_server"));
    command.current_dir(folder.path()).args(["config.sqlite", "u", "--listen", "127.0.0.1:0"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A server in the foreground, killed when a test fails.
struct Running {
    child: Child,
    addr: String,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut ready).unwrap();
        Self { addr: addr(&ready), child }
    }

    fn answers(&self) -> bool {
        answers(&self.addr)
    }

    /// The exit code after a SIGINT.
    fn stop(mut self) -> Option<i32> {
        signal(self.child.id(), Signal::INT);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn addr(ready: &str) -> String {
    let (_, rest) = ready.split_once("http://").unwrap();
    rest.split(';').next().unwrap().to_owned()
}

fn answers(addr: &str) -> bool {
    let mut client = TcpStream::connect(addr).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer.starts_with("HTTP/1.1 404 ")
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_log_that_nobody_takes_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    database(folder.path(), "");
    let full: Stdio = OpenOptions::new().write(true).open("/dev/full").unwrap().into();
    let (read, write) = std::io::pipe().unwrap();
    drop(read);
    // Nobody reads this one: trace fills it soon.
    let (_reader, stuck) = std::io::pipe().unwrap();
    rustix::pipe::fcntl_setpipe_size(&stuck, 4096).unwrap();
    for broken in [full, write.into(), stuck.into()] {
        let running = Running::start(command(&folder).env("LURCHER_LOG", "trace").stderr(broken));
        for _ in 0..REQUESTS {
            assert!(running.answers());
        }
        assert_eq!(running.stop(), Some(0));
        assert!(!folder.path().join("run/server.pid").exists());
    }
}

#[test]
fn a_start_that_fails_says_why() {
    let folder = tempfile::tempdir().unwrap();
    database(folder.path(), "");
    let output =
        command(&folder).args(["--check"]).env("LURCHER_LOG", "nonsense").output().unwrap();
    assert!(stderr(&output).contains("LURCHER_LOG is not understood"), "{}", stderr(&output));
    assert!(stderr(&output).contains("zeromq.threads"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(0));

    fs::create_dir(folder.path().join("run")).unwrap();
    let pid = std::process::id();
    fs::write(folder.path().join("run/server.pid"), pid.to_string()).unwrap();
    let output = command(&folder).output().unwrap();
    let running = format!("pid file run/server.pid: process {pid} is still running");
    assert!(stderr(&output).contains(&running), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(1));
}

/// Neither gone nor waiting for its parent to look.
fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[test]
fn a_daemon_in_a_chroot_says_each_thing_once_and_tidies_up() {
    if !geteuid().is_root() {
        eprintln!("not tested: only root changes into a chroot");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let jail = folder.path().join("jail");
    fs::create_dir(&jail).unwrap();
    chown(&jail, Some(12_345), Some(12_345)).unwrap();
    // No slash between the two, here and in the pid file.
    database(folder.path(), jail.to_str().unwrap());
    let errors = folder.path().join("stderr");
    let mut launcher = command(&folder).stderr(File::create(&errors).unwrap()).spawn().unwrap();
    let mut ready = String::new();
    BufReader::new(launcher.stdout.as_mut().unwrap()).read_line(&mut ready).unwrap();
    let said = fs::read_to_string(&errors).unwrap();
    assert_eq!(launcher.wait().unwrap().code(), Some(0), "{said}");
    assert_eq!(said.matches("zeromq.threads").count(), 1, "{said}");
    let pid_file = jail.join("run/server.pid");
    let pid = fs::read_to_string(&pid_file).unwrap().parse().unwrap();
    assert!(answers(&addr(&ready)));
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(field("Uid:"), "12345 12345 12345 12345");
    assert_eq!(field("Gid:"), "12345 12345 12345 12345");
    assert_eq!(field("Groups:"), "");
    signal(pid, Signal::INT);
    // The log is written to its end before the process ends, and the pid file goes last but one.
    let deadline = Instant::now() + Duration::from_secs(20);
    while is_running(pid) {
        assert!(Instant::now() < deadline, "the daemon does not stop");
        std::thread::yield_now();
    }
    let log = fs::read_to_string(jail.join("error.log")).unwrap();
    assert!(!pid_file.exists(), "{log}");
    assert!(log.contains("stopping"), "{log}");
}
