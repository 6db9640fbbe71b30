//! Handlers that are killed, stopped and restarted at random under load: no client hangs, and no
//! request that may be sent twice is lost.
//!
//! `LURCHER_TORTURE_SECONDS` is how long it goes on (10), `LURCHER_TORTURE_SEED` what is drawn
//! from, `LURCHER_TORTURE_SERVER=mongrel2` has Debian's Mongrel2 in our place, and then only counts.

mod fleet;

use crate::harness::{
    Counts, Habits, HandlerSpec, Load, Mongrel2, Program, SiteBuilder, free_ports, has_pyzmq, until,
};
use fleet::{Dice, Fleet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const HANDLER_TIMEOUT: Duration = Duration::from_secs(2);
const QUEUE_TIMEOUT: Duration = Duration::from_secs(4);
/// Enough for nobody to meet only handlers that are unwell.
const TRIES: u32 = 9;

/// A request may wait for a handler, then for its answer, then for one that may still come from a
/// handler that has left (less than 1 s), each time it is tried; the rest is for a busy machine.
const DEADLINE: Duration = Duration::from_secs(
    (HANDLER_TIMEOUT.as_secs() + QUEUE_TIMEOUT.as_secs() + 1) * TRIES as u64 + 5,
);

const HABITS: Habits =
    Habits { clients: 256, pace: Duration::from_millis(250), deadline: DEADLINE, tries: 1 };

/// Methods that may be tried again, and the one that may not.
const IDEMPOTENT: &[&str] = &["GET", "PUT"];
const ONCE: &[&str] = &["POST"];

/// Which server is tried.
enum Server {
    Ours(#[expect(dead_code, reason = "it runs as long as it is held")] Program),
    Mongrel2(#[expect(dead_code, reason = "it runs as long as it is held")] Mongrel2),
}

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable}={value} is no number")))
}

fn site(handlers: &HandlerSpec) -> SiteBuilder {
    let seconds = |time: Duration| time.as_secs().to_string();
    SiteBuilder::new()
        .handler_with("/", handlers)
        .setting("handler.timeout", &seconds(HANDLER_TIMEOUT))
        .setting("handler.queue_timeout", &seconds(QUEUE_TIMEOUT))
        .setting("handler.retries", &(TRIES - 1).to_string())
}

async fn start(folder: &TempDir, site: SiteBuilder, port: u16) -> Option<Server> {
    if std::env::var("LURCHER_TORTURE_SERVER").is_ok_and(|server| server == "mongrel2") {
        return Mongrel2::start(folder.path(), port, site).await.map(Server::Mongrel2);
    }
    Some(Server::Ours(Program::serving(site, folder.path(), port).await))
}

#[tokio::test]
async fn no_request_is_lost_and_no_client_hangs() {
    if !has_pyzmq() {
        return;
    }
    let lasts = Duration::from_secs(number("LURCHER_TORTURE_SECONDS").unwrap_or(10));
    let seed = number("LURCHER_TORTURE_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let folder = tempfile::tempdir().unwrap();
    let [port] = free_ports();
    let handlers = HandlerSpec::over_tcp();
    let Some(server) = start(&folder, site(&handlers), port).await else { return };
    let mut fleet = Fleet::start(&handlers).await;
    let load = Load::start(SocketAddr::from(([127, 0, 0, 1], port)), HABITS);
    let mut dice = Dice::new(seed);
    let mut turns = tokio::time::interval(Duration::from_millis(50));
    let end = Instant::now() + lasts;
    while Instant::now() < end {
        turns.tick().await;
        fleet.step(&mut dice);
    }
    fleet.mend().await;
    if matches!(server, Server::Ours(_)) {
        let ended = load.ended();
        until(|| load.ended() > ended + 2 * HABITS.clients).await;
    }
    let tortured = load.stop().await;
    println!("seed {seed}, {lasts:?}, {}\n{tortured}", fleet.deeds());
    if matches!(server, Server::Ours(_)) {
        check(&tortured);
        all_away(fleet, port).await;
    }
}

fn check(counts: &Counts) {
    let (idempotent, once) = (counts.of(IDEMPOTENT), counts.of(ONCE));
    for fates in [&idempotent, &once] {
        assert_eq!((fates.hung, fates.wrong, fates.refused), (0, 0, 0), "{fates}");
        assert!(fates.by_status.keys().all(|status| [200, 502, 503, 504].contains(status)));
    }
    assert_eq!((idempotent.cut, once.cut), (0, 0), "connections ended without an answer");
    assert_eq!(idempotent.answered(200), idempotent.total(), "some handler was well at any time");
    assert!(once.answered(200) > 0);
}

/// The whole fleet dies under load: everything is answered, and 503 says when to come again.
async fn all_away(mut fleet: Fleet, port: u16) {
    let load = Load::start(SocketAddr::from(([127, 0, 0, 1], port)), HABITS);
    until(|| load.ended() > HABITS.clients).await;
    fleet.kill_all();
    // Each client meets the dead fleet.
    let ended = load.ended();
    until(|| load.ended() > ended + HABITS.clients).await;
    fleet.mend().await;
    let ended = load.ended();
    until(|| load.ended() > ended + 2 * HABITS.clients).await;
    let counts = load.stop().await;
    println!("all handlers killed at once\n{counts}");
    let (idempotent, once) = (counts.of(IDEMPOTENT), counts.of(ONCE));
    for fates in [&idempotent, &once] {
        assert_eq!((fates.hung, fates.wrong, fates.cut, fates.refused), (0, 0, 0, 0), "{fates}");
        assert!(fates.by_status.keys().all(|status| [200, 502, 503, 504].contains(status)));
    }
    assert_eq!(idempotent.answered(502), 0, "they wait for the next handler instead");
}
