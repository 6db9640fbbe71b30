//! The control port: requests are understood, answers have Mongrel2's bytes.

use bytes::BytesMut;
use wire::control::{Cell, Command, Reply, Table};

use super::vectors::cases;

/// Refusals that need the server: these ids name no connection.
const NEEDS_SERVER: [&str; 1] = ["kill-unknown"];

#[test]
fn control_port_vectors() {
    let (mut tables, mut refusals) = (0, 0);
    for case in cases("11-control-port") {
        let find = |who: &str| case.events.iter().find(|event| event.who == who);
        let (Some(request), Some(answer)) = (find("client->control"), find("control->client"))
        else {
            continue;
        };
        let (request, answer) = (request.bytes.as_ref().unwrap(), answer.bytes.as_ref().unwrap());
        if answer == b"(no reply)" {
            continue;
        }
        let parsed = Reply::parse(answer).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        assert_eq!(encoded(&parsed), answer, "{}", case.name);
        match (&parsed, Command::parse(request)) {
            (Reply::Table(table), Ok(command)) => {
                tables += 1;
                check_table(&case.name, command, table);
            }
            (Reply::Error { .. }, Err(error)) => {
                refusals += 1;
                assert_eq!(encoded(&Reply::from(error)), answer, "{}", case.name);
            }
            (reply, command) => {
                assert!(NEEDS_SERVER.contains(&&*case.name), "{} {reply:?} {command:?}", case.name);
            }
        }
    }
    assert_eq!((tables, refusals), (18, 17), "tables and refusals");
}

/// Tables that depend on nothing but the command.
fn check_table(case: &str, command: Command, table: &Table) {
    let want = match command {
        Command::Help => Table::help(&[]),
        Command::Kill(_) => Table::killed(),
        Command::Reload | Command::Stop | Command::Terminate => Table::signal_sent(),
        Command::ControlStop => Table::control_stopping(),
        Command::Time | Command::Uuid => {
            assert_eq!((table.headers.len(), table.rows.len()), (1, 1), "{case}");
            assert!(matches!(table.rows[0][0], Cell::Text(_)), "{case}");
            return;
        }
        Command::Info | Command::Status(_) => return,
    };
    assert_eq!(*table, want, "{case}");
}

#[test]
fn commands_are_written_as_m2sh_writes_them() {
    let mut count = 0;
    for case in cases("11-control-port") {
        let Some(request) = case.events.iter().find(|event| event.who == "client->control") else {
            continue;
        };
        let request = request.bytes.as_ref().unwrap();
        let plain = !matches!(&*case.name, "three-elements-2" | "trailing-nul" | "extra-args");
        if let (true, Ok(command)) = (plain, Command::parse(request)) {
            let mut out = BytesMut::new();
            command.encode(&mut out);
            assert_eq!(out, request, "{}", case.name);
            count += 1;
        }
    }
    assert_eq!(count, 17, "commands");
}

fn encoded(reply: &Reply) -> BytesMut {
    let mut out = BytesMut::new();
    reply.encode(&mut out);
    out
}
