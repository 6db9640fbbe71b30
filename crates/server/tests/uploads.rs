//! Uploads as people deploy them: the server as root in a chroot, a handler in Python outside it.
//!
//! `LURCHER_PYTHON` names the interpreter. Without root or pyzmq the test is skipped, or fails if
//! `CI` is set.

#![cfg(test)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use store::Cell;
use store::rows::{HandlerRow, HostRow, RouteRow, Rows, ServerRow};

const UUID: &str = "82209006-86FF-4982-B5EA-D1E29E55D481";
const PATIENCE: Duration = Duration::from_secs(30);
/// Who owns the chroot, and so who the server becomes.
const OWNER: u32 = 65534;

/// A process that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Starts `command`; gives its first line of output too.
fn start(command: &mut Command) -> (Running, String) {
    let mut child = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(!line.is_empty(), "{command:?} said nothing");
    (child, line)
}

fn text(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

fn configuration(chroot: &Path, [send, recv, control]: [u16; 3]) -> Rows {
    let settings = [
        ("limits.content_length", "1000"),
        ("server.daemonize", "0"),
        ("upload.digest", "sha256"),
        ("upload.temp_store", "/uploads/lurcher.XXXXXX"),
    ];
    let tcp = |port| format!("tcp://127.0.0.1:{port}");
    let mut rows = Rows {
        servers: vec![ServerRow {
            id: 1,
            uuid: text(UUID),
            access_log: text("/logs/access.log"),
            error_log: text("/logs/error.log"),
            chroot: text(chroot.to_str().unwrap()),
            pid_file: text("/run/server.pid"),
            control_port: text(tcp(control)),
            default_host: text("localhost"),
            name: text("uploads"),
            bind_addr: text("127.0.0.1"),
            port: Cell::Integer(1),
            use_ssl: Cell::Integer(0),
        }],
        hosts: vec![HostRow::named(1, "localhost")],
        routes: vec![RouteRow::to(1, "/", 1, ("handler", 1))],
        handlers: vec![HandlerRow::json(1, UUID, &tcp(send), &tcp(recv))],
        ..Rows::default()
    };
    for (key, value) in settings {
        rows.set(key, value);
    }
    rows
}

fn ports() -> [u16; 3] {
    let held = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

fn python() -> Option<String> {
    let python = std::env::var("LURCHER_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has_zmq = Command::new(&python).args(["-c", "import zmq"]).output();
    has_zmq.is_ok_and(|output| output.status.success()).then_some(python)
}

fn serve(database: &Path) -> (Running, SocketAddr) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_server"));
    let (server, line) = start(command.arg(database).args([UUID, "--listen", "127.0.0.1:0"]));
    let addr = line.split("http://").nth(1).and_then(|rest| rest.split(';').next());
    (server, addr.unwrap_or_else(|| panic!("{line}")).parse().unwrap())
}

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn begin(addr: SocketAddr, path: &str, length: usize, sent: usize) -> TcpStream {
    let mut stream = connect(addr);
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&vec![b'u'; sent]).unwrap();
    stream
}

/// What the handler says of a whole upload: name, owner, mode, whether size and digest agree.
fn upload(addr: SocketAddr, path: &str, length: usize) -> [String; 4] {
    let mut stream = begin(addr, path, length, length);
    let mut reply = Vec::new();
    let mut buffer = [0; 4096];
    while !reply.ends_with(b"True") && !reply.ends_with(b"False") {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "{}", reply.escape_ascii());
        reply.extend_from_slice(&buffer[..count]);
    }
    let reply = String::from_utf8(reply).unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{reply}");
    let words: Vec<String> = body.split(' ').map(str::to_owned).collect();
    words.try_into().unwrap()
}

fn files(chroot: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(chroot.join("uploads")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.')).collect()
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let since = Instant::now();
    while !condition() {
        assert!(since.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_handler_outside_the_chroot_gets_its_file_and_a_kill_leaves_none_behind() {
    let python = python().filter(|_| rustix::process::geteuid().is_root());
    let Some(python) = python else {
        assert!(std::env::var_os("CI").is_none(), "needs root and pyzmq");
        eprintln!("needs root and pyzmq: skipped");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).unwrap();
    let chroot = folder.path().join("chroot");
    for path in ["", "uploads", "logs", "run"].map(|name| chroot.join(name)) {
        std::fs::create_dir(&path).unwrap();
        chown(&path, Some(OWNER), Some(OWNER)).unwrap();
    }
    let ports = ports();
    let database = folder.path().join("config.sqlite");
    store::replace(&database, &configuration(&chroot, ports), None).unwrap();

    let (mut server, addr) = serve(&database);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/upload_handler.py");
    let [send, recv, _] = ports.map(|port| format!("tcp://127.0.0.1:{port}"));
    let (handler, _) = start(Command::new(&python).args([script, &send, &recv]).arg(&chroot));

    let [name, owner, mode, whole] = upload(addr, "/", 3_000_000);
    assert!(name.starts_with("/uploads/lurcher.") && name.len() == 23, "{name}");
    assert_eq!((&*owner, &*mode, &*whole), ("65534", "600", "True"));
    assert!(files(&chroot).is_empty(), "the handler has deleted it");
    let [kept, ..] = upload(addr, "/keep", 2000);

    let unfinished = begin(addr, "/", 3_000_000, 2_000_000);
    until("a file", || files(&chroot).len() == 2);
    server.0.kill().unwrap();
    server.0.wait().unwrap();
    drop((unfinished, handler));
    assert_eq!(files(&chroot).len(), 2, "a killed server cleans nothing up");

    let somebody_elses = chroot.join("uploads/lurcher.another");
    std::fs::write(&somebody_elses, "x").unwrap();
    let (_server, addr) = serve(&database);
    let kept = chroot.join(kept.trim_start_matches('/'));
    let mut left = files(&chroot);
    left.sort();
    let mut expected = [kept.clone(), somebody_elses];
    expected.sort();
    assert_eq!(left, expected);
    assert_eq!(std::fs::metadata(kept).unwrap().uid(), OWNER);
    drop(connect(addr));
}
