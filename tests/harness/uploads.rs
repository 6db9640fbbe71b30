//! Bodies too large for one message, at `/up`: the site, the store, the bytes.

use super::{Client, Handler, Message, Running, SiteBuilder};
use std::path::{Path, PathBuf};

pub(crate) const START: &str = "x-mongrel2-upload-start";
pub(crate) const DONE: &str = "x-mongrel2-upload-done";

/// The head of a body in chunks.
pub(crate) const CHUNKED: &str =
    "POST /up HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Uploads go to files.
pub(crate) fn stored() -> SiteBuilder {
    large_bodies().setting("upload.temp_store", "{}/uploads/body.XXXXXX")
}

/// They are refused.
pub(crate) fn large_bodies() -> SiteBuilder {
    SiteBuilder::new().handler("/up", "main").setting("limits.content_length", "1000")
}

/// The server, with an empty store, and its handler.
pub(crate) async fn start(site: &SiteBuilder) -> (Running, Handler) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("uploads")).unwrap();
    let server = Running::start_in(folder, site, Some("127.0.0.1:0".parse().unwrap())).await;
    let handler = server.handler("main").await;
    (server, handler)
}

/// What is in the store, but for the manifest of unfinished uploads.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut paths = entries(folder);
    paths.retain(|path| !is_manifest(path));
    paths
}

/// How many uploads the manifest lists.
pub(crate) fn listed(folder: &Path) -> usize {
    let manifest = entries(folder).into_iter().find(|path| is_manifest(path)).unwrap();
    let text = std::fs::read_to_string(manifest).unwrap();
    text.lines().skip(1).filter(|line| !line.trim().is_empty()).count()
}

/// All that is in the store.
pub(crate) fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join("uploads")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn is_manifest(path: &Path) -> bool {
    path.to_str().unwrap().contains("/.lurcher-")
}

pub(crate) fn body(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at / 7) as u8).collect()
}

/// The head of a body of this length.
pub(crate) fn head(length: usize) -> String {
    format!("POST /up HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n")
}

/// Announces a body of `length` bytes; gives what the handler hears then.
pub(crate) async fn announce(client: &mut Client, handler: &mut Handler, length: usize) -> Message {
    client.send(head(length)).await;
    handler.request().await
}

/// A body of 5001 bytes where `limits.upload_size` is 5000: refused if it says so, else begun. Gives
/// who has only said that 5001 bytes come now, and what the handler heard.
pub(crate) async fn too_large(server: &Running, handler: &mut Handler) -> (Client, Message) {
    let mut client = server.client().await;
    client.send(head(5001)).await;
    assert_eq!(client.reply().await.status, 413);
    let mut client = server.client().await;
    client.send(format!("{CHUNKED}1389\r\n")).await;
    (client, handler.request().await)
}
