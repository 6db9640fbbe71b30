//! SIGHUP's work: a new configuration whole or not at all, and no connection lost over it.

use crate::harness::{
    Client, Handler, HandlerSpec, Running, SiteBuilder, asked, free_ports, ok, within,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use store::Cell;

async fn start(site: &SiteBuilder) -> Running {
    let folder = tempfile::tempdir().unwrap();
    for name in ["one", "two"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        std::fs::write(folder.path().join(name).join("f"), name).unwrap();
    }
    Running::start_in(folder, site, Some("127.0.0.1:0".parse().unwrap())).await
}

#[tokio::test]
async fn routes_hosts_and_settings_change_under_open_connections() {
    let server = start(&SiteBuilder::new().dir("/", "{}/one/")).await;
    let mut client = server.client().await;
    assert_eq!(client.get("/f").await.text(), "one");
    let site = SiteBuilder::new()
        .dir("/", "{}/two/")
        .dir("/one/", "{}/one/")
        .host("new.example")
        .dir("/", "{}/one/")
        .setting("limits.url_path", "9000");
    server.reload(&site).await.unwrap();
    assert_eq!(client.get("/f").await.text(), "two", "the same connection, the new site");
    assert_eq!(client.get("/one/f").await.text(), "one");
    client.send("GET /f HTTP/1.1\r\nHost: new.example\r\n\r\n").await;
    assert_eq!(client.reply().await.text(), "one");
    assert_eq!(client.get(&format!("/{}", "x".repeat(8500))).await.status, 404);
    // And back: what is gone is gone, on a connection that has been idle too.
    server.reload(&SiteBuilder::new().dir("/", "{}/one/")).await.unwrap();
    let mut idle = client;
    assert_eq!(idle.get(&format!("/{}", "x".repeat(8500))).await.status, 414);
    let mut client = server.client().await;
    assert_eq!(client.get("/f").await.text(), "one");
    assert_eq!(client.get("/one/f").await.status, 404);
    assert_eq!(client.get(&format!("/{}", "x".repeat(8500))).await.status, 414);
}

#[tokio::test]
async fn a_busy_connection_finishes_under_the_site_it_began_with() {
    let server = start(&SiteBuilder::new().handler("/", "main")).await;
    let mut handler = server.handler("main").await;
    let (mut client, request) = asked(&server, &mut handler, "/f").await;
    handler.reply(request.conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst").await;
    client.until(b"first").await;
    // The handler's row is gone, its exchange is not.
    server.reload(&SiteBuilder::new().dir("/", "{}/two/")).await.unwrap();
    handler.reply(request.conn, "after").await;
    assert_eq!(client.exactly(5).await, b"after");
    assert_eq!(client.get("/f").await.text(), "two");
}

#[tokio::test]
async fn a_faulty_configuration_is_refused_whole() {
    let site = SiteBuilder::new().dir("/", "{}/one/").handler("/h", "main");
    let server = start(&site).await;
    let mut handler = server.handler("main").await;
    let mut client = server.client().await;
    assert_eq!(client.get("/f").await.text(), "one");
    let faulty = SiteBuilder::new()
        .dir("/", "{}/two/")
        .handler("/h", "main")
        .handler("/new", "new")
        .setting("limits.connections", "many")
        .rows(|rows| {
            rows.routes[0].target_id = Cell::Integer(99);
            rows.handlers[1].send_spec = Cell::Text("nowhere".to_owned());
            rows.servers[0].default_host = Cell::Text("missing".to_owned());
        });
    let faults = server.reload(&faulty).await.unwrap_err();
    for part in ["limits.connections", "'many'", "99", "'nowhere'", "'missing'"] {
        assert!(faults.contains(part), "{part} in {faults}");
    }
    assert_eq!(client.get("/f").await.text(), "one", "the old one serves on");
    client.send("GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let request = handler.request().await;
    handler.answer(&request, "as before").await;
    assert_eq!(client.reply().await.text(), "as before");
    assert_eq!(client.get("/new").await.status, 404);
}

/// A fault that shows only when sockets are bound.
#[tokio::test]
async fn sockets_that_can_not_be_bound_leave_the_old_configuration() {
    let site = SiteBuilder::new().dir("/", "{}/one/").handler("/h", "main");
    let server = start(&site).await;
    let mut handler = server.handler("main").await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let spec = HandlerSpec {
        send_spec: format!("tcp://{}", taken.local_addr().unwrap()),
        ..HandlerSpec::named("new")
    };
    let new = site.clone().handler_with("/new", &spec).dir("/two/", "{}/two/");
    let fault = server.reload(&new).await.unwrap_err();
    assert!(fault.contains(&spec.send_spec), "{fault}");
    let mut client = server.client().await;
    assert_eq!(client.get("/two/f").await.status, 404);
    client.send("GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let request = handler.request().await;
    handler.answer(&request, "as before").await;
    assert_eq!(client.reply().await.text(), "as before");
    // Once the address is free, the same reload works.
    drop(taken);
    server.reload(&new).await.unwrap();
    assert_eq!(client.get("/two/f").await.text(), "two");
    handler.expect_silence(&server, "/h").await;
}

#[tokio::test]
async fn a_database_that_is_gone_or_broken_changes_nothing() {
    let server = start(&SiteBuilder::new().dir("/", "{}/one/")).await;
    let database = server.folder().join("config.sqlite");
    let kept = std::fs::read(&database).unwrap();
    let mut client = server.client().await;
    std::fs::remove_file(&database).unwrap();
    assert!(server.server.reload().await.is_err());
    std::fs::write(&database, "this is no database, however long it may be").unwrap();
    assert!(server.server.reload().await.is_err());
    assert_eq!(client.get("/f").await.text(), "one");
    std::fs::write(&database, kept).unwrap();
    server.server.reload().await.unwrap();
    assert_eq!(client.get("/f").await.text(), "one");
}

#[tokio::test]
async fn handlers_come_stay_and_go() {
    let server = start(&SiteBuilder::new().handler("/a", "a")).await;
    let mut a = server.handler("a").await;
    let (mut client, first) = asked(&server, &mut a, "/a").await;
    server.reload(&SiteBuilder::new().handler("/a", "a").handler("/b", "b")).await.unwrap();
    let mut b = server.handler("b").await;
    // `a` is still connected, its open request too.
    a.answer(&first, "a").await;
    assert_eq!(client.reply().await.text(), "a");
    client.send("GET /b HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let request = b.request().await;
    b.answer(&request, "b").await;
    assert_eq!(client.reply().await.text(), "b");
    server.reload(&SiteBuilder::new().handler("/b", "b")).await.unwrap();
    assert_eq!(client.get("/a").await.status, 404);
    client.send("GET /b HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let request = b.request().await;
    b.answer(&request, "b again").await;
    assert_eq!(client.reply().await.text(), "b again");
    // Whom the connection has spoken to hears of its end, and then its link is over.
    drop(client);
    assert_eq!(b.notice().await, request.conn);
    assert_eq!(a.notice().await, request.conn);
    a.ended().await;
    b.expect_silence(&server, "/b").await;
}

/// A row that changes what it speaks gives up its sockets, which must not be for nothing.
#[tokio::test]
async fn a_changed_row_survives_the_fault_of_another() {
    let old = SiteBuilder::new().handler("/h", "main");
    let server = start(&old).await;
    let mut handler = server.handler("main").await;
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    handler.answer(&request, "ok").await;
    client.reply().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let spec = HandlerSpec {
        send_spec: format!("tcp://{}", taken.local_addr().unwrap()),
        ..HandlerSpec::named("new")
    };
    let changed = old.clone().handler_with("/new", &spec).rows(|rows| {
        rows.handlers[0].protocol = Cell::Text("tnetstring".to_owned());
    });
    server.reload(&changed).await.unwrap_err();
    handler.expect_silence(&server, "/h").await;
    // There and back again, while a connection still knows the first link.
    drop(taken);
    server.reload(&changed).await.unwrap();
    server.handler("main").await.expect_silence(&server, "/h").await;
    server.reload(&old).await.unwrap();
    server.handler("main").await.expect_silence(&server, "/h").await;
    assert_eq!(client.get("/none").await.status, 404);
}

/// An idle connection that has spoken to the handler must not keep its sockets from being bound.
#[tokio::test]
async fn a_handler_that_was_taken_away_can_be_put_back() {
    let [send, recv] = free_ports();
    let tcp = HandlerSpec {
        send_spec: format!("tcp://127.0.0.1:{send}"),
        recv_spec: format!("tcp://127.0.0.1:{recv}"),
        protocol: "json",
    };
    for spec in [HandlerSpec::named("main"), tcp] {
        let with = SiteBuilder::new().handler_with("/h", &spec);
        let server = start(&with).await;
        let spec = spec.within(server.folder());
        let mut before = Handler::connect(&spec).await;
        let (mut client, request) = asked(&server, &mut before, "/h").await;
        before.answer(&request, "before").await;
        assert_eq!(client.reply().await.text(), "before");
        server.reload(&SiteBuilder::new().dir("/", "{}/one/")).await.unwrap();
        server.reload(&with).await.unwrap();
        let mut after = server.connect(&spec).await;
        client.send("GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        let request = after.request().await;
        after.answer(&request, "after").await;
        assert_eq!(client.reply().await.text(), "after");
    }
}

#[tokio::test]
async fn a_handler_row_may_change_its_ident_or_protocol() {
    let server = start(&SiteBuilder::new().handler("/h", "main")).await;
    let mut before = server.handler("main").await;
    let (mut client, request) = asked(&server, &mut before, "/h").await;
    before.answer(&request, "before").await;
    assert_eq!(client.reply().await.text(), "before");
    let site = SiteBuilder::new().handler("/h", "main").rows(|rows| {
        rows.handlers[0].send_ident = Cell::Text("another-ident".to_owned());
        rows.handlers[0].protocol = Cell::Text("tnetstring".to_owned());
    });
    server.reload(&site).await.unwrap();
    let mut after = server.handler("main").await;
    client.send("GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let request = after.request().await;
    assert_eq!(request.sender, b"another-ident");
    assert!(request.raw.windows(10).any(|at| at == b"6:METHOD,3"), "{:?}", request.raw);
    after.answer(&request, "after").await;
    assert_eq!(client.reply().await.text(), "after");
}

#[tokio::test]
async fn the_port_may_change() {
    let [first, second] = free_ports().map(|port: u16| SocketAddr::from(([127, 0, 0, 1], port)));
    let site = |addr: SocketAddr| {
        let port = Cell::Integer(i64::from(addr.port()));
        SiteBuilder::new().dir("/", "{}/").rows(|rows| rows.servers[0].port = port)
    };
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start_in(folder, &site(first), None).await;
    assert_eq!(server.addr(), first);
    let mut old = Client::connect(first).await;
    assert_eq!(old.get("/x").await.status, 404);
    server.reload(&site(second)).await.unwrap();
    assert_eq!(server.addr(), second);
    let mut new = Client::connect(second).await;
    assert_eq!(new.get("/x").await.status, 404);
    assert_eq!(old.get("/x").await.status, 404, "what is connected stays");
    // The old socket closes when its task has heard of it.
    within(async { while tokio::net::TcpStream::connect(first).await.is_ok() {} }).await;
    // A port that is taken is refused, and the server stays where it is.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    server.reload(&site(taken.local_addr().unwrap())).await.unwrap_err();
    assert_eq!(new.get("/x").await.status, 404);
    assert_eq!(Client::connect(second).await.get("/x").await.status, 404);
}

/// Clients in a loop, on old and on new connections, while the site changes under them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_request_fails_while_the_site_is_reloaded() {
    const CLIENTS: usize = 16;
    const RELOADS: usize = 25;
    let site =
        |name: &str| SiteBuilder::new().dir("/", &format!("{{}}/{name}/")).handler("/h", "main");
    let server = Arc::new(start(&site("one")).await);
    let _serving = server.handler("main").await.serve();
    let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (server, stop) = (Arc::clone(&server), Arc::clone(&stop));
            let served = Arc::clone(&served);
            tokio::spawn(async move {
                let mut client = server.client().await;
                for round in number.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    if round % 5 == 0 {
                        client = server.client().await;
                    }
                    if round % 2 == 0 {
                        let reply = client.get("/f").await;
                        assert_eq!(reply.status, 200, "{}", reply.head);
                        assert!(matches!(reply.text(), "one" | "two"), "{}", reply.text());
                    } else {
                        let reply = client.get(&format!("/h/{round}")).await;
                        assert_eq!((reply.status, reply.text()), (200, &*format!("/h/{round}")));
                    }
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for round in 0..RELOADS {
        server.reload(&site(["two", "one"][round % 2])).await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        within(client).await.expect("a client's request failed");
    }
    let served = served.load(Ordering::Relaxed);
    assert!(served > CLIENTS * 5, "only {served} requests were made");
}

#[tokio::test]
async fn connection_ids_go_on_counting_and_old_ids_stay_known() {
    let site = SiteBuilder::new().handler("/h", "main");
    let server = start(&site).await;
    let mut handler = server.handler("main").await;
    let (mut first, one) = asked(&server, &mut handler, "/h").await;
    server.reload(&site.setting("timeout.idle", "30")).await.unwrap();
    let (mut second, two) = asked(&server, &mut handler, "/h").await;
    assert!(two.conn > one.conn);
    handler.reply_to_many(&[one.conn, two.conn], ok("both")).await;
    assert_eq!((first.reply().await.text(), second.reply().await.text()), ("both", "both"));
}

/// A handler that was connected before a reload gets the requests after it.
#[tokio::test]
async fn a_link_that_stays_is_the_same_link() {
    let site = SiteBuilder::new().handler("/h", "main");
    let server = start(&site).await;
    let mut handler: Handler = server.handler("main").await;
    for round in 0..5 {
        server.reload(&site.clone().setting("timeout.idle", &format!("3{round}"))).await.unwrap();
        handler.expect_silence(&server, "/h").await;
    }
}
