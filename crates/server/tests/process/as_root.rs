//! What only root may do: a chroot that is entered, privileges that are given up, a daemon.

use crate::harness::{PATIENCE, Setup, Signal, get, kill, pid_in, rest, send, until};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::Path;
use store::Cell;

/// The owner of the chroot; any number that is not root's.
const OWNER: u32 = 54_321;

/// Says so when a test can't run.
fn is_root(test: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("{test}: not run, it needs root");
    }
    root
}

/// A server whose whole world is its folder.
fn jailed() -> Setup {
    let setup = Setup::new();
    for name in ["logs", "run", "tmp"] {
        std::fs::create_dir(setup.path(name)).unwrap();
        chown(setup.path(name), Some(OWNER), Some(OWNER)).unwrap();
    }
    chown(setup.folder.path(), Some(OWNER), Some(OWNER)).unwrap();
    let here = setup.folder.path().to_str().unwrap().to_owned();
    setup
        .rows(|rows| {
            let server = &mut rows.servers[0];
            server.chroot = Cell::Text(here);
            server.access_log = Cell::Text("/logs/access.log".to_owned());
            server.error_log = Cell::Text("/logs/error.log".to_owned());
            server.pid_file = Cell::Text("/run/server.pid".to_owned());
            server.control_port = Cell::Text("ipc://run/control".to_owned());
            rows.directories[0].base = Cell::Text("/www/".to_owned());
        })
        .handler("/up", "ipc://run/send", "ipc://run/recv")
        .setting("upload.temp_store", "/tmp/upload.XXXXXX")
        .setting("limits.content_length", "10")
}

/// `Uid:` or another line of /proc/PID/status.
fn status(pid: i32, name: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
}

/// Connects to a socket of a handler row as ZMTP 3.0 has it.
fn connect(path: &Path, socket_type: &str) -> UnixStream {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut greeting = b"\xff\0\0\0\0\0\0\0\0\x7f\x03\0NULL".to_vec();
    greeting.resize(64, 0);
    let length = u8::try_from(socket_type.len()).unwrap();
    let ready = [b"\x05READY\x0bSocket-Type\0\0\0", &[length][..], socket_type.as_bytes()].concat();
    stream.write_all(&greeting).unwrap();
    stream.write_all(&[4, u8::try_from(ready.len()).unwrap()]).unwrap();
    stream.write_all(&ready).unwrap();
    stream.read_exact(&mut greeting).unwrap();
    let (flags, ready) = frame(&mut stream);
    assert!(flags == 4 && ready.starts_with(b"\x05READY"));
    stream
}

fn frame(stream: &mut UnixStream) -> (u8, Vec<u8>) {
    let mut byte = [0];
    stream.read_exact(&mut byte).unwrap();
    let flags = byte[0];
    let length = if flags & 2 == 0 {
        stream.read_exact(&mut byte).unwrap();
        usize::from(byte[0])
    } else {
        let mut length = [0; 8];
        stream.read_exact(&mut length).unwrap();
        usize::try_from(u64::from_be_bytes(length)).unwrap()
    };
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).unwrap();
    (flags, payload)
}

fn message(stream: &mut UnixStream) -> (u64, String) {
    let (_, message) = frame(stream);
    let request = wire::ParsedRequest::parse(&message).unwrap();
    let file = request.headers.get(b"x-mongrel2-upload-start").unwrap();
    (request.conn, String::from_utf8(file.to_vec()).unwrap())
}

#[test]
fn a_chrooted_server_serves_uploads_and_reloads_without_privileges() {
    if !is_root("chroot") {
        return;
    }
    let setup = jailed();
    let (program, _) = setup.serve();
    assert_eq!(status(program.pid(), "Uid:"), format!("{OWNER} {OWNER} {OWNER} {OWNER}"));
    assert_eq!(status(program.pid(), "Gid:"), format!("{OWNER} {OWNER} {OWNER} {OWNER}"));
    assert_eq!(status(program.pid(), "Groups:"), "");
    assert_eq!(pid_in(&setup.path("run/server.pid")), Some(program.pid()));
    assert_eq!(get(setup.addr(), "/f"), ("200".to_owned(), "content".to_owned()));

    let mut replies = connect(&setup.path("run/recv"), "PUB");
    assert_eq!(frame(&mut replies).1, b"\x01", "the server subscribes");
    let control = std::fs::metadata(setup.path("run/control")).unwrap();
    assert_eq!((control.uid(), control.permissions().mode() & 0o777), (OWNER, 0o600));
    let mut requests = connect(&setup.path("run/send"), "PULL");
    let client = send(
        setup.addr(),
        b"POST /up HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\nConnection: close\r\n\r\ntwenty bytes of body",
    );
    let (conn, name) = message(&mut requests);
    assert!(name.starts_with("/tmp/upload."), "a name inside the chroot: {name}");
    assert_eq!(message(&mut requests), (conn, name.clone()));
    let file = setup.path(name.trim_start_matches('/'));
    assert_eq!(std::fs::read(&file).unwrap(), b"twenty bytes of body");
    let metadata = std::fs::metadata(&file).unwrap();
    assert_eq!((metadata.uid(), metadata.permissions().mode() & 0o777), (OWNER, 0o600));
    let id = conn.to_string();
    for body in ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", ""] {
        let reply = format!("handler {}:{id}, {body}", id.len());
        replies.write_all(&[0, u8::try_from(reply.len()).unwrap()]).unwrap();
        replies.write_all(reply.as_bytes()).unwrap();
    }
    assert!(rest(client).ends_with("\r\n\r\nok"));

    let setup = setup.route("/new/", "/www/");
    setup.database();
    program.signal(Signal::SIGHUP);
    program.logs("reloaded");
    assert_eq!(get(setup.addr(), "/new/f").0, "200");
    program.signal(Signal::SIGTERM);
    let (code, log) = program.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(!setup.path("run/server.pid").exists(), "{log}");
    assert!(!setup.path("run/control").exists(), "{log}");
    assert!(setup.path("logs/access.log").exists());
}

#[test]
fn no_path_leads_out_of_the_chroot() {
    if !is_root("chroot paths") {
        return;
    }
    let setup = jailed();
    std::os::unix::fs::symlink("/etc/passwd", setup.path("www/passwd")).unwrap();
    let (_program, _) = setup.serve();
    assert_eq!(get(setup.addr(), "/passwd").0, "404");
}

#[test]
fn a_daemon_serves_when_its_launcher_ends() {
    if !is_root("daemon") {
        return;
    }
    for (setup, pid_file, error_log) in
        [(Setup::new(), "server.pid", "error.log"), (jailed(), "run/server.pid", "logs/error.log")]
    {
        let pid_file = setup.path(pid_file);
        let setup = setup.setting("server.daemonize", "1");
        let (launcher, ready) = setup.serve();
        let launched = launcher.pid();
        let (code, log) = launcher.end();
        assert_eq!(code, Some(0), "{log}");
        // No waiting: the launcher ends only when the daemon serves.
        assert_eq!(get(setup.addr(), "/f").0, "200");
        let pid = pid_in(&pid_file).expect("a pid file");
        assert_ne!(pid, launched);
        assert!(ready.contains(&format!("kill {pid}")), "{ready}");
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let session = stat.rsplit(") ").next().unwrap().split(' ').nth(3).unwrap();
        assert_eq!(session, pid.to_string(), "a session of its own");
        kill(pid, Signal::SIGTERM);
        until("the daemon ends", || !pid_file.exists());
        until("the port is free", || TcpListener::bind(setup.addr()).is_ok());
        let log = std::fs::read_to_string(setup.path(error_log)).unwrap();
        assert!(log.contains("serving") && log.contains("stopping"), "{log}");
    }
}

#[test]
fn a_daemon_that_can_not_start_says_so_to_its_launcher() {
    if !is_root("daemon fault") {
        return;
    }
    let setup = Setup::new().setting("server.daemonize", "1");
    let _taken = TcpListener::bind(setup.addr()).unwrap();
    let (code, log) = setup.start().end();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains(&setup.addr().to_string()), "{log}");
    assert!(!setup.path("server.pid").exists());
}
