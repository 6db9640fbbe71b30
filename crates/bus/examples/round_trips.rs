//! Measures round trips over a link: `round_trips SEND_SPEC RECV_SPEC IN_FLIGHT SECONDS BYTES PEERS`,
//! with that many echoing PULL/PUB handlers connected to it. `benches/links` has such handlers, and
//! the same over libzmq.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bus::{
    Delivery, Link, LinkEvents, LinkLimits, LinkSpec, Notice, Outgoing, Publisher, Tag, Undelivered,
};
use bytes::Bytes;

/// Sends the next request for each reply, as a server's exchanges do.
struct Load {
    link: OnceLock<Link>,
    body: Bytes,
    next: AtomicU64,
    done: AtomicU64,
}

impl Load {
    fn request(&self) {
        let tag = Tag { conn: self.next.fetch_add(1, Ordering::Relaxed), exchange: 1 };
        let delivery = Delivery::Request { tag, replayable: true };
        if let Some(link) = self.link.get() {
            link.send(Outgoing { message: self.body.clone(), delivery }).expect("room");
        }
    }
}

impl LinkEvents for Load {
    fn message(&self, _from: Publisher, message: Bytes) {
        // A handler's word that it is there.
        if message.len() != self.body.len() {
            return;
        }
        let conn = self.done.fetch_add(1, Ordering::Relaxed);
        if let Some(link) = self.link.get() {
            link.answered(Tag { conn, exchange: 1 });
        }
        self.request();
    }

    fn notice(&self, _notice: Notice) -> Bytes {
        Bytes::new()
    }

    fn undelivered(&self, _tag: Tag, _why: Undelivered) {}
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [send_spec, recv_spec, in_flight, seconds, bytes, peers] = &arguments[..] else {
        panic!("arguments: SEND_SPEC RECV_SPEC IN_FLIGHT SECONDS BYTES PEERS");
    };
    let number = |text: &String| text.parse::<u64>().expect("a number");
    let load = Arc::new(Load {
        link: OnceLock::new(),
        body: Bytes::from(vec![b'x'; number(bytes) as usize]),
        next: AtomicU64::new(0),
        done: AtomicU64::new(0),
    });
    let spec = LinkSpec {
        send_spec: send_spec.clone(),
        send_ident: String::new(),
        recv_spec: recv_spec.clone(),
        recv_ident: String::new(),
    };
    let events: Arc<dyn LinkEvents> = Arc::<Load>::clone(&load);
    let link = Link::bind(spec, LinkLimits::default(), events).await.expect("bound");
    assert!(load.link.set(link.clone()).is_ok());
    let peers = number(peers) as usize;
    while link.stats().publishers.len() < peers || link.peers() < peers {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Subscriptions take a moment to arrive.
    tokio::time::sleep(Duration::from_millis(300)).await;
    for _ in 0..number(in_flight) {
        load.request();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (start, cpu, done) = (Instant::now(), cpu_ticks(), load.done.load(Ordering::Relaxed));
    tokio::time::sleep(Duration::from_secs(number(seconds))).await;
    let done = load.done.load(Ordering::Relaxed) - done;
    let micros = (cpu_ticks() - cpu) as f64 * 10_000.0 / done as f64;
    let rate = done as f64 / start.elapsed().as_secs_f64();
    #[expect(clippy::print_stdout, reason = "a measurement's result")]
    {
        println!("{rate:.0} round trips/s, {micros:.2} us of our CPU each");
    }
}

/// User and system time of this process, in hundredths of a second.
fn cpu_ticks() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields = stat.rsplit(')').next().expect("fields").split_whitespace();
    fields.skip(11).take(2).map(|field| field.parse::<u64>().expect("ticks")).sum()
}
