//! A whole server in this process, with what it needs around it.

mod client;
mod handler;
mod load;
mod mongrel2;
mod programs;
mod site;
pub(crate) mod uploads;

pub(crate) use client::Client;
pub(crate) use handler::{Handler, Message, Zmtp, asked, ok};
pub(crate) use load::{Counts, Habits, Load};
pub(crate) use mongrel2::Mongrel2;
pub(crate) use programs::{Program, Sockets, Speaks, token_handler};
pub(crate) use site::{HandlerSpec, SiteBuilder};

use bus::{PeerState, PeerStats};
use server::{Boot, Server};
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything in a test may take. Generous: machines are slow and shared.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Compares what this server does where it differs from Mongrel2 with what stands in
/// `differences/NAME.txt`; `LURCHER_PIN=1` writes that anew.
pub(crate) fn pinned(name: &str, text: &str) {
    let path = format!("{}/differences/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = undated(text);
    if std::env::var_os("LURCHER_PIN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    let differ = text.lines().zip(wanted.lines()).find(|(got, wanted)| got != wanted);
    assert!(text == wanted, "{path} says otherwise, first here (we, it): {differ:#?}");
}

/// Without the dates of responses.
fn undated(text: &str) -> String {
    let mut parts = text.split("Date: ");
    let mut undated = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(['\\', '"']).unwrap_or(part.len());
        undated.push_str("Date: ");
        undated.push_str(&part[end..]);
    }
    undated
}

/// The server's uuid in every test.
pub(crate) const UUID: &str = "82209006-86FF-4982-B5EA-D1E29E55D481";

/// A server on a port of its own, with a folder that goes away with it.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) server: Server,
    folder: TempDir,
}

impl Running {
    /// Starts what `site` describes; `{}` in its paths and specs stands for the test's folder.
    pub(crate) async fn start(site: &SiteBuilder) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::start_in(folder, site, Some("127.0.0.1:0".parse().unwrap())).await
    }

    /// The same, in a folder that holds something already, listening where `site` says unless
    /// `listen` overrides it.
    pub(crate) async fn start_in(
        folder: TempDir,
        site: &SiteBuilder,
        listen: Option<SocketAddr>,
    ) -> Self {
        site.write(folder.path());
        let boot = Boot {
            database: folder.path().join("config.sqlite"),
            uuid: UUID.to_owned(),
            listen,
            held: None,
        };
        let server = match Server::start(boot).await {
            Ok(server) => server,
            Err(fault) => panic!("{}", server::error::chain(&fault)),
        };
        Self { server, folder }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.addr()).await
    }

    /// Connects a handler to the sockets named `name`.
    pub(crate) async fn handler(&self, name: &str) -> Handler {
        self.connect(&HandlerSpec::named(name).within(self.folder())).await
    }

    /// Connects a handler, and returns once it is given requests.
    pub(crate) async fn connect(&self, spec: &HandlerSpec) -> Handler {
        let began = Instant::now();
        let handler = Handler::connect(spec).await;
        let is_in = |peer: &PeerStats| peer.since < began.elapsed() && peer.state != PeerState::New;
        until(|| {
            let live = self.server.live();
            let mut links = live.links().into_iter();
            links.any(|link| link.link().stats().peers.iter().any(is_in))
        })
        .await;
        handler
    }

    /// Returns once only so many connections are open.
    pub(crate) async fn until_open(&self, count: usize) {
        until(|| self.server.registry().len() == count).await;
    }

    /// Returns once so many handlers of the first row take requests.
    pub(crate) async fn until_peers(&self, count: usize) {
        until(|| self.server.live().handler(0).link().peers() == count).await;
    }

    /// Returns once so many requests wait for the first handler row.
    pub(crate) async fn until_waiting(&self, count: usize) {
        until(|| self.server.live().handler(0).link().stats().queued == count).await;
    }

    /// Puts another site into the database and reloads.
    pub(crate) async fn reload(&self, site: &SiteBuilder) -> Result<(), String> {
        site.write(self.folder());
        self.server.reload().await.map_err(|fault| server::error::chain(&fault))
    }

    /// What stands in the access log once the server has stopped.
    pub(crate) async fn stop(self) -> Vec<LogLine> {
        within(self.server.stop()).await;
        let log = std::fs::read(self.folder.path().join("access.log")).unwrap_or_default();
        log.split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(LogLine::read)
            .collect()
    }
}

/// One line of the access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogLine {
    pub(crate) host: String,
    pub(crate) remote: String,
    pub(crate) remote_port: String,
    pub(crate) time: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) version: String,
    pub(crate) status: String,
    pub(crate) sent: String,
    pub(crate) target: String,
    pub(crate) took: String,
    pub(crate) close: String,
}

impl LogLine {
    fn read(line: &[u8]) -> Self {
        let fields: [String; 12] = fields(line).try_into().expect("twelve fields");
        let [host, remote, remote_port, time, method, path, rest @ ..] = fields;
        let [version, status, sent, target, took, close] = rest;
        Self {
            host,
            remote,
            remote_port,
            time,
            method,
            path,
            version,
            status,
            sent,
            target,
            took,
            close,
        }
    }

    /// Path, status and close reason, which is what most tests ask for.
    pub(crate) fn short(&self) -> (&str, &str, &str) {
        (&self.path, &self.status, &self.close)
    }
}

/// The result, or a failed test when it takes too long.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("took longer than {PATIENCE:?}"),
    }
}

/// The interpreter that has pyzmq.
pub(crate) fn python() -> String {
    std::env::var("LURCHER_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// Whether it has; on a build machine it must.
pub(crate) fn has_pyzmq() -> bool {
    is_there(std::process::Command::new(python()).args(["-c", "import zmq"]), "pyzmq")
}

/// Returns once somebody listens there.
pub(crate) async fn until_listening(addr: SocketAddr) {
    let mut again = tokio::time::interval(Duration::from_millis(20));
    within(async {
        while tokio::net::TcpStream::connect(addr).await.is_err() {
            again.tick().await;
        }
    })
    .await;
}

/// Whether a probe succeeds; on a build machine it must.
pub(crate) fn is_there(probe: &mut std::process::Command, name: &str) -> bool {
    let probed = probe.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let is_there = probed.status().is_ok_and(|status| status.success());
    let on_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(is_there || !on_ci, "{name} is missing");
    if !is_there {
        println!("skipped: {name} is missing");
    }
    is_there
}

/// Ports of this machine that were free a moment ago, for what can't be told to take any.
pub(crate) fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    let held = [(); COUNT].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

/// Returns once `condition` holds, for what can only be asked and tells nobody.
pub(crate) async fn until(mut condition: impl FnMut() -> bool) {
    let mut again = tokio::time::interval(Duration::from_millis(2));
    within(async {
        while !condition() {
            again.tick().await;
        }
    })
    .await;
}

fn fields(line: &[u8]) -> Vec<String> {
    use wire::tnetstring::Value;
    let (value, rest) = wire::tnetstring::parse(line).unwrap();
    assert!(rest.is_empty(), "bytes behind a line of the access log: {rest:?}");
    let Value::List(items) = value else { panic!("a line of the access log is a list") };
    let text = |item| match item {
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Integer(number) => number.to_string(),
        other => panic!("{other:?} in the access log"),
    };
    items.into_iter().map(text).collect()
}
