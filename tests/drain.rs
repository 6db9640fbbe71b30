//! Handlers that end: those that drain lose no request, those that are killed lose none that may be
//! sent twice.

use crate::harness::{
    Client, HandlerSpec, Message, Running, SiteBuilder, has_pyzmq, python, until, within,
};
use handler::{HandlerOptions, Request, Response};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout};
use tokio::task::JoinSet;

/// A process connected to the handler sockets `main`; killed when dropped.
fn process(server: &Running, program: &str, arguments: &[&str]) -> Child {
    let spec = HandlerSpec::named("main").within(server.folder());
    let mut command = tokio::process::Command::new(program);
    command.args(arguments);
    if arguments.iter().all(|argument| !argument.starts_with("--")) {
        command.args([&spec.send_spec, &spec.recv_spec]);
    }
    command.env(SPECS, format!("{} {}", spec.send_spec, spec.recv_spec));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    command.spawn().unwrap()
}

const SPECS: &str = "LURCHER_TEST_SPECS";

fn sdk(server: &Running) -> Child {
    let this = std::env::current_exe().unwrap();
    let name = "drain::the_process_of_a_handler";
    process(server, this.to_str().unwrap(), &[name, "--exact", "--ignored", "--nocapture"])
}

#[tokio::test]
#[ignore = "the tests below run it as a process"]
async fn the_process_of_a_handler() {
    let specs = std::env::var(SPECS).unwrap();
    let (send, recv) = specs.split_once(' ').unwrap();
    let handler = handler::Handler::connect(HandlerOptions::new(send, recv)).await.unwrap();
    let answer = |request: Request| async move { Response::text(200, request.path().into_owned()) };
    handler.serve(answer).await.unwrap();
}

fn signal(child: &Child, signal: &str) {
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
}

/// Clients that ask one thing after the other, GET and POST in turn, until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: JoinSet<()>,
}

impl Load {
    fn start(server: &Running) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut clients = JoinSet::new();
        for _ in 0..16 {
            let (addr, stop, answered) = (server.addr(), Arc::clone(&stop), Arc::clone(&answered));
            clients.spawn(async move {
                let mut client = Client::connect(addr).await;
                while !stop.load(Ordering::Relaxed) {
                    for head in ["GET /h", "POST /h"] {
                        let rest = "HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi";
                        client.send(format!("{head} {rest}")).await;
                        let reply = client.reply().await;
                        assert_eq!(reply.status, 200, "{head}: {}", reply.text());
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        Self { stop, answered, clients }
    }

    async fn so_many_more(&self, count: usize) {
        let enough = self.answered.load(Ordering::Relaxed) + count;
        until(|| self.answered.load(Ordering::Relaxed) >= enough).await;
    }

    async fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = within(self.clients.join_next()).await {
            ended.unwrap();
        }
    }
}

/// Under load, one of two is told to end, and another one comes, and so on; then the only one, and
/// what comes until there is another waits.
async fn nothing_is_lost(start: impl Fn(&Running) -> Child) {
    let server = Running::start(&SiteBuilder::new().handler("/h", "main")).await;
    let mut one = start(&server);
    server.until_peers(1).await;
    let load = Load::start(&server);
    load.so_many_more(50).await;
    for _ in 0..3 {
        let two = start(&server);
        server.until_peers(2).await;
        load.so_many_more(200).await;
        signal(&one, "-TERM");
        assert!(within(one.wait()).await.unwrap().success());
        server.until_peers(1).await;
        load.so_many_more(200).await;
        one = two;
    }
    signal(&one, "-TERM");
    assert!(within(one.wait()).await.unwrap().success());
    let _other = start(&server);
    load.so_many_more(200).await;
    load.end().await;
    let stats = server.server.live().handler(0).link().stats();
    assert_eq!((stats.lost, stats.retries, stats.timeouts), (0, 0, 0), "{stats:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sdk_handler_that_gets_sigterm_loses_nothing() {
    nothing_is_lost(sdk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manuals_python_handler_that_gets_sigterm_loses_nothing() {
    if !has_pyzmq() {
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/manual/examples/drain.py");
    nothing_is_lost(|server| process(server, &python(), &[script])).await;
}

#[tokio::test]
async fn a_drain_is_taken_from_whom_it_is_meant_for_only() {
    let server = Running::start(&SiteBuilder::new().handler("/h", "main")).await;
    let mut handler = server.handler("main").await;
    let (mut client, request) = crate::harness::asked(&server, &mut handler, "/h").await;
    for nobody in
        ["23:3:ctl,13:5:drain,2:xx,}]", "23:3:ctl,13:5:drain,2:x,,}]", "19:3:ctl,9:5:drain,}]"]
    {
        handler.send(format!("me 3:X 0, {nobody}")).await;
    }
    handler.send("me 3:X 9, 25:3:ctl,15:5:drain,4:true!}]").await;
    let ids = format!("X {}", request.conn);
    let drain = format!("me {}:{ids}, 25:3:ctl,15:5:drain,4:true!}}]", ids.len());
    handler.send(&drain).await;
    handler.send(&drain).await;
    let last = handler.next().await;
    assert_eq!(last.raw, drained());
    let mut second = server.handler("main").await;
    let (mut other, asked) = crate::harness::asked(&server, &mut second, "/h").await;
    second.answer(&asked, "by the second").await;
    assert_eq!(other.reply().await.text(), "by the second");
    handler.answer(&request, "by the first").await;
    assert_eq!(client.reply().await.text(), "by the first");
}

fn drained() -> Vec<u8> {
    let body = "17:{\"METHOD\":\"JSON\"},18:{\"type\":\"drained\"},";
    format!("{} 0 @* {body}", crate::harness::UUID).into_bytes()
}

/// A libzmq handler that takes requests and answers none.
struct Holder {
    child: Child,
    lines: tokio::io::Lines<BufReader<ChildStdout>>,
}

impl Holder {
    async fn start(server: &Running) -> Self {
        let before = server.server.live().handler(0).link().peers();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/interop/hold.py");
        let mut child = process(server, &python(), &[script]);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        server.until_peers(before + 1).await;
        Self { child, lines }
    }

    async fn takes(&mut self) -> String {
        within(self.lines.next_line()).await.unwrap().unwrap()
    }

    /// As SIGKILL ends it.
    async fn kill(mut self) {
        within(self.child.kill()).await.unwrap();
    }
}

async fn ask(server: &Running, method: &str, path: &str) -> Client {
    let mut client = server.client().await;
    let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
    client.send(format!("{head}Content-Length: 2\r\n\r\nhi")).await;
    client
}

#[tokio::test]
async fn a_killed_libzmq_handlers_requests_go_on_or_fail_at_once() {
    if !has_pyzmq() {
        return;
    }
    let site = SiteBuilder::new().handler("/h", "main").setting("handler.retries", "1");
    let server = Running::start(&site).await;
    let mut holder = Holder::start(&server).await;
    let mut waiting = Vec::new();
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST", "PATCH"] {
        let path = format!("/h/{method}");
        let client = ask(&server, method, &path).await;
        assert_eq!(holder.takes().await, path);
        waiting.push((method, client));
    }
    holder.kill().await;
    let mut once_more = waiting.split_off(0);
    for (method, client) in once_more.split_off(5) {
        let mut client = client;
        let reply = client.reply_to(method).await;
        assert_eq!(reply.status, 502, "{method}");
        assert!(
            reply.text().ends_with("The handler left without an answer.\n"),
            "{}",
            reply.text()
        );
    }
    let mut holder = Holder::start(&server).await;
    for _ in 0..once_more.len() {
        holder.takes().await;
    }
    holder.kill().await;
    for (method, mut client) in once_more {
        assert_eq!(client.reply_to(method).await.status, 502, "{method}, tried twice");
    }
    let stats = server.server.live().handler(0).link().stats();
    assert_eq!((stats.retries, stats.lost, stats.open), (5, 7, 0), "{stats:?}");
}

#[tokio::test]
async fn a_handler_holds_max_pending_and_a_new_one_helps_at_once() {
    let site = || SiteBuilder::new().handler("/h", "main");
    let server = Running::start(&site().setting("handler.max_pending", "2")).await;
    let mut slow = server.handler("main").await;
    let mut clients = Vec::new();
    for n in 0..5 {
        clients.push(ask(&server, "GET", &format!("/h/{n}")).await);
        let expected = usize::max(n, 1) - 1;
        until(|| {
            let stats = server.server.live().handler(0).link().stats();
            (stats.queued, stats.open) == (expected, n + 1)
        })
        .await;
    }
    let held = [slow.request().await, slow.request().await];
    let mut new = server.handler("main").await;
    let helped = [new.request().await, new.request().await];
    let paths = |messages: &[Message; 2]| messages.each_ref().map(|m| m.path.clone());
    assert_eq!(
        (paths(&held), paths(&helped)),
        (["/h/0", "/h/1"].map(str::to_owned), ["/h/2", "/h/3"].map(str::to_owned))
    );
    // A reload that lifts the bound loses nothing of what waits or is held.
    server.reload(&site()).await.unwrap();
    let last = slow.request().await;
    assert_eq!(last.path, "/h/4");
    for request in held.iter().chain([&last]) {
        slow.answer(request, &request.path).await;
    }
    for request in &helped {
        new.answer(request, &request.path).await;
    }
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.reply().await.text(), format!("/h/{n}"));
    }
}

#[tokio::test]
async fn least_pending_gives_to_who_has_least() {
    let site = || SiteBuilder::new().handler("/h", "main");
    let server = Running::start(&site()).await;
    let mut busy = server.handler("main").await;
    let _held = ask(&server, "GET", "/h/held").await;
    busy.request().await;
    let mut idle = server.handler("main").await;
    server.reload(&site().setting("handler.balance", "least_pending")).await.unwrap();
    // They stay, because notices go to either handler.
    let mut kept = Vec::new();
    for n in 0..4 {
        let mut client = ask(&server, "GET", &format!("/h/{n}")).await;
        let request = idle.request().await;
        idle.answer(&request, "idle").await;
        assert_eq!(client.reply().await.text(), "idle");
        kept.push(client);
    }
}
