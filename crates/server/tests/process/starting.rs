//! Starting: what is said when it works, and what is wrong when it does not.

use crate::harness::{Program, Setup, Signal, UUID, get, pid_in};
use std::net::TcpListener;
use store::Cell;

/// Exit code and everything on standard error.
fn fails(arguments: &[&str]) -> (Option<i32>, String) {
    Program::start(arguments).end()
}

fn check(what: &str, (code, log): (Option<i32>, String), parts: &[&str]) {
    assert_eq!(code, Some(1), "{what}: {log}");
    for part in parts {
        assert!(log.contains(part), "{what}: {part:?} is not in {log}");
    }
}

#[test]
fn the_ready_line_says_what_where_and_how_to_stop() {
    let setup = Setup::new();
    let (program, ready) = setup.serve();
    let (addr, pid) = (setup.addr(), program.pid());
    for part in [
        "'the one'",
        "1 host",
        "1 route",
        "1 directory",
        &format!("http://{addr}"),
        &format!("kill {pid}"),
    ] {
        assert!(ready.contains(part), "{part:?} is not in {ready}");
    }
    assert_eq!(get(addr, "/f"), ("200".to_owned(), "content".to_owned()));
    assert_eq!(pid_in(&setup.path("server.pid")), Some(pid));
    program.signal(Signal::SIGTERM);
    assert_eq!(program.end().0, Some(0));
    assert!(!setup.path("server.pid").exists(), "the pid file goes away");
    let log = std::fs::read_to_string(setup.path("access.log")).unwrap();
    assert!(log.contains(",2:/f,") && log.ends_with("]\n"), "{log}");
    // The port is free at once.
    TcpListener::bind(addr).unwrap();
}

#[test]
fn what_can_not_be_loaded_is_named() {
    let setup = Setup::new();
    let database = setup.database();
    let database = database.to_str().unwrap();
    let missing = setup.path("missing.sqlite");
    let missing = missing.to_str().unwrap();
    check("no such file", fails(&[missing, UUID]), &[missing]);
    assert!(!setup.path("missing.sqlite").exists(), "it was made");
    let garbage = setup.path("garbage.sqlite");
    std::fs::write(&garbage, "this is no database at all, whatever it is called\n".repeat(50))
        .unwrap();
    check("no database", fails(&[garbage.to_str().unwrap(), UUID]), &["garbage.sqlite"]);
    check("a folder", fails(&[setup.folder.path().to_str().unwrap(), UUID]), &[]);
    check("no such server", fails(&[database, "nobody"]), &["nobody", UUID, "the one"]);
}

#[test]
fn a_folder_that_takes_no_uploads_is_warned_of() {
    let setup = Setup::new().setting("upload.temp_store", "/no/such/folder/up.XXXXXX");
    let program = setup.start();
    let line = program.logs("upload.temp_store");
    for part in ["WARN", "/no/such/folder/", "No such file or directory"] {
        assert!(line.contains(part), "{part:?} is not in {line}");
    }
    // A site that has no uploads is served all the same.
    program.logs("serving 'the one'");
    assert_eq!(get(setup.addr(), "/f").0, "200");
}

#[test]
fn a_wrong_command_line_is_explained() {
    let (code, log) = fails(&[]);
    assert_eq!(code, Some(2));
    assert!(log.contains("Usage: server"), "{log}");
    let (code, log) = fails(&["config.sqlite", UUID, "--listen", "here"]);
    assert_eq!(code, Some(2));
    assert!(log.contains("--listen"), "{log}");
}

#[test]
fn every_fault_of_a_configuration_is_reported() {
    let setup = Setup::new().route("/other", "/").setting("limits.connections", "many");
    let setup = setup.rows(|rows| {
        rows.servers[0].port = Cell::Integer(99_999);
        rows.servers[0].default_host = Cell::Text("missing".to_owned());
        rows.routes[0].target_id = Cell::Integer(77);
        rows.routes[1].path = Cell::Text("/([a-z".to_owned());
    });
    let database = setup.database();
    let faults = ["99999", "'missing'", "77", "/([a-z", "'many'"];
    check("started", fails(&[database.to_str().unwrap(), UUID]), &faults);
    check("checked", fails(&[database.to_str().unwrap(), UUID, "--check"]), &faults);
    assert!(!setup.path("server.pid").exists() && !setup.path("access.log").exists());
}

#[test]
fn checking_starts_nothing() {
    let setup = Setup::new();
    let database = setup.database();
    let program = Program::start(&[database.to_str().unwrap(), UUID, "--check"]);
    let said = program.says();
    assert!(said.contains(UUID) && said.contains("1 route"), "{said}");
    assert_eq!(program.end().0, Some(0));
    assert!(!setup.path("server.pid").exists() && !setup.path("access.log").exists());
}

#[test]
fn a_port_in_use_is_named_and_left_alone() {
    let setup = Setup::new();
    let taken = TcpListener::bind(setup.addr()).unwrap();
    let program = setup.start();
    check("port in use", program.end(), &[&setup.addr().to_string()]);
    assert!(!setup.path("server.pid").exists());
    drop(taken);
    let (program, _) = setup.serve();
    program.signal(Signal::SIGINT);
    assert_eq!(program.end().0, Some(0));
}

#[test]
fn another_address_can_be_asked_for() {
    let setup = Setup::new();
    let taken = TcpListener::bind(setup.addr()).unwrap();
    let database = setup.database();
    let program = Program::start(&[database.to_str().unwrap(), UUID, "--listen", "127.0.0.1:0"]);
    let ready = program.says();
    let addr = ready.split("http://").nth(1).unwrap().split(';').next().unwrap();
    assert_eq!(get(addr.parse().unwrap(), "/f").0, "200");
    drop(taken);
}

#[test]
fn a_handlers_address_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let spec = format!("tcp://{}", taken.local_addr().unwrap());
    let setup = Setup::new();
    let recv = format!("ipc://{}", setup.path("recv").display());
    let setup = setup.handler("/h", &spec, &recv);
    check("handler", setup.start().end(), &[&spec]);
    assert!(!setup.path("server.pid").exists());
}

#[test]
fn one_server_to_a_pid_file() {
    let setup = Setup::new();
    let (first, _) = setup.serve();
    let database = setup.database();
    let second = [database.to_str().unwrap(), UUID, "--listen", "127.0.0.1:0"];
    check("running", fails(&second), &[&first.pid().to_string(), "server.pid"]);
    assert_eq!(get(setup.addr(), "/f").0, "200", "the first serves on");
    assert_eq!(pid_in(&setup.path("server.pid")), Some(first.pid()));
    // What a dead one left is taken over.
    first.signal(Signal::SIGKILL);
    assert_eq!(first.end().0, None);
    assert!(setup.path("server.pid").exists());
    let (third, _) = setup.serve();
    assert_eq!(pid_in(&setup.path("server.pid")), Some(third.pid()));
}

#[test]
fn without_a_folder_for_logs_one_is_made() {
    let setup = Setup::new();
    let here = setup.folder.path().to_str().unwrap().to_owned();
    let setup = setup.rows(|rows| {
        rows.servers[0].access_log = Cell::Text(format!("{here}/logs/deep/access.log"));
        rows.servers[0].pid_file = Cell::Text(format!("{here}/run/deep/server.pid"));
    });
    let (program, _) = setup.serve();
    assert_eq!(get(setup.addr(), "/f").0, "200");
    assert_eq!(pid_in(&setup.path("run/deep/server.pid")), Some(program.pid()));
    program.signal(Signal::SIGTERM);
    assert_eq!(program.end().0, Some(0));
    assert!(setup.path("logs/deep/access.log").exists());
}
