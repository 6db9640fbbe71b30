//! `limits.min_ping`, `min_read_rate`, `min_write_rate` and `kill_limit`: who is closed, and who hears of it.

use crate::harness::{Handler, Running, SiteBuilder, asked};
use std::time::{Duration, Instant};

/// Ten ticks a second, and a sign of life every 300 ms at least.
fn site() -> SiteBuilder {
    SiteBuilder::new()
        .handler("/h", "main")
        .setting("limits.tick_timer", "0.1")
        .setting("limits.min_ping", "0.3")
}

async fn keep_alive(handler: &mut Handler, conn: u64) {
    let id = conn.to_string();
    let length = id.len() + 2;
    handler
        .send(format!("raw-handler {length}:X {id}, 31:3:ctl,21:10:keep-alive,4:true!}}]"))
        .await;
}

#[tokio::test]
async fn a_silent_client_is_closed_without_a_word() {
    let server = Running::start(&site()).await;
    let began = Instant::now();
    let mut idle = server.client().await;
    let mut half = server.client().await;
    half.send("GET /h HTTP/1.1\r\nHo").await;
    idle.closed().await;
    half.closed().await;
    assert!(began.elapsed() >= Duration::from_millis(200), "{:?}", began.elapsed());
    server.until_open(0).await;
}

#[tokio::test]
async fn a_long_poll_lives_while_its_handler_says_so_and_then_the_handler_hears_of_the_end() {
    let server = Running::start(&site()).await;
    let mut handler = server.handler("main").await;
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    let began = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    while began.elapsed() < Duration::from_millis(1500) {
        tick.tick().await;
        keep_alive(&mut handler, request.conn).await;
    }
    handler.answer(&request, "still here").await;
    assert_eq!(client.reply().await.text(), "still here");
    client.send("GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let again = handler.request().await;
    assert_eq!(handler.notice().await, again.conn);
    client.closed().await;
    let log = server.stop().await;
    let closes: Vec<_> =
        log.iter().map(|line| (line.status.as_str(), line.close.as_str())).collect();
    assert_eq!(closes, [("200", "-"), ("0", "deadline_ping")]);
}

#[tokio::test]
async fn a_body_that_trickles_is_closed_when_only_the_rate_counts() {
    let site = SiteBuilder::new()
        .handler("/h", "main")
        .setting("limits.tick_timer", "0.1")
        .setting("limits.min_ping", "0")
        .setting("limits.min_write_rate", "0")
        .setting("limits.min_read_rate", "1000")
        .setting("limits.kill_limit", "0");
    let server = Running::start(&site).await;
    let mut handler = server.handler("main").await;
    let mut client = server.client().await;
    client.send("POST /h HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc").await;
    client.closed().await;
    let log = server.stop().await;
    assert_eq!(log[0].short(), ("/h", "0", "limit_read_rate"));
    handler.ended().await;
}

#[tokio::test]
async fn fewer_rules_than_kill_limit_close_nobody() {
    let server = Running::start(&site().setting("limits.min_read_rate", "0")).await;
    let mut client = server.client().await;
    tokio::time::timeout(Duration::from_secs(1), client.closed()).await.expect_err("it stays open");
}

/// The answer is out; what trickles in behind it is not worth a deadline with each byte.
#[tokio::test]
async fn a_body_that_nobody_wants_has_one_deadline() {
    let site = SiteBuilder::new().dir("/", "{}/").setting("timeout.body", "1");
    let server = Running::start(&site).await;
    let mut client = server.client().await;
    client.send("POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n").await;
    assert_eq!(client.reply().await.status, 405);
    client.trickle().await;
    client.closed().await;
    let log = server.stop().await;
    assert_eq!(log[0].short(), ("/x", "405", "deadline_body"));
}
