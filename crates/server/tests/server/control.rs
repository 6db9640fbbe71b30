//! The control port of a server in this process.

use std::sync::mpsc;
use std::time::Duration;

use server::{Boot, Server};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::rows::rows;

/// The one thread that may block is busy: a status waits for it, the runtime does not.
#[test]
fn a_status_is_told_where_nobody_waits_for_it() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(1).build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let control = format!("ipc://{}", folder.path().join("control").display());
    let database = folder.path().join("config.sqlite");
    let rows = rows(&[("control_port", &control), ("disable.access_logging", "1")]);
    store::replace(&database, &rows, None).unwrap();
    let listen = Some("127.0.0.1:0".parse().unwrap());
    let ask = |request: &'static [u8]| bus::ask(&control, request.into(), Duration::from_secs(20));
    runtime.block_on(async {
        let boot = Boot { database, uuid: "u".to_owned(), listen, held: None };
        let server = Server::start(boot).await.unwrap();
        let (release, released) = mpsc::channel::<()>();
        let busy = spawn_blocking(move || released.recv());
        ask(b"10:4:time,0:}]").await.unwrap();
        let mut status = Box::pin(ask(b"26:6:status,13:4:what,3:net,}]"));
        let early = timeout(Duration::from_millis(200), &mut status).await;
        assert!(early.is_err(), "{early:?}");
        release.send(()).unwrap();
        assert!(status.await.unwrap().windows(13).any(|bytes| bytes == b"bytes_written"));
        busy.await.unwrap().unwrap();
        server.stop().await;
    });
}
