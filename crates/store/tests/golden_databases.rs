//! The odd databases recorded from Mongrel2: each starts or is refused as there, or is listed with
//! the reason why not.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;
use store::{Cell, Rows};

const UUID: &str = "f400bf85-4538-4f7a-8908-67e313d515c2";

/// Cases with another outcome than in Mongrel2.
const DIFFERS: [(&str, &str); 3] = [
    ("setting-false-dup", "Mongrel2 mistakes the second key for the first"),
    ("handler-send_spec-bad", "a bad spec is a fault; Mongrel2 starts and the route is dead"),
    ("two-handlers-same-send", "what can't be bound is a fault; Mongrel2 starts without it"),
];

#[test]
fn odd_databases_start_or_are_refused_as_in_mongrel2() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/02-database.json");
    let golden: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let base = tempfile::tempdir().unwrap();
    let base = base.path().join("config.sqlite");
    store::replace(&base, &recorded(), None).unwrap();
    let mut wrong = Vec::new();
    let mut listed = Vec::new();
    let cases = golden["cases"].as_array().unwrap();
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let event = |who: &str| {
            let events = case["events"].as_array().unwrap();
            events.iter().find(|event| event["who"] == who).unwrap()["data"].as_str().unwrap()
        };
        // The uuid that was asked for is not in the transcript.
        let uuid = match name {
            "uuid-unknown" => "nosuch",
            "uuid-quote" => "x' or '1'='1",
            _ => UUID,
        };
        let theirs = event("server") == "running";
        let ours = starts(&base, event("sql"), uuid);
        let reason = DIFFERS.iter().find(|(listed, _)| *listed == name);
        match (ours.is_ok() == theirs, reason) {
            (true, None) => {}
            (false, Some((name, _))) => listed.push(*name),
            (true, Some((_, reason))) => wrong.push(format!("{name}: listed for '{reason}'")),
            (false, None) => {
                wrong.push(format!("{name}: Mongrel2 starts: {theirs}, ours {ours:?}"))
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert_eq!((cases.len(), listed.len()), (64, DIFFERS.len()));
    println!(
        "odd databases: {} cases, {} equal, {} differ for a reason",
        cases.len(),
        cases.len() - listed.len(),
        listed.len()
    );
}

/// Changes the recorded configuration by `sql` and loads it.
fn starts(base: &Path, sql: &str, uuid: &str) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.sqlite");
    std::fs::copy(base, &path).unwrap();
    // Nobody minds if this file is lost in a power cut.
    let sql = format!("PRAGMA synchronous = OFF; {sql}");
    Connection::open(&path).unwrap().execute_batch(&sql).unwrap();
    store::load(&path, uuid).map(|_| ()).map_err(|fault| {
        let source = std::error::Error::source(&fault).map(ToString::to_string);
        format!("{fault}: {source:?}")
    })
}

/// The configuration of the golden file, as Debian's m2sh writes it.
fn recorded() -> Rows {
    let sql = format!(
        "INSERT INTO server VALUES (1, '{UUID}', 'logs/access.log', 'logs/error.log', '',
             'run/mongrel2.pid', '', 'localhost', 'test', '127.0.0.1', 17000, 0);
         INSERT INTO host VALUES (1, 1, 0, 'localhost', 'localhost');
         INSERT INTO handler VALUES (1, 'tcp://127.0.0.1:17010',
             '82209006-86FF-4982-B5EA-D1E29E55D481', 'tcp://127.0.0.1:17011', '', 0, 'json');
         INSERT INTO directory VALUES (1, 'static/', 'index.html', 'text/plain', 0);
         INSERT INTO proxy VALUES (1, '127.0.0.1', 17050);
         INSERT INTO route VALUES (1, '/h', 0, 1, 1, 'handler'), (2, '/d/', 0, 1, 1, 'dir'),
             (3, '/p/', 0, 1, 1, 'proxy');
         INSERT INTO setting (key, value) VALUES ('server.daemonize', '0'),
             ('limits.tick_timer', '1'), ('limits.min_ping', '0'), ('limits.min_read_rate', '0'),
             ('limits.min_write_rate', '0'), ('control_port', 'ipc://run/control');"
    );
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.sqlite");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(store::SCHEMA).unwrap();
    connection.execute_batch(&sql).unwrap();
    let mut rows = store::read(&path).unwrap();
    for ((extension, ctype), id) in store::default_mimetypes().iter().zip(1..) {
        rows.mimetypes.push(store::rows::MimetypeRow {
            id,
            mimetype: Cell::Text((*ctype).to_owned()),
            extension: Cell::Text((*extension).to_owned()),
        });
    }
    rows
}
