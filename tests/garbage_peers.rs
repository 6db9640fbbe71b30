//! Who reaches the ports of handlers and is none: cut or ignored, while handlers go on answering and
//! the server's memory stays bounded.

use crate::harness::{
    Habits, HandlerSpec, Load, PATIENCE, Program, SiteBuilder, Sockets, Speaks, free_ports,
    token_handler, until, within,
};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

const HABITS: Habits =
    Habits { clients: 32, pace: Duration::from_millis(20), deadline: PATIENCE, tries: 1 };

/// At once, of each kind, on each port.
const PEERS: usize = 8;

/// Sooner than at the deadline of a handshake, which is 10 s.
const AT_ONCE: Duration = Duration::from_secs(8);

/// On each port; it takes 1024.
const SILENT: usize = 500;

/// What the server's memory may grow by, whoever comes: less than one of the messages.
const GROWTH_BYTES: u64 = 64 << 20;

/// What a peer says: a beginning, then a part over and over until it has said so much.
struct Garbage {
    name: &'static str,
    ports: &'static [Port],
    begins: Vec<u8>,
    goes_on: Vec<u8>,
    bytes: usize,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Port {
    Requests,
    Replies,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The server closes, whether it has been told everything or not.
    Cut,
    /// The same, and it says why.
    Told(&'static str),
    /// The server does not mind, and the peer leaves.
    Leaves,
}

const BOTH: &[Port] = &[Port::Requests, Port::Replies];
const MIB: usize = 1 << 20;

fn greeting(mechanism: &str) -> Vec<u8> {
    let mut greeting = [b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01", mechanism.as_bytes()].concat();
    greeting.resize(64, 0);
    greeting
}

/// A greeting, and a READY command with `properties` behind the socket type.
fn hello(socket_type: &str, properties: &[u8]) -> Vec<u8> {
    let length = u32::try_from(socket_type.len()).unwrap().to_be_bytes();
    let named: [&[u8]; 5] =
        [b"\x05READY", b"\x0bSocket-Type", &length, socket_type.as_bytes(), properties];
    let ready = named.concat();
    let length = (ready.len() as u64).to_be_bytes();
    [&greeting("NULL"), &b"\x06"[..], &length, &ready].concat()
}

/// Bytes that a seed determines (xorshift64*).
fn random(mut seed: u64) -> Vec<u8> {
    let mut byte = || {
        seed ^= seed >> 12;
        seed ^= seed << 25;
        seed ^= seed >> 27;
        (seed.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8
    };
    (0..4096).map(|_| byte()).collect()
}

/// The header of a long frame.
fn frame(flags: u8, length: u64) -> Vec<u8> {
    [&[flags | 2], &length.to_be_bytes()[..]].concat()
}

/// What ends in the handshake, on whichever port.
fn no_handshake() -> Vec<Garbage> {
    let mechanism =
        |name| Garbage::new(name, BOTH, greeting(name), End::Told("Security mechanism mismatch"));
    let socket_type =
        |name, ports| Garbage::new(name, ports, hello(name, b""), End::Told("Invalid socket type"));
    let ready = |name, ready: Vec<u8>| {
        Garbage::new(name, BOTH, [greeting("NULL"), ready].concat(), End::Cut)
    };
    let property = b"\x0aX-Property\0\0\0\x05value";
    vec![
        Garbage::new("random bytes", BOTH, vec![0], End::Cut).then(random(1), MIB),
        Garbage::new("a browser", BOTH, b"GET / HTTP/1.1\r\n\r\n".to_vec(), End::Cut),
        mechanism("PLAIN"),
        mechanism("CURVE"),
        mechanism("XYZZY"),
        socket_type("PUB", &[Port::Requests]),
        socket_type("PULL", &[Port::Replies]),
        socket_type("XYZZY", BOTH),
        ready("random bytes for READY", Vec::new()).then(random(2), MIB),
        ready("frame headers without end", Vec::new()).then(vec![0xff; 4096], MIB),
        ready("a READY of 2^63 bytes", frame(4, 1 << 63)),
        Garbage::new("10,000 properties", BOTH, hello("PUB", &property.repeat(10_000)), End::Cut),
    ]
}

/// What comes for a reply.
fn no_replies() -> Vec<Garbage> {
    let says = |name, says: &[u8], end| {
        Garbage::new(name, &[Port::Replies], [&hello("PUB", b""), says].concat(), end)
    };
    let part = [frame(1, 1 << 16), vec![b'x'; 1 << 16]].concat();
    let ping = b"\x04\x0a\x04PING\0\0abc".repeat(512);
    vec![
        says("random bytes for a reply", b"", End::Cut).then(random(3), MIB),
        says("2^63 bytes", &frame(0, 1 << 63), End::Cut).then(vec![0; MIB], MIB),
        says("2^64 - 1 bytes", &frame(0, u64::MAX), End::Cut).then(vec![0; MIB], MIB),
        says("100 MiB", &frame(0, 100 << 20), End::Leaves).then(vec![0; MIB], 100 * MIB),
        says("a message in parts without end", b"", End::Leaves).then(part, 100 * MIB),
        says("a frame that goes no further", &frame(0, 64 << 20), End::Leaves)
            .then(vec![0; MIB], MIB),
        says("empty messages", b"", End::Leaves).then(b"\0\0".repeat(4096), MIB / 4),
        says("PINGs whose PONGs it does not read", b"", End::Leaves).then(ping, 4 * MIB),
    ]
}

impl Garbage {
    fn new(name: &'static str, ports: &'static [Port], begins: Vec<u8>, end: End) -> Self {
        Self { name, ports, begins, goes_on: Vec::new(), bytes: 0, end }
    }

    /// Then a part over and over, until it has said so much more.
    fn then(self, goes_on: Vec<u8>, bytes: usize) -> Self {
        Self { goes_on, bytes, ..self }
    }

    /// One peer, to its end.
    async fn is_said(&self, addr: SocketAddr, port: Port) {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let (mut read, mut write) = stream.split();
        let say = async {
            write.write_all(&self.begins).await?;
            let mut left = self.bytes;
            while left > 0 {
                let part = &self.goes_on[..self.goes_on.len().min(left)];
                write.write_all(part).await?;
                left -= part.len();
            }
            std::io::Result::Ok(())
        };
        let mut heard = Vec::new();
        if self.end == End::Leaves {
            let said = within(say).await;
            return said.unwrap_or_else(|error| panic!("{}, {port:?}: {error}", self.name));
        }
        // Cut before it has said everything, or without having been read: both are resets.
        let end = async { tokio::join!(say, read.read_to_end(&mut heard)) };
        let in_time = timeout(AT_ONCE, end).await;
        assert!(in_time.is_ok(), "{}, {port:?}: it is still connected", self.name);
        if let End::Told(why) = self.end {
            let shown = heard.escape_ascii();
            assert!(heard.ends_with(why.as_bytes()), "{}, {port:?}: {shown}", self.name);
        }
    }
}

/// The server, with handlers at work.
struct Scene {
    server: Program,
    addr: SocketAddr,
    requests: SocketAddr,
    replies: SocketAddr,
    _handlers: [Program; 2],
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [port] = free_ports();
        let spec = HandlerSpec::over_tcp();
        let site = SiteBuilder::new().handler_with("/", &spec);
        let server = Program::serving(site, folder.path(), port).await;
        let addr = |spec: &str| spec.strip_prefix("tcp://").unwrap().parse().unwrap();
        let (requests, replies) = (addr(&spec.send_spec), addr(&spec.recv_spec));
        let (send_spec, recv_spec) = (spec.send_spec, spec.recv_spec);
        let sockets = [Sockets { sender: "good".to_owned(), send_spec, recv_spec }];
        let mut handlers = [(); 2].map(|()| token_handler(Speaks::Sdk, &sockets));
        for handler in &mut handlers {
            handler.says("ready").await;
        }
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        Self { server, addr, requests, replies, _handlers: handlers, _folder: folder }
    }

    fn port(&self, port: Port) -> SocketAddr {
        match port {
            Port::Requests => self.requests,
            Port::Replies => self.replies,
        }
    }

    /// Connections that say this much and no more.
    async fn silent(&self, says: &[u8], count: usize) -> Vec<TcpStream> {
        let mut silent = Vec::new();
        for addr in [self.requests, self.replies] {
            for _ in 0..count {
                let mut stream = within(TcpStream::connect(addr)).await.unwrap();
                within(stream.write_all(says)).await.unwrap();
                silent.push(stream);
            }
        }
        silent
    }
}

async fn goes_on(load: &Load) {
    let ended = load.ended();
    until(|| load.ended() > ended + 2 * HABITS.clients).await;
}

/// This process holds the other ends of them all.
fn may_open(count: usize) {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let wanted = soft.max(hard.min(count as u64));
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_go_on_whoever_else_connects() {
    may_open(1 << 14);
    let scene = Scene::start().await;
    let load = Load::start(scene.addr, HABITS);
    goes_on(&load).await;
    let [before, _] = scene.server.memory();
    let mut silent = scene.silent(b"", SILENT).await;
    for says in
        [&b"\xff"[..], &greeting("NULL")[..20], &greeting("NULL"), &hello("PULL", b"")[..90]]
    {
        silent.extend(scene.silent(says, PEERS).await);
    }
    for garbage in no_handshake().into_iter().chain(no_replies()) {
        let mut peers = JoinSet::new();
        let garbage = Arc::new(garbage);
        for &port in garbage.ports {
            for _ in 0..PEERS {
                let (garbage, addr) = (Arc::clone(&garbage), scene.port(port));
                peers.spawn(async move { garbage.is_said(addr, port).await });
            }
        }
        peers.join_all().await;
        goes_on(&load).await;
    }
    // The deadline of a handshake.
    for mut stream in silent {
        within(stream.read_to_end(&mut Vec::new())).await.ok();
    }
    goes_on(&load).await;
    let [after, peak] = scene.server.memory();
    let counts = load.stop().await;
    println!("memory: {before} bytes, at most {peak}, then {after}\n{counts}");
    let all = counts.of(&["GET", "PUT", "POST"]);
    assert_eq!(all.answered(200), all.total(), "{counts}");
    assert!(peak < before + GROWTH_BYTES, "{before} bytes of memory have become {peak}");
}
