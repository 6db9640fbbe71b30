//! Reading and replacing databases: what is missing, foreign, locked or half done.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use store::rows::{HostRow, PluginRow, ServerRow, SettingRow};
use store::{Cell, LogEntry, OpenFault, Rows, WriteFault};
use tempfile::TempDir;

fn scratch() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.sqlite");
    (dir, path)
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn some_rows() -> Rows {
    let plugin =
        PluginRow { id: 4, server_id: Cell::Integer(1), name: text("x.so"), settings: text("0:}") };
    Rows {
        servers: vec![ServerRow {
            id: 3,
            uuid: text("it's \"quoted\"\n"),
            port: Cell::Integer(80),
            ..ServerRow::default()
        }],
        hosts: vec![HostRow { id: 9, name: text("é"), ..HostRow::default() }, HostRow::default()],
        settings: vec![SettingRow { id: 1, key: text("k"), value: text("7") }],
        filters: vec![plugin.clone()],
        xrequests: vec![PluginRow { id: 5, ..plugin }],
        ..Rows::default()
    }
}

fn entry(what: &str) -> LogEntry {
    LogEntry { who: "me".into(), what: what.into(), how: "m2sh".into(), ..LogEntry::default() }
}

fn sqlite(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn rows_come_back_as_they_went_in() {
    let (_dir, path) = scratch();
    let mut rows = some_rows();
    store::replace(&path, &rows, None).unwrap();
    // Rows come back in the order of their ids.
    rows.hosts.reverse();
    assert_eq!(store::read(&path).unwrap(), rows);
}

#[test]
fn replacing_keeps_the_log_and_nothing_else() {
    let (_dir, path) = scratch();
    store::replace(&path, &some_rows(), Some(&entry("load one"))).unwrap();
    store::append_log(&path, &entry("commit")).unwrap();
    store::replace(&path, &Rows::default(), Some(&entry("load two"))).unwrap();
    assert_eq!(store::read(&path).unwrap(), Rows::default());
    let log = store::read_log(&path).unwrap();
    let whats: Vec<&str> = log.iter().map(|row| row.entry.what.as_str()).collect();
    assert_eq!(whats, ["load one", "commit", "load two"]);
    assert_eq!(log[0].happened_at.len(), "2026-11-21 15:44:01".len());
    assert_eq!((log[0].id, log[0].entry.who.as_str()), (1, "me"));
}

#[test]
fn a_log_is_made_when_there_is_none() {
    let (_dir, path) = scratch();
    store::replace(&path, &some_rows(), None).unwrap();
    sqlite(&path, "DROP TABLE log");
    assert_eq!(store::read_log(&path).unwrap(), []);
    store::append_log(&path, &entry("commit")).unwrap();
    assert_eq!(store::read_log(&path).unwrap().len(), 1);
}

#[test]
fn a_missing_file_is_named_and_not_made() {
    let (_dir, path) = scratch();
    let fault = store::read(&path).unwrap_err();
    assert!(matches!(fault, OpenFault::Missing { .. }), "{fault}");
    assert!(fault.to_string().contains("config.sqlite"));
    assert!(matches!(store::read_log(&path), Err(OpenFault::Missing { .. })));
    let fault = store::append_log(&path, &entry("x")).unwrap_err();
    assert!(matches!(fault, WriteFault::Missing { .. }), "{fault}");
    assert!(!path.exists());
}

#[test]
fn what_is_no_database_is_left_alone() {
    let (dir, path) = scratch();
    let content = "servers = [main]\n".repeat(100);
    std::fs::write(&path, &content).unwrap();
    assert!(matches!(store::read(&path), Err(OpenFault::NotADatabase { .. })));
    let fault = store::replace(&path, &some_rows(), None).unwrap_err();
    assert!(matches!(fault, WriteFault::NotADatabase { .. }), "{fault}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
    assert!(matches!(store::read(dir.path()), Err(OpenFault::NotADatabase { .. })));
    let fault = store::replace(dir.path(), &some_rows(), None).unwrap_err();
    assert!(matches!(fault, WriteFault::NotADatabase { .. }), "{fault}");
}

#[test]
fn missing_tables_and_columns_are_all_named() {
    let (_dir, path) = scratch();
    std::fs::write(&path, "").unwrap();
    let check = |expected: &[&str]| match store::read(&path) {
        Err(OpenFault::Schema { missing, .. }) => assert_eq!(missing, expected),
        other => panic!("{other:?}"),
    };
    check(&[
        "table server",
        "table host",
        "table handler",
        "table proxy",
        "table directory",
        "table setting",
        "table mimetype",
    ]);
    store::replace(&path, &some_rows(), None).unwrap();
    sqlite(
        &path,
        "DROP TABLE host; DROP TABLE filter; DROP TABLE xrequest; DROP TABLE route;
         ALTER TABLE server DROP COLUMN use_ssl; ALTER TABLE server DROP COLUMN control_port;
         ALTER TABLE handler DROP COLUMN protocol;
         DROP TABLE proxy; CREATE TABLE proxy (addr TEXT, port INTEGER);",
    );
    check(&[
        "column use_ssl of server",
        "table host",
        "column protocol of handler",
        "column id of proxy",
    ]);
}

#[test]
fn cells_of_any_type_are_read_as_they_are() {
    let (_dir, path) = scratch();
    store::replace(&path, &Rows::default(), None).unwrap();
    sqlite(
        &path,
        "INSERT INTO proxy VALUES (1, NULL, 'abc'), (2, X'00FF', 1.5), (3, CAST(X'FF' AS TEXT), '8');",
    );
    let proxies = store::read(&path).unwrap().proxies;
    let cells: Vec<_> =
        proxies.iter().map(|row| (row.addr.to_string(), row.port.to_string())).collect();
    let expected = [("NULL", "'abc'"), ("X'00FF'", "1.5"), ("X'FF'", "8")];
    assert_eq!(cells, expected.map(|(addr, port)| (addr.to_owned(), port.to_owned())));
    sqlite(
        &path,
        "DROP TABLE proxy; CREATE TABLE proxy (id, addr, port); INSERT INTO proxy VALUES ('x', 1, 1)",
    );
    let fault = store::read(&path).unwrap_err();
    assert!(matches!(&fault, OpenFault::Id { table: "proxy", id, .. } if id == "'x'"), "{fault}");
}

#[test]
fn a_failed_replacement_changes_nothing() {
    let (_dir, path) = scratch();
    let bad = Rows {
        settings: vec![SettingRow { id: 1, key: text("k"), value: Cell::Other("1.5".into()) }],
        ..Rows::default()
    };
    let fault = store::replace(&path, &bad, None).unwrap_err();
    assert_eq!(fault.to_string(), "setting row 1, value 1.5: must be text, a whole number or NULL");
    assert!(!path.exists(), "no empty database is left behind");

    store::replace(&path, &some_rows(), None).unwrap();
    let before = store::read(&path).unwrap();
    store::replace(&path, &bad, Some(&entry("x"))).unwrap_err();
    let twins = Rows { hosts: vec![HostRow::default(); 2], ..Rows::default() };
    store::replace(&path, &twins, Some(&entry("x"))).unwrap_err();
    assert_eq!(store::read(&path).unwrap(), before);
    assert_eq!(store::read_log(&path).unwrap(), []);
}

#[test]
fn a_lock_is_waited_for_and_then_named() {
    let (_dir, path) = scratch();
    store::replace(&path, &some_rows(), None).unwrap();
    let before = store::read(&path).unwrap();
    let holder = Connection::open(&path).unwrap();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert!(matches!(store::read(&path), Err(OpenFault::Locked { .. })));
    let fault = store::replace(&path, &Rows::default(), None).unwrap_err();
    assert!(matches!(fault, WriteFault::Locked { .. }), "{fault}");
    holder.execute_batch("ROLLBACK").unwrap();
    assert_eq!(store::read(&path).unwrap(), before);
}

#[test]
fn a_write_ahead_log_is_read_too_while_somebody_writes() {
    let (_dir, path) = scratch();
    store::replace(&path, &some_rows(), None).unwrap();
    let writer = Connection::open(&path).unwrap();
    writer
        .execute_batch("PRAGMA journal_mode = WAL; INSERT INTO proxy VALUES (1, 'a', 1);")
        .unwrap();
    writer.execute_batch("BEGIN IMMEDIATE; INSERT INTO proxy VALUES (2, 'b', 2);").unwrap();
    assert_eq!(store::read(&path).unwrap().proxies.len(), 1);
    writer.execute_batch("COMMIT").unwrap();
    drop(writer);
    assert_eq!(store::read(&path).unwrap().proxies.len(), 2);
}

#[test]
fn loading_names_the_servers_there_are() {
    let (_dir, path) = scratch();
    store::replace(&path, &some_rows(), None).unwrap();
    let fault = store::load(&path, "nosuch").unwrap_err();
    let expected = "there is no server 'nosuch'; the database has 'it's \"quoted\"\\n' (NULL)";
    assert_eq!(fault.to_string(), expected);
}
