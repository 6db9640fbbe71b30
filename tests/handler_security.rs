//! Handlers that must prove what they are, through the whole server.

use crate::harness::{HandlerSpec, Program, Running, SiteBuilder, is_there, python, within};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::timeout;

/// The key pairs of RFC 26's and libzmq's documentation.
const SERVER: (&str, &str) =
    ("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6");
const WORKER: (&str, &str) =
    ("Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID", "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs");

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/manual/examples/secure.py");
const MANUAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/manual/security.md");

/// Between two tries: the first replies of a PUB socket are lost until the server has subscribed.
const AGAIN: Duration = Duration::from_secs(1);

/// The manual's handler; none where pyzmq is missing, which a build machine has.
fn example(server: &Running) -> Option<Program> {
    let probe = "import sys, zmq; sys.exit(not zmq.has('curve'))";
    if !is_there(Command::new(python()).args(["-c", probe]), "pyzmq with CURVE") {
        return None;
    }
    let spec = HandlerSpec::named("main").within(server.folder());
    let mut run = Command::new(python());
    run.args([EXAMPLE, SERVER.0]).arg(server.folder().join("worker.key"));
    Some(Program::start(run.args([&spec.send_spec, &spec.recv_spec])))
}

fn site() -> SiteBuilder {
    SiteBuilder::new()
        .handler("/", "main")
        .setting("handler.security", "curve")
        .setting("handler.curve_secret_key", "{}/server.key")
        .setting("handler.curve_clients", "{}/handlers.pub")
        .setting("handler.queue_timeout", "0.3")
}

fn write(folder: &Path, handlers: &str) {
    fs::write(folder.join("server.key"), SERVER.1).unwrap();
    fs::write(folder.join("worker.key"), WORKER.1).unwrap();
    fs::write(folder.join("handlers.pub"), handlers).unwrap();
}

async fn start(handlers: &str) -> Running {
    let folder = TempDir::new().unwrap();
    write(folder.path(), handlers);
    Running::start_in(folder, &site(), Some("127.0.0.1:0".parse().unwrap())).await
}

async fn until_it_answers(server: &Running) {
    within(async {
        loop {
            let mut client = server.client().await;
            client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
            match timeout(AGAIN, client.reply()).await {
                Ok(reply) if reply.status == 200 => {
                    assert_eq!(reply.text(), "Hello, CURVE");
                    break;
                }
                _ => {}
            }
        }
    })
    .await;
}

#[tokio::test]
async fn the_manuals_handler_answers_until_its_key_is_struck_off() {
    let server = start(&format!("{} worker\n", WORKER.0)).await;
    let Some(_program) = example(&server) else { return };
    until_it_answers(&server).await;
    server.reload(&site()).await.unwrap();
    let mut client = server.client().await;
    assert_eq!(client.get("/").await.text(), "Hello, CURVE", "the same handler, still connected");

    write(server.folder(), "# nobody\n");
    server.reload(&site()).await.unwrap();
    assert_eq!(server.client().await.get("/").await.status, 503);
}

#[tokio::test]
async fn a_handler_without_a_key_gets_no_request() {
    let server = start(WORKER.0).await;
    let spec = HandlerSpec::named("main").within(server.folder());
    // The sockets listen; whoever greets them with NULL is told and cut.
    let socket = spec.send_spec.strip_prefix("ipc://").unwrap();
    let mut peer = tokio::net::UnixStream::connect(socket).await.unwrap();
    let mut greeting = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01NULL".to_vec();
    greeting.resize(64, 0);
    let mut told = Vec::new();
    within(async {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        peer.write_all(&greeting).await.unwrap();
        peer.read_to_end(&mut told).await.unwrap();
    })
    .await;
    assert!(told.ends_with(b"\x05ERROR\x1bSecurity mechanism mismatch"), "{}", told.escape_ascii());
    assert_eq!(server.client().await.get("/").await.status, 503);
}

#[tokio::test]
async fn a_faulty_file_leaves_the_old_site_in_force() {
    let server = start(WORKER.0).await;
    let Some(_program) = example(&server) else { return };
    until_it_answers(&server).await;
    for (handlers, want) in
        [("no key\n", "handlers.pub, line 1 is no public key; a line is one, 40 characters of Z85")]
    {
        write(server.folder(), handlers);
        let fault = server.reload(&site()).await.unwrap_err();
        assert!(fault.contains(want), "{fault}");
    }
    fs::remove_file(server.folder().join("server.key")).unwrap();
    let fault = server.reload(&site()).await.unwrap_err();
    assert!(fault.contains("server.key can't be read\n  No such file"), "{fault}");
    assert_eq!(server.client().await.get("/").await.text(), "Hello, CURVE");
}

#[test]
fn the_manual_prints_the_handler_that_is_run() {
    let (manual, example) = (fs::read_to_string(MANUAL), fs::read_to_string(EXAMPLE));
    assert!(manual.unwrap().contains(&format!("```python\n{}```", example.unwrap())));
}
