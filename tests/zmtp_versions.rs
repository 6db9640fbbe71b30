//! Handlers of every ZMTP that the field has, written byte by byte.

use crate::harness::{Handler, HandlerSpec, Message, Running, SiteBuilder, Zmtp, asked, ok};

/// A request and its answer, short and long; then the word that the client has left.
async fn is_served(zmtp: Zmtp, version: (u8, u8)) {
    for spec in [HandlerSpec::over_tcp(), HandlerSpec::named("main")] {
        let server = Running::start(&SiteBuilder::new().handler_with("/", &spec)).await;
        let spec = spec.within(server.folder());
        let mut handler = Handler::connect_speaking(zmtp, &spec).await;
        let stats = server.server.live().handler(0).link().stats();
        assert_eq!((stats.peers[0].name.version, stats.publishers.len()), (version, 1), "{spec:?}");

        let (mut client, request) = asked(&server, &mut handler, "/a").await;
        handler.answer(&request, "hello").await;
        assert_eq!(client.reply().await.text(), "hello");
        let body = "long ".repeat(2000);
        let head = format!("Host: localhost\r\nContent-Length: {}", body.len());
        client.send(format!("PUT /b HTTP/1.1\r\n{head}\r\n\r\n{body}")).await;
        let Message { conn, body: uploaded, .. } = handler.request().await;
        assert!(uploaded == body.as_bytes());
        handler.reply(conn, ok(&body)).await;
        assert!(client.reply().await.body == body.as_bytes());
        drop(client);
        assert_eq!(handler.notice().await, conn);
    }
}

#[tokio::test]
async fn version_2_0() {
    is_served(Zmtp::V2_0, (2, 0)).await;
}

#[tokio::test]
async fn version_3_0() {
    is_served(Zmtp::V3_0, (3, 0)).await;
}

#[tokio::test]
async fn version_3_1() {
    is_served(Zmtp::V3_1, (3, 1)).await;
}

#[tokio::test]
async fn only_who_knows_what_a_ping_is_is_sent_one() {
    let site = SiteBuilder::new().handler("/", "main").setting("handler.heartbeat", "0.05");
    let server = Running::start(&site).await;
    let spec = HandlerSpec::named("main").within(server.folder());
    let mut old = [
        Handler::connect_speaking(Zmtp::V2_0, &spec).await,
        Handler::connect_speaking(Zmtp::V3_0, &spec).await,
    ];
    // Three times as long as those would have waited for theirs.
    for _ in 0..3 {
        Handler::connect_speaking(Zmtp::V3_1, &spec).await.pinged().await;
    }
    server.stop().await;
    for handler in &mut old {
        handler.ended().await;
    }
}
