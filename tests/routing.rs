//! Hosts and routes: which target a request finds.

use crate::harness::{Running, SiteBuilder};
use store::Cell;

async fn start() -> Running {
    let folder = tempfile::tempdir().unwrap();
    for name in ["default", "static", "static2", "other", "wild"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        std::fs::write(folder.path().join(name).join("f"), name).unwrap();
    }
    // What follows the literal prefix is looked for below the base.
    std::fs::create_dir(folder.path().join("static2/12")).unwrap();
    std::fs::write(folder.path().join("static2/12/f"), "by pattern").unwrap();
    let site = SiteBuilder::new()
        .dir("/", "{}/default/")
        .dir("/static/", "{}/static/")
        .dir("/static/two/", "{}/static2/")
        .dir("/n/([0-9]+)/", "{}/static2/")
        .host("other.example")
        .dir("/", "{}/other/")
        .host("pattern")
        .rows(|rows| {
            let host = rows.hosts.last_mut().unwrap();
            host.matching = Cell::Text("([a-c]+).wild.test".to_owned());
        })
        .dir("/", "{}/wild/");
    Running::start_in(folder, &site, Some("127.0.0.1:0".parse().unwrap())).await
}

#[tokio::test]
async fn the_host_field_chooses_the_host() {
    let server = start().await;
    let mut client = server.client().await;
    for (host, served) in [
        ("localhost", "default"),
        ("unknown.test", "default"),
        ("other.example", "other"),
        ("OTHER.Example:8080", "other"),
        ("other.example.", "other"),
        ("www.other.example", "other"),
        ("evilother.example", "default"),
        ("abc.wild.test", "wild"),
        ("xyz.wild.test", "default"),
        ("127.0.0.1", "default"),
        ("[::1]:80", "default"),
    ] {
        client.send(format!("GET /f HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert_eq!(client.reply().await.text(), served, "{host}");
    }
    client.send("GET http://other.example/f HTTP/1.1\r\nHost: other.example\r\n\r\n").await;
    assert_eq!(client.reply().await.text(), "other", "absolute form");
    client.send("GET /f HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await;
    assert_eq!(client.reply().await.text(), "default", "an HTTP/1.0 request without Host");
}

#[tokio::test]
async fn the_longest_route_that_fits_wins() {
    let server = start().await;
    let mut client = server.client().await;
    for (path, status, served) in [
        ("/f", 200, "default"),
        ("/static/f", 200, "static"),
        ("/static/two/f", 200, "static2"),
        ("/static/tw", 404, ""),
        ("/static", 404, ""),
        ("/n/12/f", 200, "by pattern"),
        ("/n/x/f", 404, ""),
    ] {
        let reply = client.get(path).await;
        assert_eq!(reply.status, status, "{path}");
        if status == 200 {
            assert_eq!(reply.text(), served, "{path}");
        }
    }
}

#[tokio::test]
async fn a_path_without_a_route_is_404_and_json_for_who_asks() {
    let server = Running::start(&SiteBuilder::new().dir("/only/", "{}/")).await;
    let mut client = server.client().await;
    let reply = client.get("/else").await;
    assert_eq!(reply.status, 404);
    assert_eq!(reply.field("content-type"), Some("text/plain; charset=utf-8"));
    client.send("GET /else HTTP/1.1\r\nHost: h\r\nAccept: application/json\r\n\r\n").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.field("content-type")), (404, Some("application/json")));
    let json: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(json["status"], 404);
}
