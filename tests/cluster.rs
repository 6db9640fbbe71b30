//! The example under `config/cluster` as it stands there: servers that share their handlers, behind
//! HAProxy. Any of them is killed under load.

use crate::harness::{
    Habits, Load, Program, Sockets, Speaks, free_ports, has_pyzmq, is_there, token_handler, until,
    until_listening,
};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const SERVERS: [&str; 3] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];

const HABITS: Habits = Habits {
    clients: 64,
    pace: Duration::from_millis(100),
    // A few tries of a few seconds each.
    deadline: Duration::from_secs(60),
    tries: 1,
};

struct Cluster {
    folder: TempDir,
    servers: Vec<Program>,
    port: u16,
    sockets: Vec<Sockets>,
    web: SocketAddr,
}

fn uuid(number: usize) -> String {
    format!("2b7f0c0e-5a0b-4f0a-9c0e-0f3c6f0e8a1{}", number + 1)
}

/// A file of the example, with other ports.
fn adapted(folder: &Path, name: &str, ports: &[(&str, u16)]) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/cluster").join(name);
    let mut text = std::fs::read_to_string(source).unwrap();
    for (port, free) in ports {
        assert!(text.contains(port), "{name} names no port {port}");
        text = text.replace(port, &free.to_string());
    }
    let adapted = folder.join(name);
    std::fs::write(&adapted, text).unwrap();
    adapted
}

impl Cluster {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [web, port, send, recv] = free_ports();
        let ports = [("6811", port), ("9811", send), ("9812", recv)];
        let config = adapted(folder.path(), "cluster.conf", &ports);
        load(&config, &folder.path().join("config.sqlite"));
        adapted(folder.path(), "haproxy.cfg", &[("8080", web), ("6811", port)]);
        let sockets = SERVERS.iter().enumerate().map(|(number, host)| Sockets {
            sender: uuid(number),
            send_spec: format!("tcp://{host}:{send}"),
            recv_spec: format!("tcp://{host}:{recv}"),
        });
        let sockets = sockets.collect();
        let web = SocketAddr::from(([127, 0, 0, 1], web));
        let mut cluster = Self { folder, servers: Vec::new(), port, sockets, web };
        for number in 0..SERVERS.len() {
            let server = cluster.server(number).await;
            cluster.servers.push(server);
        }
        cluster
    }

    async fn server(&self, number: usize) -> Program {
        let server = Program::server(self.folder.path(), &uuid(number));
        until_listening(format!("{}:{}", SERVERS[number], self.port).parse().unwrap()).await;
        server
    }

    /// One that all servers can be answered by.
    async fn handler(&self, speaks: Speaks) -> Program {
        let mut handler = token_handler(speaks, &self.sockets);
        for _ in SERVERS {
            handler.says("ready").await;
        }
        handler
    }

    async fn haproxy(&self) -> Program {
        let config = self.folder.path().join("haproxy.cfg");
        let haproxy = Program::start(Command::new("haproxy").arg("-db").arg("-f").arg(config));
        until_listening(self.web).await;
        haproxy
    }
}

fn load(config: &Path, database: &Path) {
    let words = ["load".into(), "-config".into(), config.into(), "-db".into(), database.into()];
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut terminal = m2sh::Terminal { out: &mut out, err: &mut err };
    let code =
        m2sh::run(words.into_iter().map(|word: PathBuf| OsString::from(word)), &mut terminal);
    assert_eq!(code, 0, "{}", String::from_utf8_lossy(&err));
}

#[tokio::test]
async fn any_server_and_any_handler_may_be_killed() {
    if !has_pyzmq() || !is_there(Command::new("haproxy").arg("-v"), "haproxy") {
        return;
    }
    let mut cluster = Cluster::start().await;
    let mut handlers = Vec::new();
    for speaks in [Speaks::Libzmq, Speaks::Sdk, Speaks::Libzmq, Speaks::Sdk] {
        handlers.push(cluster.handler(speaks).await);
    }
    let _haproxy = cluster.haproxy().await;
    let load = Load::start(cluster.web, HABITS);
    let go_on = async || {
        let ended = load.ended();
        until(|| load.ended() > ended + 4 * HABITS.clients).await;
    };
    go_on().await;
    for (killed, speaks) in [Speaks::Libzmq, Speaks::Sdk].into_iter().enumerate() {
        drop(std::mem::replace(&mut handlers[killed], cluster.handler(speaks).await));
        go_on().await;
    }
    for killed in 0..SERVERS.len() {
        drop(cluster.servers.remove(killed));
        go_on().await;
        let restarted = cluster.server(killed).await;
        cluster.servers.insert(killed, restarted);
        go_on().await;
    }
    let counts = load.stop().await;
    println!("two handlers and each of three servers killed\n{counts}");
    let (idempotent, once) = (counts.of(&["GET", "PUT"]), counts.of(&["POST"]));
    assert_eq!(idempotent.answered(200), idempotent.total(), "{idempotent}");
    // HAProxy says 502, or nothing if it had used the connection to that server before.
    assert_eq!((once.hung, once.wrong, once.refused), (0, 0, 0), "{once}");
    assert!(once.cut <= SERVERS.len() as u64 * HABITS.clients, "{once}");
    assert!(once.by_status.keys().all(|status| [200, 502, 503, 504].contains(status)), "{once}");
}
