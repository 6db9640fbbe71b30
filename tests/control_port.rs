//! The control port: Mongrel2's commands and answers, whoever asks, and what they do.

use crate::harness::{Running, SiteBuilder, asked, until, within};
use bus::AskFault;
use bytes::{Bytes, BytesMut};
use server::control::Order;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use wire::control::{self, Cell, Reply, Table};

fn spec(server: &Running) -> String {
    format!("ipc://{}/control", server.folder().display())
}

async fn ask(spec: &str, request: &'static [u8]) -> Result<Bytes, AskFault> {
    bus::ask(spec, Bytes::from_static(request), Duration::from_secs(20)).await
}

async fn answer(server: &Running, request: &'static [u8]) -> String {
    let answer = ask(&spec(server), request).await.unwrap();
    String::from_utf8(answer.to_vec()).unwrap()
}

/// The table that `status` answers.
async fn status(server: &Running, what: control::StatusOf) -> Table {
    let mut request = BytesMut::new();
    control::Command::Status(what).encode(&mut request);
    let answer = bus::ask(&spec(server), request.freeze(), Duration::from_secs(20)).await.unwrap();
    match Reply::parse(&answer).unwrap() {
        Reply::Table(table) => table,
        Reply::Error { error, .. } => panic!("{error}"),
    }
}

fn number(cell: &Cell) -> i64 {
    let Cell::Integer(number) = cell else { panic!("{cell:?} is no number") };
    *number
}

fn dir() -> SiteBuilder {
    SiteBuilder::new().dir("/", "{}/")
}

/// As recorded from Mongrel2, where nothing of the server stands in the answer.
const RECORDED: &[(&[u8], &str)] = &[
    (b"19:4:kill,9:2:id,1:9#}]", INVALID_ARGUMENT),
    (b"10:4:kill,0:}]", INVALID_ARGUMENT),
    (b"19:4:kill,9:2:id,1:1,}]", INVALID_ARGUMENT),
    (b"21:4:kill,10:2:id,2:-1#}]", INVALID_ARGUMENT),
    (b"12:6:status,0:}]", INVALID_ARGUMENT),
    (b"24:6:status,11:4:what,1:x,}]", "51:5:error,39:Expected argument what=['net'|'tasks'].,}"),
    (
        b"13:7:version,0:}]",
        "74:4:code,18:CALLBACK_NOT_FOUND,5:error,33:Callback requested was not found.,}",
    ),
    (
        b"4:help,",
        "101:4:code,15:INVALID_REQUEST,5:error,63:Invalid request format, must be a list with two \
         elements in it.,}",
    ),
    (b"", INVALID_DATA),
    (b"garbage", INVALID_DATA),
    (b"7:4:help,]", INVALID_DATA),
    (b"14:4:help,1:1#0:}]", INVALID_DATA),
    (
        b"10:4:uuid,0:}]\0",
        "75:7:headers,7:4:uuid,]4:rows,44:40:36:82209006-86FF-4982-B5EA-D1E29E55D481,]]}",
    ),
    (b"12:6:reload,0:}]", SIGNAL_SENT),
    (b"10:4:stop,0:}]", SIGNAL_SENT),
    (b"15:9:terminate,0:}]", SIGNAL_SENT),
];

const INVALID_ARGUMENT: &str = "61:4:code,16:INVALID_ARGUMENT,5:error,22:Invalid argument type.,}";
const INVALID_DATA: &str = "97:4:code,12:INVALID_DATA,5:error,62:Invalid data, expecting a list \
                            with a string and a hash in it.,}";
const SIGNAL_SENT: &str = "59:7:headers,6:3:msg,]4:rows,29:25:21:signal sent to server,]]}";

#[tokio::test]
async fn every_command_is_answered_as_mongrel2_answers_it() {
    let mut server = Running::start(&dir()).await;
    for (request, expected) in RECORDED {
        let shown = request.escape_ascii();
        assert_eq!(answer(&server, request).await, *expected, "{shown}");
    }
    let mut orders = server.server.take_orders().unwrap();
    // Whatever ends the server goes first.
    for order in [Order::Stop, Order::Terminate, Order::Reload] {
        assert_eq!(within(orders.next()).await, Some(order));
    }
    let time = answer(&server, b"10:4:time,0:}]").await;
    assert!(time.starts_with("49:7:headers,7:4:time,]4:rows,18:14:10:"), "{time}");
    let help = answer(&server, b"10:4:help,0:}]").await;
    assert!(help.contains("40:4:info,29:information about this server,]"), "{help}");
    let info = answer(&server, b"10:4:info,0:}]").await;
    let port = server.addr().port();
    let folder = server.folder().to_str().unwrap();
    let expected = [
        format!("{}:{port}#", port.to_string().len()),
        "9:127.0.0.1,36:82209006-86FF-4982-B5EA-D1E29E55D481,".to_owned(),
        format!("{}:{folder},", folder.len()),
        "11:/access.log,10:/error.log,11:/server.pid,9:localhost,".to_owned(),
    ];
    assert!(info.contains(&expected.concat()), "{info}");
}

#[tokio::test]
async fn connections_are_seen_and_killed() {
    let server = Running::start(&dir().handler("/h", "main").handler("@json", "json")).await;
    let mut handler = server.handler("main").await;
    let (mut waiting, request) = asked(&server, &mut handler, "/h").await;
    let mut messages = server.client().await;
    messages.send(b"@json {}\0").await;
    let mut json = server.handler("json").await;
    json.request().await;
    let table = status(&server, control::StatusOf::Net).await;
    let headers = "id fd type last_ping last_read last_write bytes_read bytes_written";
    assert_eq!(table.headers.join(" "), headers);
    let [http, message] = &table.rows[..] else { panic!("{:?}", table.rows) };
    let columns = |row: &[Cell]| row.iter().map(number).collect::<Vec<_>>();
    let (http, message) = (columns(http), columns(message));
    assert_eq!((http[0], http[2]), (i64::try_from(request.conn).unwrap(), 1));
    assert_eq!((message[2], message[6], message[7]), (2, 9, 0));
    assert!(http[1] > 2 && message[1] > 2, "descriptors");
    assert_eq!(answer(&server, b"19:4:kill,9:2:id,1:1#}]").await, KILLED);
    waiting.closed().await;
    assert_eq!(handler.notice().await, request.conn);
    assert_eq!(answer(&server, b"19:4:kill,9:2:id,1:1#}]").await, INVALID_ARGUMENT);
    assert_eq!(status(&server, control::StatusOf::Net).await.rows.len(), 1);
    let tasks = status(&server, control::StatusOf::Tasks).await;
    assert_eq!(tasks.headers.join(" "), "id system name state status");
    let log = server.stop().await;
    assert_eq!(log[0].short(), ("/h", "0", "killed"));
}

const KILLED: &str = "40:7:headers,9:6:status,]4:rows,8:5:2:OK,]]}";

#[tokio::test]
async fn the_port_is_private_and_goes_when_it_is_told_to() {
    let server = Running::start(&dir()).await;
    let path = server.folder().join("control");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let stopping = "63:7:headers,6:3:msg,]4:rows,33:29:25:stopping the control port,]]}";
    assert_eq!(answer(&server, b"19:12:control_stop,0:}]").await, stopping);
    until(|| !path.exists()).await;
    // For good: a reload does not open it again, unless it moves it.
    server.reload(&dir()).await.unwrap();
    assert!(!path.exists());
    let elsewhere = || {
        dir().rows(|rows| rows.servers[0].control_port = store::Cell::Text("ipc://{}/two".into()))
    };
    server.reload(&elsewhere()).await.unwrap();
    let two = server.folder().join("two");
    let spec = format!("ipc://{}", two.display());
    ask(&spec, b"10:4:uuid,0:}]").await.unwrap();
    // One that can't be had: the old one stays.
    let nowhere = dir().setting("control_port", "ipc://{}/no/such").rows(|rows| {
        rows.servers[0].control_port = store::Cell::Text(String::new());
    });
    server.reload(&nowhere).await.unwrap();
    ask(&spec, b"10:4:uuid,0:}]").await.unwrap();
    server.reload(&dir()).await.unwrap();
    until(|| !two.exists()).await;
    answer(&server, b"10:4:uuid,0:}]").await;
    server.stop().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn strangers_and_slow_askers_stall_nobody() {
    let server = Running::start(&dir()).await;
    let path = server.folder().join("control");
    let mut strangers = Vec::new();
    for noise in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 300], b"\xff\0\0\0\0\0\0\0\x01\x7f", b""]
    {
        let mut stranger = within(UnixStream::connect(&path)).await.unwrap();
        stranger.write_all(noise).await.unwrap();
        strangers.push(stranger);
    }
    // A REQ peer that asks for a lot and reads nothing of it.
    let mut hello = b"\xff\0\0\0\0\0\0\0\0\x7f\x03\x01NULL".to_vec();
    hello.resize(64, 0);
    hello.extend_from_slice(b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03REQ");
    hello.extend_from_slice(&b"\x01\0\0\x0e10:4:help,0:}]".repeat(40));
    let mut slow = within(UnixStream::connect(&path)).await.unwrap();
    slow.write_all(&hello).await.unwrap();
    for _ in 0..10 {
        answer(&server, b"10:4:uuid,0:}]").await;
    }
    server.stop().await;
}

/// The tool is there; on a build machine it has to be.
fn is_there(command: &mut Command, install: &str) -> bool {
    let ran = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let is_there = ran.is_ok();
    let on_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(is_there || !on_ci, "missing: {install}");
    if !is_there {
        println!("skipped: missing {install}");
    }
    is_there
}

/// What a program says that is told `input`.
async fn says(mut command: Command, input: &'static str) -> String {
    let run = move || {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.stderr(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap().stdout
    };
    let said = within(tokio::task::spawn_blocking(run)).await.unwrap();
    String::from_utf8(said).unwrap()
}

#[tokio::test]
async fn libzmq_asks_through_a_req_socket() {
    let python = std::env::var("LURCHER_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if !is_there(Command::new(&python).arg("--version"), "python3 with pyzmq") {
        return;
    }
    let server = Running::start(&dir()).await;
    let mut command = Command::new(python);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/interop/control.py")).arg(spec(&server));
    let said = says(command, "10:4:uuid,0:}]\nnonsense\n19:4:kill,9:2:id,1:9#}]\n").await;
    let lines: Vec<&str> = said.lines().collect();
    let [uuid, nonsense, kill] = lines[..] else { panic!("{said}") };
    assert!(uuid.contains("36:82209006-86FF-4982-B5EA-D1E29E55D481,"), "{uuid}");
    assert_eq!((nonsense, kill), (INVALID_DATA, INVALID_ARGUMENT));
}

#[tokio::test]
async fn debians_m2sh_asks_as_it_asks_mongrel2() {
    if !is_there(Command::new("/usr/bin/m2sh").arg("help"), "apt install mongrel2-core") {
        return;
    }
    // It asks at run/control in the chroot, whatever the configuration says.
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("run")).unwrap();
    let site = dir().rows(|rows| {
        rows.servers[0].control_port = store::Cell::Text("ipc://{}/run/control".to_owned());
    });
    let server = Running::start_in(folder, &site, Some("127.0.0.1:0".parse().unwrap())).await;
    let mut command = Command::new("/usr/bin/m2sh");
    command.args(["control", "-db", "config.sqlite", "-name", "test"]);
    command.current_dir(server.folder());
    let said = says(command, "uuid\nkill id=9\nstatus what=net\n").await;
    assert!(said.contains("uuid:  82209006-86FF-4982-B5EA-D1E29E55D481\n"), "{said}");
    assert!(said.contains("ERROR: Invalid argument type.\n"), "{said}");
    assert!(said.contains("id  fd  type  last_ping"), "{said}");
}
