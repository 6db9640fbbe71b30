//! Directories over the wire: what is served, what is not, and how large files leave.

use crate::harness::{Client, PATIENCE, Running, SiteBuilder};
use std::time::Instant;

fn files() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let www = folder.path().join("www");
    std::fs::create_dir_all(www.join("sub/empty")).unwrap();
    std::fs::write(www.join("index.html"), "<h1>home</h1>").unwrap();
    std::fs::write(www.join("a.txt"), "0123456789").unwrap();
    std::fs::write(www.join("sub/index.html"), "sub").unwrap();
    std::fs::write(www.join("noext"), "?").unwrap();
    std::fs::write(folder.path().join("secret"), "SECRET").unwrap();
    std::os::unix::fs::symlink("../secret", www.join("out")).unwrap();
    folder
}

async fn start() -> Running {
    let site = SiteBuilder::new().dir("/", "{}/www/");
    Running::start_in(files(), &site, Some("127.0.0.1:0".parse().unwrap())).await
}

#[tokio::test]
async fn a_file_comes_with_type_length_and_validators() {
    let server = start().await;
    let mut client = server.client().await;
    let reply = client.get("/a.txt").await;
    assert_eq!((reply.status, reply.text()), (200, "0123456789"));
    assert_eq!(reply.field("content-type"), Some("text/plain"));
    assert_eq!(reply.field("content-length"), Some("10"));
    assert_eq!(reply.field("accept-ranges"), Some("bytes"));
    assert!(reply.field("etag").unwrap().starts_with('"'), "{}", reply.head);
    assert!(reply.field("last-modified").unwrap().ends_with(" GMT"), "{}", reply.head);
    assert!(reply.field("date").is_some() && reply.field("server").is_some(), "{}", reply.head);
}

#[tokio::test]
async fn names_find_files_and_redirects() {
    let server = start().await;
    let mut client = server.client().await;
    for (path, status, content_type, body) in [
        ("/", 200, "text/html", "<h1>home</h1>"),
        ("/index.html", 200, "text/html", "<h1>home</h1>"),
        ("/a.txt?query=ignored", 200, "text/plain", "0123456789"),
        ("/sub/", 200, "text/html", "sub"),
        ("/noext", 200, "application/octet-stream", "?"),
        ("/nothing", 404, "text/plain; charset=utf-8", ""),
        ("/sub/nothing", 404, "text/plain; charset=utf-8", ""),
        ("/sub/empty/", 404, "text/plain; charset=utf-8", ""),
        ("/a.txt/", 404, "text/plain; charset=utf-8", ""),
    ] {
        let reply = client.get(path).await;
        assert_eq!(reply.status, status, "{path}");
        assert_eq!(reply.field("content-type"), Some(content_type), "{path}");
        if status == 200 {
            assert_eq!(reply.text(), body, "{path}");
        }
    }
    let reply = client.get("/sub?a=b").await;
    assert_eq!((reply.status, reply.field("location")), (301, Some("/sub/?a=b")));
    let reply = client.get("/%61.txt").await;
    assert_eq!((reply.status, reply.field("location")), (301, Some("/a.txt")), "one name a file");
}

#[tokio::test]
async fn head_is_get_without_content() {
    let server = start().await;
    let mut client = server.client().await;
    let named = |head: &str| {
        let lines = head.lines().filter(|line| !line.starts_with("Date: "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    for path in ["/", "/a.txt", "/nothing", "/sub"] {
        let get = client.get(path).await;
        client.send(format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        let head = client.reply_to("HEAD").await;
        assert_eq!(named(&head.head), named(&get.head), "{path}");
    }
    client.send("POST /a.txt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.field("allow")), (405, Some("GET, HEAD")));
    assert_eq!(client.get("/a.txt").await.status, 200, "the connection goes on");
}

#[tokio::test]
async fn conditions_and_ranges() {
    let server = start().await;
    let mut client = server.client().await;
    let whole = client.get("/a.txt").await;
    let (etag, modified) = (whole.field("etag").unwrap(), whole.field("last-modified").unwrap());
    for (fields, status, body, content_range) in [
        (format!("If-None-Match: {etag}"), 304, "", None),
        (format!("If-None-Match: \"other\", W/{etag}"), 304, "", None),
        ("If-None-Match: *".to_owned(), 304, "", None),
        ("If-None-Match: \"other\"".to_owned(), 200, "0123456789", None),
        (format!("If-Modified-Since: {modified}"), 304, "", None),
        ("If-Modified-Since: Mon, 01 Jan 1990 00:00:00 GMT".to_owned(), 200, "0123456789", None),
        ("If-Match: \"other\"".to_owned(), 412, "", None),
        ("Range: bytes=2-4".to_owned(), 206, "234", Some("bytes 2-4/10")),
        ("Range: bytes=-3".to_owned(), 206, "789", Some("bytes 7-9/10")),
        ("Range: bytes=8-".to_owned(), 206, "89", Some("bytes 8-9/10")),
        ("Range: bytes=20-".to_owned(), 416, "", Some("bytes */10")),
        ("Range: lines=1-2".to_owned(), 200, "0123456789", None),
        (format!("Range: bytes=0-0\r\nIf-Range: {etag}"), 206, "0", Some("bytes 0-0/10")),
        ("Range: bytes=0-0\r\nIf-Range: \"other\"".to_owned(), 200, "0123456789", None),
    ] {
        client.send(format!("GET /a.txt HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n\r\n")).await;
        let reply = client.reply().await;
        assert_eq!(reply.status, status, "{fields}");
        assert_eq!(reply.field("content-range"), content_range, "{fields}");
        if status < 400 {
            assert_eq!(reply.text(), body, "{fields}");
        }
        if status == 304 {
            assert_eq!(reply.field("etag"), Some(etag), "{fields}");
        }
    }
}

#[tokio::test]
async fn no_path_leads_out() {
    let server = start().await;
    for path in [
        "/../secret",
        "/sub/../../secret",
        "/%2e%2e/secret",
        "/..%2fsecret",
        "/%2e%2e%2fsecret",
        "/..%5csecret",
        "/.%2e/secret",
        "//../secret",
        "/out",
        "/%00/../secret",
        "/a.txt%00",
        "/sub/%2e%2e/%2e%2e/secret",
        "/....//secret",
        "/etc/passwd",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
    ] {
        let mut client = server.client().await;
        client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        let reply = client.reply().await;
        assert!(matches!(reply.status, 400 | 404), "{path}: {}", reply.head);
        assert!(!reply.text().contains("SECRET"), "{path}");
    }
}

/// Different in each of its bytes' neighbourhoods, so that a shifted copy is seen.
fn large(bytes: usize) -> Vec<u8> {
    (0..bytes / 8).flat_map(|n| (n as u64).to_be_bytes()).collect()
}

async fn start_with_large(content: &[u8]) -> Running {
    let folder = files();
    std::fs::write(folder.path().join("www/large"), content).unwrap();
    let site = SiteBuilder::new().dir("/", "{}/www/");
    Running::start_in(folder, &site, Some("127.0.0.1:0".parse().unwrap())).await
}

#[tokio::test]
async fn a_large_file_arrives_whole_and_the_connection_goes_on() {
    let content = large(20 << 20);
    let server = start_with_large(&content).await;
    let mut client = server.client().await;
    let reply = client.get("/large").await;
    assert_eq!(reply.field("content-length"), Some("20971520"));
    assert!(reply.body == content, "20 MiB arrive as they are");
    let (first, last) = (3 << 20, (19 << 20) + 1);
    client
        .send(format!(
            "GET /large HTTP/1.1\r\nHost: localhost\r\nRange: bytes={first}-{last}\r\n\r\n"
        ))
        .await;
    let reply = client.reply().await;
    assert_eq!(reply.status, 206);
    assert!(reply.body == content[first..=last], "16 MiB from the middle");
    assert_eq!(client.get("/a.txt").await.text(), "0123456789");
}

#[tokio::test]
async fn a_client_that_stops_reading_holds_up_nobody_and_is_cut_off() {
    let content = large(20 << 20);
    let folder = files();
    std::fs::write(folder.path().join("www/large"), &content).unwrap();
    let site = SiteBuilder::new().dir("/", "{}/www/").setting("timeout.write", "1");
    let server = Running::start_in(folder, &site, Some("127.0.0.1:0".parse().unwrap())).await;
    let mut stuck = Client::connect_with_small_buffer(server.addr()).await;
    stuck.send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    stuck.until(b"\r\n\r\n").await;
    let mut other = server.client().await;
    assert_eq!(other.get("/a.txt").await.status, 200);
    // It reads nothing until the server has given it up.
    server.until_open(1).await;
    assert!(stuck.rest().await.len() < content.len(), "the client was given all of it");
    assert_eq!(other.get("/a.txt").await.status, 200);
    drop(other);
    let log = server.stop().await;
    let line = log.iter().find(|line| line.path == "/large").unwrap();
    assert_eq!((line.status.as_str(), line.close.as_str()), ("200", "deadline_write"));
    assert!(line.sent.parse::<usize>().unwrap() < content.len(), "{line:?}");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let content = large(3 << 20);
    let server = start_with_large(&content).await;
    let mut client = server.client().await;
    let paths = ["/a.txt", "/large", "/nothing", "/sub/", "/large", "/a.txt"];
    let requests: Vec<String> = paths
        .iter()
        .map(|path| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        .collect();
    client.send(requests.concat()).await;
    for path in paths {
        let reply = client.reply().await;
        match path {
            "/a.txt" => assert_eq!(reply.text(), "0123456789"),
            "/large" => assert!(reply.body == content),
            "/sub/" => assert_eq!(reply.text(), "sub"),
            _ => assert_eq!(reply.status, 404),
        }
    }
}

/// A look at the disk is good for `cache_ttl`, and for a second at least.
#[tokio::test]
async fn a_change_is_served_whole_and_soon() {
    let server = start().await;
    let mut client = server.client().await;
    let path = server.folder().join("www/a.txt");
    let mut before = client.get("/a.txt").await;
    for content in ["changed", "changed again, longer", ""] {
        std::fs::write(&path, content).unwrap();
        let changed = Instant::now();
        let after = loop {
            let reply = client.get("/a.txt").await;
            if reply.text() == content {
                break reply;
            }
            assert_eq!((reply.status, reply.text()), (200, before.text()), "old or new, no mix");
            assert!(changed.elapsed() < PATIENCE, "{content:?} is never served");
        };
        assert_ne!(after.field("etag"), before.field("etag"));
        before = after;
    }
    std::fs::remove_file(&path).unwrap();
    let removed = Instant::now();
    while client.get("/a.txt").await.status != 404 {
        assert!(removed.elapsed() < PATIENCE, "a removed file is served for ever");
    }
}
