//! The operator's own error pages: for whom, for which host, and what is wrong with a directory of them.

use crate::harness::{Running, SiteBuilder};
use std::path::Path;

const ANY: std::net::SocketAddr =
    std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

fn site() -> SiteBuilder {
    let site = SiteBuilder::new().dir("/", "{}/www/").host("shop.example").dir("/", "{}/www/");
    site.setting("errors.dir", "{}/errors")
}

fn write(folder: &Path, pages: &[(&str, &str)]) {
    for (name, page) in pages {
        let path = folder.join("errors").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, page).unwrap();
    }
}

async fn start(pages: &[(&str, &str)]) -> Running {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), pages);
    Running::start_in(folder, &site(), Some(ANY)).await
}

#[tokio::test]
async fn a_page_is_the_hosts_own_or_that_of_all_and_only_for_who_takes_html() {
    let server = start(&[
        ("404.html", "<h1>lost</h1>"),
        ("405.html", "<h1>no</h1>"),
        ("shop.example/404.html", "<h1>sold out</h1>"),
    ])
    .await;
    let mut client = server.client().await;
    let (html, text, json) =
        ("text/html; charset=utf-8", "text/plain; charset=utf-8", "application/json");
    for (method, host, accept, content_type, body) in [
        ("GET", "localhost", "text/html,*/*;q=0.8", html, "<h1>lost</h1>"),
        ("GET", "localhost", "*/*", html, "<h1>lost</h1>"),
        ("GET", "SHOP.example:80", "text/html", html, "<h1>sold out</h1>"),
        ("PUT", "shop.example", "text/html", html, "<h1>no</h1>"),
        ("HEAD", "localhost", "text/html", html, ""),
        (
            "GET",
            "localhost",
            "text/plain",
            text,
            "404 Not Found\nThere is nothing here under this name.\n",
        ),
        (
            "GET",
            "localhost",
            "application/json",
            json,
            "{\"status\":404,\"error\":\"Not Found\",\"detail\":\"There is nothing here under this name.\"}\n",
        ),
    ] {
        client
            .send(format!("{method} /none HTTP/1.1\r\nHost: {host}\r\nAccept: {accept}\r\n\r\n"))
            .await;
        let reply = client.reply_to(method).await;
        assert_eq!(reply.status, if method == "PUT" { 405 } else { 404 }, "{method} {accept}");
        assert_eq!(reply.field("content-type"), Some(content_type), "{method} {accept}");
        assert_eq!(reply.field("vary"), Some("Accept"), "{method} {accept}");
        assert_eq!(reply.text(), body, "{method} {accept}");
    }
}

#[tokio::test]
async fn pages_are_read_again_by_a_reload_and_a_fault_leaves_the_old_ones() {
    let server = start(&[("404.html", "old")]).await;
    let mut client = server.client().await;
    write(server.folder(), &[("404.html", "new")]);
    assert_eq!(client.get("/none").await.text(), "old");
    server.reload(&site()).await.unwrap();
    assert_eq!(client.get("/none").await.text(), "new");
    std::fs::write(server.folder().join("errors/404.html"), [0xff; 3]).unwrap();
    let why = server.reload(&site()).await.unwrap_err();
    assert!(why.contains("errors.dir") && why.ends_with("404.html is not UTF-8"), "{why}");
    std::fs::write(server.folder().join("errors/404.html"), vec![b'x'; 70_000]).unwrap();
    let why = server.reload(&site()).await.unwrap_err();
    assert!(why.ends_with("404.html is larger than 65536 bytes"), "{why}");
    let why = server.reload(&site().setting("errors.dir", "{}/none")).await.unwrap_err();
    assert!(why.contains("/none can't be read"), "{why}");
    assert_eq!(client.get("/none").await.text(), "new");
}
