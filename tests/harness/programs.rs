//! Programs of their own around a test: handlers that may be killed at any time, and servers.

use super::{PATIENCE, SiteBuilder, UUID, until_listening};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tokio::sync::mpsc;

/// What runs: ended with its test.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
}

impl Program {
    /// Starts `command`; its lines, on either stream, are read to their end.
    pub(crate) fn start(command: &mut Command) -> Self {
        let spawned =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (said, lines) = mpsc::unbounded_channel();
        listen(child.stdout.take().unwrap(), said.clone());
        listen(child.stderr.take().unwrap(), said);
        Self { child, lines }
    }

    /// Our own server, on `database` in `folder`.
    pub(crate) fn server(folder: &Path, uuid: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_served"));
        Self::start(command.args(["config.sqlite", uuid]).current_dir(folder))
    }

    /// Our own server with `site`, on `port` of 127.0.0.1, once it listens.
    pub(crate) async fn serving(site: SiteBuilder, folder: &Path, port: u16) -> Self {
        site.alone(port).write(folder);
        let server = Self::server(folder, UUID);
        until_listening(SocketAddr::from(([127, 0, 0, 1], port))).await;
        server
    }

    /// What it has in memory now, and has had at most, in bytes (proc(5), VmRSS and VmHWM).
    pub(crate) fn memory(&self) -> [u64; 2] {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        ["VmRSS:", "VmHWM:"].map(|name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
        })
    }

    /// Waits for a line that holds `part`.
    pub(crate) async fn says(&mut self, part: &str) -> String {
        let mut said = Vec::new();
        loop {
            match tokio::time::timeout(PATIENCE, self.lines.recv()).await {
                Ok(Some(line)) if line.contains(part) => return line,
                Ok(Some(line)) => said.push(line),
                Ok(None) | Err(_) => panic!("{part:?} was not said, but {said:#?}"),
            }
        }
    }

    /// Whether a line that holds `part` has been said; lines until then are used up.
    pub(crate) fn has_said(&mut self, part: &str) -> bool {
        std::iter::from_fn(|| self.lines.try_recv().ok()).any(|line| line.contains(part))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn listen(stream: impl Read + Send + 'static, said: mpsc::UnboundedSender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            // Read to its end, so that the program never waits for its log.
            said.send(line).ok();
        }
    });
}

/// Which ZeroMQ a handler speaks through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    Libzmq,
    Sdk,
}

/// The sockets that one server binds for handlers, and what their replies must begin with.
#[derive(Clone, Debug)]
pub(crate) struct Sockets {
    pub(crate) sender: String,
    pub(crate) send_spec: String,
    pub(crate) recv_spec: String,
}

/// A handler of each of these servers that echoes a request's token. It says `ready` once for each.
pub(crate) fn token_handler(speaks: Speaks, servers: &[Sockets]) -> Program {
    let mut command = match speaks {
        Speaks::Libzmq => {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/cluster/echo.py");
            let mut command = Command::new(super::python());
            command.arg(script);
            command
        }
        Speaks::Sdk => Command::new(env!("CARGO_BIN_EXE_token_handler")),
    };
    for Sockets { sender, send_spec, recv_spec } in servers {
        if speaks == Speaks::Sdk {
            command.arg(sender);
        }
        command.args([send_spec, recv_spec]);
    }
    Program::start(&mut command)
}
