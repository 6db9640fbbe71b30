//! Debian's mongrel2 runs from our databases, and we run from those that its m2sh makes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rusqlite::Connection;
use store::rows::{DirectoryRow, HostRow, MimetypeRow, RouteRow, ServerRow, SettingRow};
use store::{Cell, Rows};

const DEADLINE: Duration = Duration::from_secs(20);

/// Whether Debian's program is there; on a build machine it has to be.
fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    found(std::env::split_paths(&path).any(|dir| dir.join(program).is_file()), program)
}

fn found(is_there: bool, what: &str) -> bool {
    let on_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(is_there || !on_ci, "{what} is missing, apt install mongrel2-core");
    if !is_there {
        println!("skipped: {what} is missing, apt install mongrel2-core");
    }
    is_there
}

/// Ends the program when a test ends, however it does.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Starts mongrel2 and waits until it says that it runs.
fn mongrel2(dir: &Path) -> Running {
    let child = Command::new("mongrel2")
        .args(["config.sqlite", "the-uuid"])
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut running = Running(child.unwrap());
    let stderr = BufReader::new(running.0.stderr.take().unwrap());
    let (said, hears) = mpsc::channel();
    std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            // The pipe is read to its end, so that the server never waits for it.
            said.send(line).ok();
        }
    });
    let mut lines = Vec::new();
    loop {
        match hears.recv_timeout(DEADLINE) {
            Ok(line) if line.contains("Running. Copyright") => return running,
            Ok(line) => lines.push(line),
            Err(error) => panic!("mongrel2 does not run, {error}:\n{}", lines.join("\n")),
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    // Mongrel2 does not always close, so the body's end is what counts.
    while !answer.ends_with(b"from our database\n") {
        match stream.read(&mut part).unwrap() {
            0 => break,
            n => answer.extend_from_slice(&part[..n]),
        }
    }
    String::from_utf8(answer).unwrap()
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn rows(port: u16) -> Rows {
    let mimetypes = store::default_mimetypes().iter().zip(1..);
    Rows {
        servers: vec![ServerRow {
            id: 1,
            uuid: text("the-uuid"),
            access_log: text("logs/access.log"),
            error_log: text("/dev/stderr"),
            chroot: text(""),
            pid_file: text("run/server.pid"),
            control_port: text(""),
            default_host: text("localhost"),
            name: text("ours"),
            bind_addr: text("127.0.0.1"),
            port: Cell::Integer(i64::from(port)),
            use_ssl: Cell::Integer(0),
        }],
        hosts: vec![HostRow::named(1, "localhost")],
        routes: vec![RouteRow::to(1, "/", 1, ("dir", 1))],
        directories: vec![DirectoryRow {
            id: 1,
            base: text("static/"),
            index_file: text("index.html"),
            default_ctype: text("text/plain"),
            cache_ttl: Cell::Integer(0),
        }],
        settings: vec![SettingRow { id: 1, key: text("server.daemonize"), value: text("0") }],
        mimetypes: mimetypes
            .map(|((extension, mimetype), id)| MimetypeRow {
                id,
                mimetype: text(mimetype),
                extension: text(extension),
            })
            .collect(),
        ..Rows::default()
    }
}

#[test]
fn mongrel2_runs_from_a_database_of_ours() {
    if !has("mongrel2") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for name in ["logs", "run", "static"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
    }
    std::fs::write(dir.path().join("static/index.html"), "from our database\n").unwrap();
    let port = free_port();
    let path = dir.path().join("config.sqlite");
    store::replace(&path, &rows(port), None).unwrap();
    assert_eq!(store::load(&path, "the-uuid").unwrap().warnings, []);
    let _running = mongrel2(dir.path());
    let answer = get(port, "/index.html");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("Content-Type: text/html\r\n"), "{answer}");
}

const CONFIG: &str = r#"
chat = Handler(send_spec='tcp://127.0.0.1:9999' send_ident='chat' recv_spec='ipc://run/chat'
    recv_ident='' protocol='tnetstring')
main = Server(uuid="the-uuid" access_log="/logs/access.log" error_log="/logs/error.log"
    chroot="./" default_host="localhost" name="main" pid_file="/run/m.pid" port=6767
    filters=[Filter(name='null.so', settings={'a': 1})]
    hosts=[
        Host(name="localhost", routes={
            '@chat': chat, '/chat': chat, '/d/': Dir(base='static/' index_file='index.html'
            default_ctype='text/plain' cache_ttl=3), '/p/([a-z]+)$': Proxy(addr='127.0.0.1' port=80)}),
        Host(name="pattern", matching="(.+).example.com", routes={'/': chat})])
settings = {"zeromq.threads": 1, "limits.content_length": 1000, "upload.temp_store": "tmp/u.XXXXXX"}
servers = [main]
"#;

/// Loads a configuration with Debian's m2sh.
fn load(dir: &Path, config: &str) {
    std::fs::write(dir.join("main.conf"), config).unwrap();
    let output = Command::new("m2sh")
        .args(["load", "--config", "main.conf", "--db", "config.sqlite"])
        .current_dir(dir)
        .env("LOGNAME", "test")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn we_run_from_a_database_of_m2sh() {
    if !has("m2sh") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    load(dir.path(), CONFIG);
    let path = dir.path().join("config.sqlite");
    let lowered = store::load(&path, "the-uuid").unwrap();
    let warnings: Vec<String> = lowered.warnings.iter().map(ToString::to_string).collect();
    let expected = [
        "setting row 1, key 'zeromq.threads': has no effect: sockets are served by the same \
         threads as everything else",
        "filter row 1, name 'null.so': plugins in C are not loaded, the server runs without it",
    ];
    assert_eq!(warnings, expected);
    let site = lowered.site;
    assert_eq!((site.handlers.len(), site.proxies.len(), site.dirs.len()), (1, 1, 1));
    assert_eq!(site.limits.content_length, 1000);
    assert_eq!(site.mime.len(), store::default_mimetypes().len());
    let target = |host: &str, path: &str| {
        site.host(Some(host)).route(path).map(|found| found.route.target.kind())
    };
    assert_eq!(target("localhost", "@chat"), Some("handler"));
    assert_eq!(target("localhost", "/d/x.html"), Some("dir"));
    assert_eq!(target("localhost", "/p/abc"), Some("proxy"));
    assert_eq!(target("localhost", "/p/123"), None);
    assert_eq!(target("x.example.com", "/any"), Some("handler"));
    let log = store::read_log(&path).unwrap();
    assert_eq!((log.len(), log[0].entry.who.as_str()), (1, "test"));

    let rows = store::read(&path).unwrap();
    let copy = dir.path().join("copy.sqlite");
    store::replace(&copy, &rows, None).unwrap();
    assert_eq!(store::read(&copy).unwrap(), rows);
}

/// The example configurations of Debian's mongrel2-core.
const EXAMPLES: [&str; 9] = [
    "bbs/mongrel2.conf",
    "configs/any.conf",
    "configs/complex.conf",
    "configs/filters.conf",
    "configs/mongrel2.conf",
    "configs/multi.conf",
    "configs/multi_handler.conf",
    "configs/sample.conf",
    "ws/mongrel2.conf",
];

#[test]
fn we_run_the_example_configurations() {
    let examples = Path::new("/usr/share/doc/mongrel2-core/examples");
    if !has("m2sh") || !found(examples.is_dir(), "the documentation of mongrel2-core") {
        return;
    }
    for name in EXAMPLES {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.sqlite");
        load(dir.path(), &std::fs::read_to_string(examples.join(name)).unwrap());
        let rows = store::read(&path).unwrap();
        assert!(!rows.servers.is_empty(), "{name}");
        let mut faults = Vec::new();
        for server in store::servers(&rows) {
            if let Err(found) = store::lower(&rows, &server.uuid) {
                faults.extend(found.0.iter().map(ToString::to_string));
            }
        }
        assert_eq!(faults, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn m2sh_reads_a_database_of_ours() {
    if !has("m2sh") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.sqlite");
    store::replace(&path, &rows(6767), None).unwrap();
    let output = Command::new("m2sh")
        .args(["servers", "--db", "config.sqlite"])
        .current_dir(dir.path())
        .env("LOGNAME", "test")
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("ours") && shown.contains("the-uuid"), "{shown}");
}

#[test]
fn the_schema_is_that_of_m2sh() {
    if !has("m2sh") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    load(dir.path(), CONFIG);
    let theirs = Connection::open(dir.path().join("config.sqlite")).unwrap();
    let ours = Connection::open_in_memory().unwrap();
    ours.execute_batch(store::SCHEMA).unwrap();
    assert_eq!(columns(&ours), columns(&theirs));
}

/// Table, column, type, NOT NULL, default and place in the key of every column.
fn columns(connection: &Connection) -> Vec<String> {
    let mut select = connection
        .prepare(
            "SELECT m.name, c.name, c.type, c.\"notnull\", c.dflt_value, c.pk
             FROM sqlite_master m, pragma_table_info(m.name) c
             WHERE m.type = 'table' ORDER BY m.name, c.cid",
        )
        .unwrap();
    let column = |row: &rusqlite::Row<'_>| {
        let (table, name, kind): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (not_null, default, key): (i64, Option<String>, i64) =
            (row.get(3)?, row.get(4)?, row.get(5)?);
        // Both ways to quote a default mean the same.
        let default = default.map(|default| default.replace('"', "'"));
        Ok(format!("{table}.{name} {kind} {not_null} {default:?} {key}"))
    };
    select.query_map([], column).unwrap().collect::<Result<_, _>>().unwrap()
}
