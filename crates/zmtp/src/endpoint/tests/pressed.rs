//! Endpoints under pressure: connections that say nothing, peers that never stop, and other orders
//! meanwhile.

use std::io::Write;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::PlainUsers;

#[tokio::test]
async fn those_who_say_nothing_keep_nobody_out() {
    let mut options = options(SocketType::Push);
    options.handshake_timeout = Duration::from_secs(600);
    options.handshakes_max = 4;
    let mut bound = bound("tcp://127.0.0.1:*", options).await;
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(bound.dial().await);
    }
    bound.peer(1, "PULL").await;
    assert_eq!(read_end(&mut silent[0]).await.len(), 10, "no more than our signature");
    within(async {
        while bound.endpoint.refused() < 36 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let newest = timeout(Duration::from_millis(1), read_end(&mut silent[39])).await;
    assert!(newest.is_err(), "there is room for it");
}

#[tokio::test]
async fn the_last_place_may_be_taken_during_a_handshake() {
    let mut options = options(SocketType::Push);
    options.peers_max = 1;
    let mut bound = bound("tcp://127.0.0.1:*", options).await;
    let mut second = bound.dial().await;
    second.write_all(&hello(1, "PULL")[..64]).await.unwrap();
    read_to(&mut second, b"READY").await;
    let _first = bound.peer(1, "PULL").await;
    second.write_all(&hello(1, "PULL")[64..]).await.unwrap();
    read_end(&mut second).await;
    assert_eq!(bound.endpoint.refused(), 1);
    assert!(bound.heard.try_recv().is_err(), "never joined");
}

/// Counts the frames since somebody else had a turn, and takes its time.
#[derive(Debug, Default)]
struct Flooded {
    joined: AtomicBool,
    frames: AtomicUsize,
    most: AtomicUsize,
    left: Mutex<Option<String>>,
}

impl Traffic for Flooded {
    fn received(&self, _peer: &Peer, frames: &mut Vec<Frame>) {
        let before = self.frames.fetch_add(frames.len(), Ordering::Relaxed);
        self.most.fetch_max(before + frames.len(), Ordering::Relaxed);
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_micros(100) {
            std::hint::spin_loop();
        }
    }

    fn joined(&self, _peer: &Arc<Peer>) {
        self.joined.store(true, Ordering::Relaxed);
    }

    fn left(&self, _peer: &Peer, _written: usize, why: &Departure) {
        *self.left.lock().unwrap() = Some(format!("{why:?}"));
    }
}

/// A peer that writes faster than it is read, until it is cut.
async fn flood(spec: &str) -> (Endpoint, Arc<Flooded>) {
    let flooded = Arc::new(Flooded::default());
    let traffic: Arc<dyn Traffic> = Arc::<Flooded>::clone(&flooded);
    let mut options = options(SocketType::Sub);
    options.linger = Duration::from_secs(600);
    let endpoint = Endpoint::bind(&spec.parse().unwrap(), options, traffic).await.unwrap();
    let address = endpoint.bound().to_string();
    std::thread::spawn(move || {
        let address = address.strip_prefix("tcp://").unwrap();
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(&hello(1, "PUB")).unwrap();
        let frames = b"\0\0".repeat(1 << 19);
        while stream.write_all(&frames).is_ok() {}
    });
    (endpoint, flooded)
}

#[tokio::test]
async fn a_flooding_peer_hears_of_other_orders() {
    for close in [false, true] {
        let (endpoint, flooded) = flood("tcp://127.0.0.1:*").await;
        within(async {
            while flooded.frames.load(Ordering::Relaxed) < 100_000 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        if close {
            within(endpoint.close()).await;
        } else {
            endpoint.set_security(Security::Plain(Arc::default()));
        }
        let left = within(async {
            loop {
                if let Some(why) = flooded.left.lock().unwrap().take() {
                    break why;
                }
                tokio::task::yield_now().await;
            }
        });
        assert_eq!(left.await, if close { "Shutdown" } else { "Revoked" });
    }
}

#[tokio::test]
async fn a_flooding_peer_leaves_others_their_turn() {
    let (_endpoint, flooded) = flood("tcp://127.0.0.1:*").await;
    within(async {
        for _ in 0..200 {
            let seen = flooded.frames.swap(0, Ordering::Relaxed);
            tokio::task::yield_now().await;
            while seen == 0 && flooded.frames.load(Ordering::Relaxed) == 0 {
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
    let most = flooded.most.load(Ordering::Relaxed);
    assert!(most <= 4200, "{most} frames in one turn");
}

fn users(list: &str) -> Security {
    Security::Plain(Arc::new(PlainUsers::parse(list.as_bytes()).unwrap()))
}

/// Whether a peer that has sent its password is let in if `then` is asked for meanwhile.
async fn check_handshake(then: Security, joins: bool) {
    let mut options = options(SocketType::Push);
    options.local.security = users("alice:secret\nbob:b");
    let mut bound = bound("tcp://127.0.0.1:*", options).await;
    let mut stream = bound.dial().await;
    let mut greeting = b"\xff\0\0\0\0\0\0\0\0\x7f\x03\x01PLAIN".to_vec();
    greeting.resize(64, 0);
    stream.write_all(&greeting).await.unwrap();
    stream.write_all(b"\x04\x13\x05HELLO\x05alice\x06secret").await.unwrap();
    read_to(&mut stream, b"WELCOME").await;
    bound.endpoint.set_security(then);
    // A connection that is made afterwards has a session of the new security.
    let mut later = bound.dial().await;
    read_to(&mut later, b"\x7f").await;
    stream.write_all(b"\x04\x1d\x08INITIATE\x0bSocket-Type\0\0\0\x04PULL").await.unwrap();
    if joins {
        assert!(matches!(bound.next().await, Heard::Joined(_)));
    } else {
        read_end(&mut stream).await;
        assert_eq!(bound.endpoint.refused(), 1);
        assert!(bound.heard.try_recv().is_err(), "never joined");
    }
}

#[tokio::test]
async fn other_orders_do_not_disturb_a_handshake_that_they_would_let_through() {
    check_handshake(users("alice:secret"), true).await;
    check_handshake(users("alice:other"), false).await;
    check_handshake(users("bob:b"), false).await;
    check_handshake(Security::Null, false).await;
}
