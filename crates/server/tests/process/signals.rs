//! SIGHUP, SIGINT and SIGTERM, once and twice.

use crate::harness::{Setup, Signal, get, rest, send};
use std::time::{Duration, Instant};
use store::Cell;

#[test]
fn hangup_reloads_or_refuses_whole() {
    let setup = Setup::new();
    let (program, _) = setup.serve();
    assert_eq!(get(setup.addr(), "/new/f").0, "404");
    let www = format!("{}/", setup.path("www").display());
    let setup = setup.route("/new/", &www);
    setup.database();
    program.signal(Signal::SIGHUP);
    program.logs("reloaded");
    assert_eq!(get(setup.addr(), "/new/f").0, "200");
    let setup = setup.setting("timeout.idle", "soon").rows(|rows| {
        rows.routes[0].target_id = Cell::Integer(99);
    });
    setup.database();
    program.signal(Signal::SIGHUP);
    program.logs("not reloaded");
    assert_eq!(get(setup.addr(), "/f").0, "200", "the old one serves on");
    assert_eq!(get(setup.addr(), "/new/f").0, "200");
    let setup = setup.setting("timeout.idle", "60").rows(|rows| {
        rows.routes[0].target_id = Cell::Integer(1);
        rows.routes.pop();
    });
    setup.database();
    program.signal(Signal::SIGHUP);
    program.logs("reloaded");
    assert_eq!(get(setup.addr(), "/new/f").0, "404");
    program.signal(Signal::SIGTERM);
    let (code, log) = program.end();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn hangup_reopens_the_access_log() {
    let setup = Setup::new();
    let (program, _) = setup.serve();
    get(setup.addr(), "/before");
    std::fs::rename(setup.path("access.log"), setup.path("access.log.1")).unwrap();
    program.signal(Signal::SIGHUP);
    program.logs("reloaded");
    get(setup.addr(), "/after");
    program.signal(Signal::SIGTERM);
    assert_eq!(program.end().0, Some(0));
    let read = |name| std::fs::read_to_string(setup.path(name)).unwrap();
    let (old, new) = (read("access.log.1"), read("access.log"));
    assert!(old.contains("/before") && !old.contains("/after"), "{old}");
    assert!(new.contains("/after") && !new.contains("/before"), "{new}");
}

/// A request that waits for a handler that never comes.
fn with_open_request() -> Setup {
    let setup = Setup::new();
    let spec = |name: &str| format!("ipc://{}", setup.path(name).display());
    let (send_spec, recv_spec) = (spec("send"), spec("recv"));
    setup.handler("/h", &send_spec, &recv_spec)
}

const WAITING: &[u8] = b"GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[test]
fn either_signal_lets_open_requests_finish() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let setup = with_open_request().setting("handler.queue_timeout", "1");
        let (program, _) = setup.serve();
        let open = send(setup.addr(), WAITING);
        // Answered behind it, so that the request is known to have arrived.
        get(setup.addr(), "/f");
        program.signal(signal);
        program.logs("stopping");
        let answer = rest(open);
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        let (code, log) = program.end();
        assert_eq!(code, Some(0), "{log}");
        assert!(!setup.path("server.pid").exists());
        assert!(!setup.path("send").exists() && !setup.path("recv").exists());
    }
}

#[test]
fn a_second_signal_stops_at_once() {
    let setup =
        with_open_request().setting("handler.queue_timeout", "600").setting("timeout.drain", "600");
    let (program, _) = setup.serve();
    let _open = send(setup.addr(), WAITING);
    get(setup.addr(), "/f");
    program.signal(Signal::SIGTERM);
    program.logs("stopping");
    let began = Instant::now();
    program.signal(Signal::SIGINT);
    assert_eq!(program.end().0, Some(Signal::SIGINT as i32));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(!setup.path("server.pid").exists());
}

#[test]
fn the_drain_has_a_deadline() {
    let setup =
        with_open_request().setting("handler.queue_timeout", "600").setting("timeout.drain", "1");
    let (program, _) = setup.serve();
    let open = send(setup.addr(), WAITING);
    get(setup.addr(), "/f");
    let began = Instant::now();
    program.signal(Signal::SIGTERM);
    assert_eq!(program.end().0, Some(0));
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(20), "{took:?}");
    rest(open);
}

#[test]
fn a_hangup_in_the_middle_of_a_stop_does_nothing() {
    let setup = with_open_request().setting("handler.queue_timeout", "2");
    let (program, _) = setup.serve();
    let open = send(setup.addr(), WAITING);
    get(setup.addr(), "/f");
    program.signal(Signal::SIGTERM);
    program.logs("stopping");
    program.signal(Signal::SIGHUP);
    assert!(rest(open).starts_with("HTTP/1.1 503 "));
    assert_eq!(program.end().0, Some(0));
}
