//! Random clients against the whole connection, in memory and under a paused clock, beside a model
//! of what must come back.
//!
//! Every run is a function of its seed. `LURCHER_SEEDS` says how many are run, `LURCHER_SEED=N`
//! runs one of them.

mod answers;
mod client;
mod script;
mod service;

use crate::connection::Connection;
use crate::listener::Edge;
use crate::peer::Peer;
use crate::registry::Registry;
use crate::socket::{ReadHalf, WriteHalf, memory::Pipe};
use answers::Heard;
use client::{Ends, HANG};
use script::{Last, Script};
use service::Echo;
use std::sync::Arc;

/// How many seeds a plain test run tries.
const SEEDS: u64 = 256;

/// Numbers that are a function of a seed (splitmix64).
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

#[test]
fn what_comes_back_is_what_the_model_says() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    let seeds = match number("LURCHER_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("LURCHER_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        let script = Script::new(&mut Random(seed));
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(seed, &script)));
        if let Err(why) = run.unwrap_or_else(|_| Err("a panic".to_owned())) {
            panic!("LURCHER_SEED={seed}: {why}\n{script:#?}");
        }
    }
}

fn run(seed: u64, script: &Script) -> Result<(), String> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let service = Echo::default();
        let (to_server, to_client) = (Pipe::new(32 << 10), Pipe::new(32 << 10));
        let registry = Arc::new(Registry::default());
        let edge = Edge::new(service, Arc::clone(&registry));
        let entry = registry.enter(-1);
        let address = "127.0.0.1:1".parse().expect("an address");
        let peer = Peer {
            conn: entry.line().conn(),
            remote: address,
            remote_addr: "127.0.0.1".into(),
            local: address,
            tls: false,
        };
        let halves = (ReadHalf::Memory(to_server.clone()), WriteHalf::Memory(to_client.clone()));
        let connection = Connection::new(Arc::clone(&edge), peer, entry, halves);
        let ends = Ends { to_server: &to_server, to_client: &to_client };
        let server = {
            let (to_server, to_client) = (to_server.clone(), to_client.clone());
            tokio::spawn(async move {
                Box::new(connection).run().await;
                // As the kernel does when the last descriptor is closed: what was not read makes
                // it a reset, which may take the answer with it.
                if to_server.is_empty() {
                    to_client.end()
                } else {
                    to_client.break_off()
                }
                to_server.break_off();
            })
        };
        let heard = client::play(script, ends, &mut Random(!seed)).await;
        let server = tokio::time::timeout(HANG, server).await;
        let server = server.map_err(|_| "the connection's task hangs".to_owned())?;
        server.map_err(|error| format!("the connection's task: {error}"))?;
        if !registry.is_empty() {
            return Err("the connection stays in the registry".to_owned());
        }
        check(script, &heard, edge.service())
    })
}

/// The model's answers are what was heard; all of them where the client was there to hear them.
fn check(script: &Script, heard: &Heard, service: &Echo) -> Result<(), String> {
    let expected = &script.expected;
    if let Some(broken) = &heard.broken {
        return Err(format!("{broken} after {:?}", heard.answers));
    }
    for (at, (heard, expected)) in heard.answers.iter().zip(expected).enumerate() {
        if heard != expected {
            return Err(format!("answer {at} is {heard:?}, not {expected:?}"));
        }
    }
    if heard.answers.len() > expected.len() {
        return Err(format!("{:?} was not asked for", &heard.answers[expected.len()..]));
    }
    let hears_all = !matches!(script.last, Last::Reset { .. } | Last::ReadNoMore);
    if hears_all && heard.answers.len() < expected.len() {
        return Err(format!("{:?} did not come", &expected[heard.answers.len()..]));
    }
    if hears_all && heard.is_cut_short {
        return Err("the last answer is not whole".to_owned());
    }
    let reasons = service.reasons();
    if reasons.iter().rev().skip(1).any(Option::is_some) {
        return Err(format!("a connection ends once: {reasons:?}"));
    }
    if let (true, Some(reason)) = (hears_all, script.reason)
        && reasons.last() != Some(&Some(reason))
    {
        return Err(format!("{reasons:?} does not end in {reason:?}"));
    }
    Ok(())
}

/// The bar is 2 KiB for an idle connection; tokio's task, its timer and its place in the poll set
/// take about 500 bytes of it, the registry 50.
#[test]
fn an_idle_connection_is_small() {
    fn future<F: Future>(_: fn(Box<Connection<Echo>>) -> F) -> usize {
        size_of::<F>()
    }
    let parts = [
        ("Connection", size_of::<Connection<Echo>>()),
        ("Connection::run", future(Connection::run)),
        ("Line", size_of::<crate::line::Line>()),
    ];
    let bytes: usize = parts.iter().map(|part| part.1).sum();
    assert!(bytes <= 1400, "{bytes} bytes: {parts:?}");
}
