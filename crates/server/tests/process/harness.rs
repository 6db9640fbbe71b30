//! Runs `server` as a process, with deadlines on everything it is waited for.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use store::Cell;
use store::rows::{DirectoryRow, HandlerRow, HostRow, RouteRow, Rows, ServerRow};
use tempfile::TempDir;

/// How long anything may take. Generous: machines are slow and shared.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const UUID: &str = "f400bf85-4538-4f7a-8908-67e313d515c2";

/// A folder with a database whose one server serves that folder's `www`.
pub(crate) struct Setup {
    pub(crate) folder: TempDir,
    pub(crate) port: u16,
    rows: Rows,
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

impl Setup {
    /// In the foreground and outside any chroot, whoever runs it.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("www")).unwrap();
        std::fs::write(folder.path().join("www/f"), "content").unwrap();
        // Free a moment ago; the program can't be told to take any.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let here = folder.path().to_str().unwrap().to_owned();
        let mut rows = Rows::default();
        rows.servers.push(ServerRow {
            id: 1,
            uuid: text(UUID),
            access_log: text(&format!("{here}/access.log")),
            error_log: text(&format!("{here}/error.log")),
            chroot: text(""),
            pid_file: text(&format!("{here}/server.pid")),
            control_port: text(&format!("ipc://{here}/control")),
            default_host: text("localhost"),
            name: text("the one"),
            bind_addr: text("127.0.0.1"),
            port: Cell::Integer(i64::from(port)),
            use_ssl: Cell::Integer(0),
        });
        rows.hosts.push(HostRow::named(1, "localhost"));
        let setup = Self { folder, port, rows };
        setup.route("/", &format!("{here}/www/")).setting("server.daemonize", "0")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// A route to a directory.
    pub(crate) fn route(mut self, path: &str, base: &str) -> Self {
        let id = self.rows.directories.len() as i64 + 1;
        self.rows.directories.push(DirectoryRow {
            id,
            base: text(base),
            index_file: text("index.html"),
            default_ctype: text("text/plain"),
            cache_ttl: Cell::Integer(0),
        });
        self.to(path, id, "dir")
    }

    /// A route to a handler with these sockets.
    pub(crate) fn handler(mut self, path: &str, send_spec: &str, recv_spec: &str) -> Self {
        let id = self.rows.handlers.len() as i64 + 1;
        self.rows.handlers.push(HandlerRow::json(id, "server", send_spec, recv_spec));
        self.to(path, id, "handler")
    }

    pub(crate) fn setting(mut self, key: &str, value: &str) -> Self {
        self.rows.settings.retain(|row| row.key != text(key));
        self.rows.set(key, value);
        self
    }

    pub(crate) fn rows(mut self, change: impl FnOnce(&mut Rows)) -> Self {
        change(&mut self.rows);
        self
    }

    fn to(mut self, path: &str, target_id: i64, target_type: &str) -> Self {
        let id = self.rows.routes.len() as i64 + 1;
        self.rows.routes.push(RouteRow::to(id, path, 1, (target_type, target_id)));
        self
    }

    pub(crate) fn database(&self) -> PathBuf {
        let path = self.path("config.sqlite");
        store::replace(&path, &self.rows, None).unwrap();
        path
    }

    /// Starts the program on this configuration.
    pub(crate) fn start(&self) -> Program {
        Program::start(&[self.database().to_str().unwrap(), UUID])
    }

    /// Starts it, waits until it serves, and gives the line it says then.
    pub(crate) fn serve(&self) -> (Program, String) {
        let program = self.start();
        let ready = program.says();
        (program, ready)
    }
}

/// A running program; killed when dropped.
pub(crate) struct Program {
    pid: i32,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    ended: Receiver<Option<i32>>,
}

impl Program {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::run(env!("CARGO_BIN_EXE_server"), arguments)
    }

    pub(crate) fn run(program: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .env("LURCHER_LOG", "info")
            .spawn()
            .unwrap();
        let stdout = lines(child.stdout.take().unwrap());
        let stderr = lines(child.stderr.take().unwrap());
        let pid = i32::try_from(child.id()).unwrap();
        let (tell, ended) = channel();
        std::thread::spawn(move || tell.send(child.wait().unwrap().code()));
        Self { pid, stdout, stderr, ended }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// The next line on its standard output.
    pub(crate) fn says(&self) -> String {
        self.stdout.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            let log: Vec<String> = self.stderr.try_iter().collect();
            panic!("said nothing, but logged {log:?}")
        })
    }

    /// Waits for a line on its standard error that holds `part`.
    pub(crate) fn logs(&self, part: &str) -> String {
        let mut seen = Vec::new();
        loop {
            match self.stderr.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => seen.push(line),
                Err(_) => panic!("{part:?} was not logged, but {seen:#?}"),
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid, signal);
    }

    /// Its exit code, and what it logged that was not yet asked for.
    pub(crate) fn end(self) -> (Option<i32>, String) {
        let code = self.ended.recv_timeout(PATIENCE).expect("it does not end");
        let mut log = Vec::new();
        loop {
            match self.stderr.recv_timeout(PATIENCE) {
                Ok(line) => log.push(line),
                Err(RecvTimeoutError::Disconnected) => return (code, log.join("\n")),
                Err(RecvTimeoutError::Timeout) => panic!("standard error stays open: {log:?}"),
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.ended.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            kill(self.pid, Signal::SIGKILL);
        }
    }
}

pub(crate) use nix::sys::signal::Signal;

pub(crate) fn kill(pid: i32, signal: Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).ok();
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (tell, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            if line.is_err() || tell.send(line.unwrap()).is_err() {
                return;
            }
        }
    });
    lines
}

/// Opens a connection and sends `bytes`.
pub(crate) fn send(addr: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect_timeout(&addr, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

/// Everything until the server closes, which may be with a reset.
pub(crate) fn rest(mut stream: TcpStream) -> String {
    let mut all = Vec::new();
    if let Err(error) = stream.read_to_end(&mut all) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Status and content of a GET.
pub(crate) fn get(addr: SocketAddr, path: &str) -> (String, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let response = rest(send(addr, request.as_bytes()));
    let (head, content) = response.split_once("\r\n\r\n").unwrap();
    (head[9..12].to_owned(), content.to_owned())
}

/// Returns once `condition` holds, for what can only be asked and tells nobody.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

pub(crate) fn pid_in(path: &Path) -> Option<i32> {
    std::fs::read_to_string(path).ok()?.parse().ok()
}
