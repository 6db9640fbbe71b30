//! Endpoints on real sockets, with peers that are written byte by byte.

mod pressed;

use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;

use super::*;
use crate::{Departure, Frame, Heartbeat, Local, Peer, PeerInfo, Security, SocketType};

/// What a test hears of an endpoint.
#[derive(Debug, PartialEq)]
enum Heard {
    Joined(PeerInfo),
    Frames(Vec<Frame>),
    Stalled(usize),
    Left(usize, String),
}

#[derive(Debug)]
struct Recorder {
    heard: mpsc::UnboundedSender<Heard>,
    supply: Mutex<Vec<Frame>>,
    peer: Mutex<Option<Arc<Peer>>>,
}

impl Recorder {
    fn hear(&self, heard: Heard) {
        // A test may end while peers still leave.
        self.heard.send(heard).ok();
    }

    fn send(&self, frames: impl IntoIterator<Item = Frame>) {
        self.supply.lock().unwrap().extend(frames);
        if let Some(peer) = &*self.peer.lock().unwrap() {
            peer.wake();
        }
    }
}

impl Traffic for Recorder {
    fn joined(&self, peer: &Arc<Peer>) {
        *self.peer.lock().unwrap() = Some(Arc::clone(peer));
        self.hear(Heard::Joined(peer.info().clone()));
    }

    fn received(&self, _peer: &Peer, frames: &mut Vec<Frame>) {
        self.hear(Heard::Frames(std::mem::take(frames)));
    }

    fn supply(&self, _peer: &Peer, frames: &mut Vec<Frame>) {
        frames.append(&mut self.supply.lock().unwrap());
    }

    fn can_take_back(&self) -> bool {
        true
    }

    fn stalled(&self, _peer: &Peer, kept: usize) {
        self.hear(Heard::Stalled(kept));
    }

    fn left(&self, _peer: &Peer, written: usize, why: &Departure) {
        self.hear(Heard::Left(written, format!("{why:?}")));
    }
}

fn options(socket: SocketType) -> Options {
    Options {
        local: Local {
            socket,
            identity: Bytes::new(),
            security: Security::Null,
            subscription: Bytes::new(),
            message_bytes_max: 1 << 20,
        },
        peers_max: 16,
        handshakes_max: 16,
        handshake_timeout: Duration::from_secs(5),
        heartbeat: None,
        linger: Duration::from_millis(200),
        ipc_mode: None,
    }
}

struct Bound {
    endpoint: Endpoint,
    recorder: Arc<Recorder>,
    heard: mpsc::UnboundedReceiver<Heard>,
}

async fn bound(spec: &str, options: Options) -> Bound {
    let (heard_in, heard) = mpsc::unbounded_channel();
    let recorder = Recorder { heard: heard_in, supply: Mutex::default(), peer: Mutex::default() };
    let recorder = Arc::new(recorder);
    let traffic: Arc<dyn Traffic> = Arc::<Recorder>::clone(&recorder);
    let endpoint = Endpoint::bind(&spec.parse().unwrap(), options, traffic).await.unwrap();
    Bound { endpoint, recorder, heard }
}

impl Bound {
    async fn next(&mut self) -> Heard {
        within(self.heard.recv()).await.unwrap()
    }

    async fn dial(&self) -> TcpStream {
        let address = self.endpoint.bound().to_string();
        TcpStream::connect(address.strip_prefix("tcp://").unwrap()).await.unwrap()
    }

    /// A peer that has done its handshake.
    async fn peer(&mut self, minor: u8, socket: &str) -> TcpStream {
        let mut stream = self.dial().await;
        stream.write_all(&hello(minor, socket)).await.unwrap();
        read_to(&mut stream, b"READY").await;
        assert!(matches!(self.next().await, Heard::Joined(_)));
        stream
    }
}

async fn within<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(10), future).await.expect("in time")
}

fn hello(minor: u8, socket: &str) -> Vec<u8> {
    let mut bytes = b"\xff\0\0\0\0\0\0\0\0\x7f\x03".to_vec();
    bytes.push(minor);
    bytes.extend_from_slice(b"NULL");
    bytes.resize(64, 0);
    bytes.extend_from_slice(&[4, 22 + socket.len() as u8]);
    bytes.extend_from_slice(b"\x05READY\x0bSocket-Type\0\0\0");
    bytes.push(socket.len() as u8);
    bytes.extend_from_slice(socket.as_bytes());
    bytes
}

/// Reads until `end` has come, and what came with it.
async fn read_to(stream: &mut (impl AsyncReadExt + Unpin), end: &[u8]) -> Vec<u8> {
    let mut got = Vec::new();
    while !got.windows(end.len()).any(|window| window == end) {
        let read = within(stream.read_buf(&mut got)).await.unwrap();
        assert!(read > 0, "ended after {}", got.escape_ascii());
    }
    got
}

async fn read_end(stream: &mut (impl AsyncReadExt + Unpin)) -> Vec<u8> {
    let mut got = Vec::new();
    // What we sent and was never read makes the end a reset.
    within(stream.read_to_end(&mut got)).await.ok();
    got
}

#[tokio::test]
async fn versions_3_1_3_0_and_2_0_take_requests() {
    for (greeting, version) in [
        (hello(1, "PULL"), (3, 1)),
        (hello(0, "PULL"), (3, 0)),
        (b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x07\0\0".to_vec(), (2, 0)),
    ] {
        let mut bound = bound("tcp://127.0.0.1:*", options(SocketType::Push)).await;
        let mut stream = bound.dial().await;
        stream.write_all(&greeting).await.unwrap();
        match bound.next().await {
            Heard::Joined(info) => assert_eq!(info.version, version),
            other => panic!("{other:?}"),
        }
        bound.recorder.send([Frame::last("hello".into()), Frame::last("again".into())]);
        read_to(&mut stream, b"\0\x05hello\0\x05again").await;
        drop(stream);
        assert_eq!(bound.next().await, Heard::Left(0, "Closed".into()));
    }
}

#[tokio::test]
async fn a_version_2_peer_that_waits_for_our_type_gets_it() {
    let mut bound = bound("tcp://127.0.0.1:*", options(SocketType::Sub)).await;
    let mut stream = bound.dial().await;
    let mut signature = [0; 10];
    within(stream.read_exact(&mut signature)).await.unwrap();
    stream.write_all(b"\xff\0\0\0\0\0\0\0\x01\x7f").await.unwrap();
    assert_eq!(within(stream.read_u8()).await.unwrap(), 3);
    stream.write_all(b"\x01\x01").await.unwrap();
    let mut type_and_identity = [0; 3];
    within(stream.read_exact(&mut type_and_identity)).await.unwrap();
    assert_eq!(&type_and_identity, b"\x02\0\0");
    stream.write_all(b"\0\0").await.unwrap();
    read_to(&mut stream, b"\0\x01\x01").await;
    stream.write_all(b"\0\x05reply").await.unwrap();
    assert!(matches!(bound.next().await, Heard::Joined(_)));
    assert_eq!(bound.next().await, Heard::Frames(vec![Frame::last("reply".into())]));
}

#[tokio::test]
async fn garbage_is_cut_and_others_go_on() {
    let mut options = options(SocketType::Sub);
    options.handshake_timeout = Duration::from_millis(300);
    let mut bound = bound("tcp://127.0.0.1:*", options).await;
    let mut good = bound.peer(1, "PUB").await;
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"", b"\xff\0\0", &hello(1, "PULL")] {
        let mut stream = bound.dial().await;
        stream.write_all(garbage).await.unwrap();
        let end = read_end(&mut stream).await;
        assert_eq!(end.windows(5).any(|w| w == b"ERROR"), garbage.len() > 60);
    }
    good.write_all(b"\0\x02hi").await.unwrap();
    assert_eq!(bound.next().await, Heard::Frames(vec![Frame::last("hi".into())]));
    let oversized = b"\0\x02ok\x02\0\0\0\0\0\x10\0\x01";
    good.write_all(oversized).await.unwrap();
    assert_eq!(bound.next().await, Heard::Frames(vec![Frame::last("ok".into())]));
    let size = (1 << 20) + 1;
    let why = format!("Protocol(TooLarge {{ size: {size}, max: {} }})", 1 << 20);
    assert_eq!(bound.next().await, Heard::Left(0, why));
}

#[tokio::test]
async fn large_frames_arrive_whole() {
    let mut bound = bound("tcp://127.0.0.1:*", options(SocketType::Sub)).await;
    let mut stream = bound.peer(1, "PUB").await;
    let body: Vec<u8> = (0..1 << 20).map(|i: u32| i as u8).collect();
    stream.write_all(b"\x02\0\0\0\0\0\x10\0\0").await.unwrap();
    stream.write_all(&body).await.unwrap();
    stream.write_all(b"\0\x01x").await.unwrap();
    let mut got = Vec::new();
    while got.len() < 2 {
        match bound.next().await {
            Heard::Frames(frames) => got.extend(frames.into_iter().map(|frame| frame.payload)),
            other => panic!("{other:?}"),
        }
    }
    assert!(got[0] == body);
    assert_eq!(got[1], "x");
}

#[tokio::test]
async fn a_ping_is_answered_and_its_ttl_kept() {
    let mut bound = bound("tcp://127.0.0.1:*", options(SocketType::Push)).await;
    let mut stream = bound.peer(1, "PULL").await;
    stream.write_all(b"\x04\x09\x04PING\0\x01hi").await.unwrap();
    read_to(&mut stream, b"\x04\x07\x04PONGhi").await;
    assert_eq!(bound.next().await, Heard::Left(0, "Silent".into()));
}

#[tokio::test]
async fn a_silent_peer_is_cut_if_it_is_known_to_answer() {
    let mut options = options(SocketType::Push);
    let beat = Duration::from_millis(50);
    options.heartbeat = Some(Heartbeat { interval: beat, timeout: 4 * beat });
    let ping = b"\x04\x07\x04PING\0\0";
    let mut bound = bound("tcp://127.0.0.1:*", options).await;
    let mut old = bound.peer(0, "PULL").await;
    let dial = async |bound: &mut Bound| {
        let mut stream = bound.dial().await;
        stream.write_all(&hello(1, "PULL")).await.unwrap();
        read_to(&mut stream, ping).await;
        assert!(matches!(bound.next().await, Heard::Joined(_)));
        stream
    };
    let mut ignorant = dial(&mut bound).await;
    let mut mute = dial(&mut bound).await;
    mute.write_all(b"\x04\x05\x04PONG").await.unwrap();
    read_to(&mut mute, ping).await;
    assert_eq!(bound.next().await, Heard::Left(0, "Silent".into()));
    assert_eq!(read_end(&mut mute).await, b"");
    for (stream, why) in [
        (&mut old, "a 3.0 peer is not sent PING"),
        (&mut ignorant, "who has not answered one gets no other, and stays"),
    ] {
        let nothing = timeout(Duration::from_millis(1), stream.read_u8()).await;
        assert!(nothing.is_err(), "{why}");
    }
    bound.endpoint.set_heartbeat(None);
    let mut unasked = bound.peer(1, "PULL").await;
    let nothing = timeout(2 * beat, unasked.read_u8()).await;
    assert!(nothing.is_err(), "it is off");
}

#[tokio::test]
async fn a_peer_that_does_not_read_keeps_one_frame() {
    let mut bound = bound("tcp://127.0.0.1:*", options(SocketType::Push)).await;
    let stream = bound.peer(1, "PULL").await;
    let body = Bytes::from(vec![7; 1 << 20]);
    bound.recorder.send((0..64).map(|_| Frame::last(body.clone())));
    let Heard::Stalled(kept) = bound.next().await else { panic!("not stalled") };
    assert!((1..64).contains(&kept), "{kept}");
    drop(stream);
    loop {
        match bound.next().await {
            Heard::Stalled(_) => {}
            Heard::Left(written, _) => {
                assert!(written < 64, "{written}");
                break;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn closing_writes_what_is_supplied_and_frees_the_address() {
    let mut bound = bound("tcp://127.0.0.1:*", options(SocketType::Push)).await;
    let mut stream = bound.peer(1, "PULL").await;
    bound.recorder.supply.lock().unwrap().push(Frame::last("last words".into()));
    within(bound.endpoint.close()).await;
    assert!(read_end(&mut stream).await.ends_with(b"last words"));
    assert_eq!(bound.next().await, Heard::Left(0, "Shutdown".into()));
    let spec = bound.endpoint.bound().to_string();
    drop(stream);
    bound_again(&spec).await;
}

async fn bound_again(spec: &str) {
    bound(spec, options(SocketType::Push)).await;
}

#[tokio::test]
async fn no_more_peers_than_allowed() {
    let mut options = options(SocketType::Push);
    options.peers_max = 1;
    let mut bound = bound("tcp://127.0.0.1:*", options).await;
    let first = bound.peer(1, "PULL").await;
    let mut second = bound.dial().await;
    second.write_all(&hello(1, "PULL")).await.unwrap();
    let waits = timeout(Duration::from_millis(50), second.read_u8()).await;
    assert!(waits.is_err(), "the second one is not served yet");
    drop(first);
    assert_eq!(bound.next().await, Heard::Left(0, "Closed".into()));
    read_to(&mut second, b"READY").await;
}

#[tokio::test]
async fn socket_files_are_made_replaced_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sock");
    let spec = format!("ipc://{}", path.display());
    let address: Spec = spec.parse().unwrap();
    let mut options = options(SocketType::Push);
    options.ipc_mode = Some(0o600);

    // A stale file of a process that died: the listener is gone, its file is not.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let first = bound(&spec, options.clone()).await;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream.write_all(&hello(1, "PULL")).await.unwrap();
    read_to(&mut stream, b"READY").await;

    let traffic: Arc<dyn Traffic> = Arc::<Recorder>::clone(&first.recorder);
    let again = Endpoint::bind(&address, options.clone(), Arc::clone(&traffic)).await;
    assert!(matches!(again, Err(EndpointFault::InUse { .. })), "{again:?}");

    within(first.endpoint.close()).await;
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);

    std::fs::write(&path, "precious").unwrap();
    let no = Endpoint::bind(&address, options.clone(), Arc::clone(&traffic)).await;
    assert!(matches!(no, Err(EndpointFault::NotASocket { .. })), "{no:?}");
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");

    // What another process has put in the file's place is not removed.
    std::fs::remove_file(&path).unwrap();
    let second = bound(&spec, options).await;
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "precious").unwrap();
    within(second.endpoint.close()).await;
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

#[tokio::test]
async fn bind_faults_name_the_cause() {
    let taken = bound("tcp://127.0.0.1:0", options(SocketType::Push)).await;
    let traffic: Arc<dyn Traffic> = Arc::<Recorder>::clone(&taken.recorder);
    for (spec, want) in [
        (taken.endpoint.bound().to_string(), "System { doing: \"listen on it\""),
        ("tcp://no.such.host.invalid:1".into(), "Unresolved"),
        ("ipc:///no/such/dir/x".into(), "System { doing: \"listen on it\""),
    ] {
        let options = options(SocketType::Push);
        let fault = Endpoint::bind(&spec.parse().unwrap(), options, Arc::clone(&traffic)).await;
        let fault = format!("{:?}", fault.unwrap_err());
        assert!(fault.starts_with(want), "{spec}: {fault}");
    }
}

#[tokio::test]
async fn the_handshake_is_timed_from_accept_however_it_dribbles() {
    let mut options = options(SocketType::Push);
    options.handshake_timeout = Duration::from_millis(200);
    let mut bound = bound("tcp://127.0.0.1:*", options).await;
    let mut stream = bound.dial().await;
    let (mut read, mut write) = stream.split();
    let dribble = async {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        for byte in hello(1, "PULL") {
            tick.tick().await;
            if write.write_u8(byte).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = dribble => unreachable!(),
        end = read_end(&mut read) => assert!(!end.windows(5).any(|w| w == b"READY")),
    }
    assert!(bound.heard.try_recv().is_err(), "never joined");
}

/// Supplies one frame at a time.
#[derive(Debug)]
struct Trickle {
    left: Mutex<usize>,
    stalls: Mutex<usize>,
}

impl Traffic for Trickle {
    fn supply(&self, _peer: &Peer, frames: &mut Vec<Frame>) {
        let mut left = self.left.lock().unwrap();
        if let Some(next) = left.checked_sub(1) {
            *left = next;
            frames.push(Frame::last(next.to_string().into()));
        }
    }

    fn can_take_back(&self) -> bool {
        true
    }

    fn stalled(&self, _peer: &Peer, _kept: usize) {
        *self.stalls.lock().unwrap() += 1;
    }
}

#[tokio::test]
async fn a_task_that_has_had_its_turn_is_no_stalled_peer() {
    let trickle = Arc::new(Trickle { left: Mutex::new(300), stalls: Mutex::default() });
    let traffic: Arc<dyn Traffic> = Arc::<Trickle>::clone(&trickle);
    let spec = "tcp://127.0.0.1:*".parse().unwrap();
    let endpoint = Endpoint::bind(&spec, options(SocketType::Push), traffic).await.unwrap();
    let address = endpoint.bound().to_string();
    let mut stream = TcpStream::connect(address.strip_prefix("tcp://").unwrap()).await.unwrap();
    stream.write_all(&hello(1, "PULL")).await.unwrap();
    read_to(&mut stream, b"\0\x010").await;
    assert_eq!(*trickle.stalls.lock().unwrap(), 0);
}

#[tokio::test]
async fn a_changed_limit_holds_for_peers_that_are_there() {
    let mut bound = bound("tcp://127.0.0.1:*", options(SocketType::Sub)).await;
    let mut stream = bound.peer(1, "PUB").await;
    bound.endpoint.set_message_bytes_max(3);
    stream.write_all(b"\0\x03one").await.unwrap();
    assert_eq!(bound.next().await, Heard::Frames(vec![Frame::last("one".into())]));
    stream.write_all(b"\0\x04four").await.unwrap();
    let why = "Protocol(TooLarge { size: 4, max: 3 })";
    assert_eq!(bound.next().await, Heard::Left(0, why.into()));
}

#[tokio::test]
async fn a_dismissed_peer_goes_though_it_does_not_read() {
    let mut bound = bound("tcp://127.0.0.1:*", options(SocketType::Push)).await;
    let _stuck = bound.peer(1, "PULL").await;
    let body = Bytes::from(vec![7; 1 << 20]);
    bound.recorder.send((0..64).map(|_| Frame::last(body.clone())));
    assert!(matches!(bound.next().await, Heard::Stalled(_)));
    let peer = bound.recorder.peer.lock().unwrap().clone().unwrap();
    peer.dismiss();
    loop {
        match bound.next().await {
            Heard::Stalled(_) => {}
            Heard::Left(_, why) => break assert_eq!(why, "Dismissed"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_socket_files_path_may_be_as_long_as_an_address() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().display().to_string();
    for name in ["s".repeat(107 - folder.len() - 1), "s".to_owned()] {
        let path = format!("{folder}/{name}");
        let made = bound(&format!("ipc://{path}"), options(SocketType::Push)).await;
        UnixStream::connect(&path).await.unwrap();
        within(made.endpoint.close()).await;
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}
