//! A whole server in this process, with what it needs around it.

mod client;
mod handler;
mod site;

pub(crate) use client::{Client, Reply};
pub(crate) use handler::Handler;
pub(crate) use site::{HandlerSpec, SiteBuilder};

use server::{Boot, Server};
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// How long anything in a test may take. Generous: machines are slow and shared.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

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
        site.write(folder.path());
        let boot = Boot {
            database: folder.path().join("config.sqlite"),
            uuid: UUID.to_owned(),
            listen: Some("127.0.0.1:0".parse().unwrap()),
            inside_chroot: false,
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
        let spec = HandlerSpec::named(name).within(self.folder());
        Handler::connect(&spec).await
    }

    /// Puts another site into the database and reloads.
    pub(crate) async fn reload(&self, site: &SiteBuilder) -> Result<(), String> {
        site.write(self.folder());
        self.server.reload().await.map_err(|fault| server::error::chain(&fault))
    }

    /// What stands in the access log once the server has stopped.
    pub(crate) async fn stop(self) -> Vec<Vec<String>> {
        within(self.server.stop()).await;
        let log = std::fs::read(self.folder.path().join("access.log")).unwrap_or_default();
        log.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(fields).collect()
    }
}

/// The result, or a failed test when it takes too long.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("took longer than {PATIENCE:?}"),
    }
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
