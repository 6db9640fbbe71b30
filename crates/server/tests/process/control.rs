//! The control port of the real program: its orders end and reload the process.

use crate::harness::{PATIENCE, Program, Setup, Signal, get, send};
use bytes::Bytes;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use store::Cell;

fn try_ask(path: &Path, request: &'static [u8]) -> Result<Bytes, bus::AskFault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let spec = format!("ipc://{}", path.display());
    runtime.block_on(bus::ask(&spec, Bytes::from_static(request), PATIENCE))
}

fn ask(path: &Path, request: &'static [u8]) -> String {
    String::from_utf8(try_ask(path, request).unwrap().to_vec()).unwrap()
}

const STOP: &[u8] = b"10:4:stop,0:}]";
const TERMINATE: &[u8] = b"15:9:terminate,0:}]";

#[test]
fn orders_are_as_signals() {
    let setup = Setup::new();
    let control = setup.path("control");
    let (program, _) = setup.serve();
    assert_eq!(std::fs::metadata(&control).unwrap().permissions().mode() & 0o777, 0o600);
    let www = format!("{}/", setup.path("www").display());
    let setup = setup.route("/new/", &www);
    setup.database();
    ask(&control, b"12:6:reload,0:}]");
    program.logs("reloaded");
    assert_eq!(get(setup.addr(), "/new/f").0, "200");
    ask(&control, STOP);
    let (code, log) = program.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(!control.exists() && !setup.path("server.pid").exists());
}

#[test]
fn a_second_order_stops_at_once() {
    let setup = Setup::new().setting("timeout.drain", "600");
    let (program, _) = setup.serve();
    let _half =
        send(setup.addr(), b"POST /f HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n");
    get(setup.addr(), "/f");
    let control = setup.path("control");
    ask(&control, TERMINATE);
    program.logs("stopping");
    // The port answers while the server drains.
    assert!(ask(&control, b"26:6:status,13:4:what,3:net,}]").contains("bytes_written"));
    // At once: the answer may be lost with the server.
    let _answered = try_ask(&control, STOP);
    assert_eq!(program.end().0, Some(Signal::SIGINT as i32));
    assert!(!control.exists());
}

#[test]
fn what_a_killed_server_left_is_replaced_and_a_living_ones_is_not() {
    let setup = Setup::new();
    let control = setup.path("control");
    let (program, _) = setup.serve();
    program.signal(Signal::SIGKILL);
    program.end();
    assert!(control.exists());
    let (first, _) = setup.serve();
    assert!(ask(&control, b"10:4:uuid,0:}]").contains(crate::harness::UUID));
    let other = Setup::new().rows(|rows| {
        rows.servers[0].control_port = Cell::Text(format!("ipc://{}", control.display()));
        rows.servers[0].uuid = Cell::Text("other".to_owned());
    });
    let second = Program::start(&[other.database().to_str().unwrap(), "other"]);
    second.logs("no control port");
    second.says();
    assert_eq!(get(other.addr(), "/f").0, "200", "it serves all the same");
    assert!(ask(&control, b"10:4:uuid,0:}]").contains(crate::harness::UUID));
    second.signal(Signal::SIGTERM);
    assert_eq!(second.end().0, Some(0));
    assert!(control.exists());
    first.signal(Signal::SIGTERM);
    assert_eq!(first.end().0, Some(0));
    assert!(!control.exists());
}
