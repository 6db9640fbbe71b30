//! The files of uploads: each of them ends with a handler or goes away, and the disk has bounds.

use crate::harness::uploads::{
    self, DONE, START, body, entries, files, head, listed, start, stored as site,
};
use crate::harness::{Client, Handler, Message, Running, SiteBuilder, UUID, ok, until, within};
use server::{Boot, Server};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

async fn begin(server: &Running, handler: &mut Handler, length: usize) -> (Client, Message) {
    let mut client = server.client().await;
    let start = uploads::announce(&mut client, handler, length).await;
    assert!(start.header(START).is_some() && start.header(DONE).is_none(), "{start:?}");
    (client, start)
}

/// A whole upload whose handler has left before its end, perhaps with an answer.
async fn orphan(server: &Running, mut handler: Handler, answered: bool) -> Client {
    let (mut client, start) = begin(server, &mut handler, 2000).await;
    if answered {
        handler.reply(start.conn, ok("early")).await;
        assert_eq!(client.reply().await.text(), "early");
    }
    drop(handler);
    server.until_peers(0).await;
    client.send(body(2000)).await;
    client
}

#[tokio::test]
async fn the_done_message_says_how_large_the_file_is_and_what_is_in_it() {
    for digest in [None, Some("sha256")] {
        let site = digest.map_or_else(site, |name| site().setting("upload.digest", name));
        let (server, mut handler) = start(&site).await;
        let mut client = server.client().await;
        client
            .send("POST /up HTTP/1.1\r\nHost: localhost\r\nX-Mongrel2-Upload-Size: 1\r\nX-Mongrel2-Upload-Digest: sha-256=0\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
            .await;
        let start = handler.request().await;
        assert_eq!(start.header("x-mongrel2-upload-size"), None);
        assert_eq!(start.header("x-mongrel2-upload-digest"), None);
        let done = handler.request().await;
        assert_eq!(done.header("x-mongrel2-upload-size"), Some("3"));
        let abc = "sha-256=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(done.header("x-mongrel2-upload-digest"), digest.map(|_| abc));
    }
}

#[tokio::test]
async fn what_is_pipelined_behind_an_upload_is_not_in_its_file() {
    let (server, mut handler) = start(&site()).await;
    let mut client = server.client().await;
    let next = "GET /up?next HTTP/1.1\r\nHost: localhost\r\n\r\n";
    client.send([head(30_000).as_bytes(), &body(30_000), next.as_bytes()].concat()).await;
    handler.request().await;
    let done = handler.request().await;
    assert!(std::fs::read(done.header(DONE).unwrap()).unwrap() == body(30_000));
    handler.answer(&done, "first").await;
    assert_eq!(client.reply().await.text(), "first");
    assert_eq!(handler.request().await.header("URI"), Some("/up?next"));
}

#[tokio::test]
async fn a_file_is_listed_until_a_handler_has_it() {
    let (server, mut handler) = start(&site()).await;
    let (mut client, start) = begin(&server, &mut handler, 2000).await;
    assert_eq!(listed(server.folder()), 1);
    client.send(body(2000)).await;
    let done = handler.request().await;
    assert_eq!(listed(server.folder()), 0);
    // The client leaves, the server stops: what was done is the handler's.
    drop(client);
    assert_eq!(handler.notice().await, start.conn);
    until(|| server.server.registry().is_empty()).await;
    assert!(Path::new(done.header(DONE).unwrap()).exists());
}

#[tokio::test]
async fn a_done_message_that_nobody_takes_leaves_no_file() {
    let site = site().setting("handler.queue_timeout", "0.3");
    for answered in [false, true] {
        let (server, handler) = start(&site).await;
        let mut client = orphan(&server, handler, answered).await;
        if !answered {
            assert_eq!(client.reply().await.status, 503);
        }
        until(|| files(server.folder()).is_empty()).await;
        assert_eq!(listed(server.folder()), 0);
    }
}

#[tokio::test]
async fn a_client_that_leaves_before_anybody_took_its_file_takes_it_along() {
    let (server, mut handler) = start(&site()).await;
    let (mut client, _start) = begin(&server, &mut handler, 2000).await;
    drop(handler);
    server.until_peers(0).await;
    client.send(body(2000)).await;
    server.until_waiting(1).await;
    // Listed again while it waits for a handler.
    until(|| listed(server.folder()) == 1).await;
    drop(client);
    until(|| files(server.folder()).is_empty()).await;
    assert_eq!(listed(server.folder()), 0);
}

#[tokio::test]
async fn a_handler_that_comes_back_gets_the_done_message_and_the_file() {
    let (server, mut handler) = start(&site()).await;
    for answered in [false, true] {
        let mut client = orphan(&server, handler, answered).await;
        server.until_waiting(1).await;
        handler = server.handler("main").await;
        let done = handler.request().await;
        let name = done.header(DONE).unwrap();
        until(|| listed(server.folder()) == 0).await;
        assert_eq!(std::fs::read(name).unwrap(), body(2000));
        if !answered {
            handler.answer(&done, "late").await;
            assert_eq!(client.reply().await.text(), "late");
        }
        client.shutdown().await;
        handler.notice().await;
        assert!(Path::new(name).exists());
        std::fs::remove_file(name).unwrap();
    }
}

#[tokio::test]
async fn an_upload_goes_on_through_reloads() {
    let (server, mut handler) = start(&site().setting("upload.store_max", "5000")).await;
    let (mut client, _) = begin(&server, &mut handler, 3000).await;
    client.send(&body(3000)[..1500]).await;
    server.reload(&site().setting("upload.store_max", "4000")).await.unwrap();
    // What began before still counts.
    let mut other = server.client().await;
    other.send(head(1001)).await;
    assert_eq!(other.reply().await.status, 507);
    let bare = SiteBuilder::new().handler("/up", "main");
    server.reload(&bare).await.unwrap();
    client.send(&body(3000)[1500..]).await;
    let done = handler.request().await;
    assert_eq!(std::fs::read(done.header(DONE).unwrap()).unwrap(), body(3000));
    handler.answer(&done, "ok").await;
    assert_eq!(client.reply().await.text(), "ok");
    assert_eq!(entries(server.folder()).len(), 1, "the manifest went with the last upload");
}

/// A row that keeps its addresses and speaks another protocol: the link is closed under the client.
#[tokio::test]
async fn what_is_done_is_the_handlers_whatever_becomes_of_its_link() {
    let (server, mut handler) = start(&site()).await;
    let (mut client, _) = begin(&server, &mut handler, 2000).await;
    client.send(body(2000)).await;
    let done = handler.request().await;
    let name = done.header(DONE).unwrap();
    let other =
        site().rows(|rows| rows.handlers[0].protocol = store::Cell::Text("tnetstring".into()));
    server.reload(&other).await.unwrap();
    assert_eq!(client.reply().await.status, 502);
    client.closed().await;
    until(|| server.server.registry().is_empty()).await;
    assert_eq!(std::fs::read(name).unwrap(), body(2000));
    assert_eq!(listed(server.folder()), 0);
}

#[tokio::test]
async fn what_is_done_stays_when_the_server_stops() {
    let (server, mut handler) = start(&site().setting("timeout.drain", "0.2")).await;
    let (mut client, _) = begin(&server, &mut handler, 2000).await;
    client.send(body(2000)).await;
    let done = handler.request().await;
    let name = done.header(DONE).unwrap();
    let folder = server.folder().to_owned();
    let watch = tokio::spawn(async move {
        let stopping = std::time::Instant::now();
        client.rest().await;
        stopping.elapsed()
    });
    within(server.server.stop()).await;
    watch.await.unwrap();
    until(|| entries(&folder).len() == 1).await;
    assert_eq!(std::fs::read(name).unwrap(), body(2000));
}

#[tokio::test]
async fn a_stop_leaves_neither_files_nor_manifest() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("uploads")).unwrap();
    site().setting("timeout.drain", "0.2").write(folder.path());
    let (database, uuid) = (folder.path().join("config.sqlite"), UUID.to_owned());
    let listen = Some("127.0.0.1:0".parse().unwrap());
    let boot = Boot { database, uuid, listen, held: None };
    let server = Server::start(boot).await.unwrap();
    let spec = crate::harness::HandlerSpec::named("main").within(folder.path());
    let mut handler = Handler::connect(&spec).await;
    let mut client = Client::connect(server.addr()).await;
    client.send(head(3_000_000)).await;
    client.send(body(2_000_000)).await;
    handler.request().await;
    assert_eq!(files(folder.path()).len(), 1);
    within(server.stop()).await;
    until(|| entries(folder.path()).is_empty()).await;
}

#[tokio::test]
async fn the_store_has_a_bound_that_is_known_before_it_is_reached() {
    let (server, mut handler) = start(&site().setting("upload.store_max", "10000")).await;
    let mut client = server.client().await;
    client.send(head(10_001)).await;
    assert_eq!(client.reply().await.status, 413, "it would never fit");
    let (mut first, _) = begin(&server, &mut handler, 6000).await;
    let mut client = server.client().await;
    client.send(head(4001)).await;
    assert_eq!(client.reply().await.status, 507, "claimed, though not a byte has come");
    // Chunks claim as they come.
    let mut chunked = server.client().await;
    chunked
        .send("POST /up HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    let start = handler.request().await;
    chunked.send([b"fa1\r\n", &body(4001)[..], b"\r\n"].concat()).await;
    assert_eq!(chunked.reply().await.status, 507);
    assert_eq!(handler.notice().await, start.conn);
    // The first is none the worse, and its room is free again afterwards.
    first.send(body(6000)).await;
    let done = handler.request().await;
    handler.answer(&done, "ok").await;
    assert_eq!(first.reply().await.text(), "ok");
    until(|| files(server.folder()).len() == 1).await;
    begin(&server, &mut handler, 10_000).await;
}

/// A small disk of its own, which only root can make.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path, size: &str) -> Option<Self> {
        let options = format!("size={size},mode=0777");
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at);
        match mount.output() {
            Ok(output) if output.status.success() => Some(Self(at.to_owned())),
            _ => None,
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a failed test may still have files open there.
        std::process::Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

#[tokio::test]
async fn a_full_disk_is_507_and_hurts_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("uploads");
    std::fs::create_dir(&store).unwrap();
    let Some(_disk) = Disk::mount(&store, "2m") else {
        eprintln!("not root, or no tmpfs to mount: skipped");
        return;
    };
    let listen = Some("127.0.0.1:0".parse().unwrap());
    let server = Running::start_in(folder, &site(), listen).await;
    let mut handler = server.handler("main").await;
    // Known in advance.
    let mut client = server.client().await;
    client.send(head(3 << 20)).await;
    assert_eq!(client.reply().await.status, 507);
    client.closed().await;
    // Found out while writing.
    let (mut small, _) = begin(&server, &mut handler, 100_000).await;
    small.send(&body(100_000)[..50_000]).await;
    let mut chunked = server.client().await;
    chunked
        .send(
            "POST /up HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n400000\r\n",
        )
        .await;
    let start = handler.request().await;
    chunked.try_send(body(4 << 20)).await;
    assert_eq!(chunked.reply().await.status, 507);
    assert_eq!(handler.notice().await, start.conn);
    until(|| files(server.folder()).len() == 1).await;
    small.send(&body(100_000)[50_000..]).await;
    let done = handler.request().await;
    assert!(std::fs::read(done.header(DONE).unwrap()).unwrap() == body(100_000));
    handler.answer(&done, "ok").await;
    assert_eq!(small.reply().await.text(), "ok");
}

/// Uploads that all but end differently, by their number.
async fn upload(addr: std::net::SocketAddr, number: usize) -> bool {
    let length = 20_000 + number * 1013 % 300_000;
    // A fixed sequence that looks like chance.
    let dice = number.wrapping_mul(2_654_435_761) >> 7;
    let sent = if dice.is_multiple_of(3) { length } else { dice % length };
    let mut client = Client::connect(addr).await;
    client.send(head(length)).await;
    for piece in body(sent).chunks(7000) {
        client.try_send(piece).await;
    }
    if sent < length {
        match dice % 4 {
            0 => client.reset(),
            1 => client.shutdown().await,
            _ => drop(client),
        }
        return false;
    }
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.text()), (200, &*format!("{length} bytes")));
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_uploads_with_aborts_leave_nothing_behind() {
    const COUNT: usize = 200;
    let (server, mut handler) = start(&site()).await;
    let addr = server.addr();
    let uploads: Vec<_> = (0..COUNT).map(|number| tokio::spawn(upload(addr, number))).collect();
    // Each connection is one upload: started, then done or left; never done after it was left.
    let [mut started, mut ended, mut answered] = [(); 3].map(|()| HashSet::new());
    let mut done_count = 0;
    while ended.len() < COUNT {
        let message = handler.next().await;
        if message.is_disconnect {
            assert!(ended.insert(message.conn), "two notices");
        } else if let Some(name) = message.header(DONE) {
            assert!(started.contains(&message.conn), "done before the start");
            assert!(!ended.contains(&message.conn), "done after the end");
            assert_eq!(message.header(START), Some(name));
            let size = std::fs::read(name).unwrap().len();
            assert_eq!(message.header("content-length"), Some(&*size.to_string()));
            std::fs::remove_file(name).unwrap();
            assert!(answered.insert(message.conn), "two dones");
            handler.reply(message.conn, ok(&format!("{size} bytes"))).await;
            done_count += 1;
        } else {
            // A client that has left by then is not announced any more.
            assert!(!ended.contains(&message.conn), "start after the end");
            assert!(started.insert(message.conn), "two starts");
        }
    }
    let mut whole = 0;
    for upload in uploads {
        whole += usize::from(within(upload).await.unwrap());
    }
    assert_eq!(done_count, whole);
    assert!(whole > 20 && whole < COUNT - 20, "{whole} of {COUNT} were whole");
    until(|| files(server.folder()).is_empty()).await;
    assert_eq!(listed(server.folder()), 0);
}
