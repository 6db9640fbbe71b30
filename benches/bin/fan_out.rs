//! One reply to 128 connections, with 10,000 connected: what it costs in memory, and how fast it is.
//!
//! `fan_out [CLIENTS]` starts a server and its clients as programs of their own, so that the
//! memory it reads is the server's alone, and is itself the handler.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use handler::{Handler, HandlerOptions};
use server::{Boot, Server};
use store::Cell;
use store::rows::{HandlerRow, HostRow, RouteRow, Rows, ServerRow};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Semaphore;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Connections one reply names: `limits.handler_targets`.
const TARGETS: usize = 128;
const UUID: &str = "82209006-86FF-4982-B5EA-D1E29E55D481";
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// Connections opened at once.
const OPENING_MAX: usize = 200;
/// The reply that clients are sent which never read.
const LARGE_BYTES: usize = 32 << 20;

#[tokio::main]
async fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["server", folder] => serve(Path::new(folder)).await,
        ["clients", addr, count, "reading"] => clients(addr.parse()?, count.parse()?, true).await,
        ["clients", addr, count, "stalled"] => clients(addr.parse()?, count.parse()?, false).await,
        // `cargo bench` and `cargo run` may add options.
        rest => measure(rest.iter().find_map(|word| word.parse().ok()).unwrap_or(10_000)).await,
    }
}

async fn measure(count: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Role::start(&["server", &folder.path().display().to_string()]).await?;
    let addr = server.line().await?;
    let spec = |name: &str| format!("ipc://{}/{name}", folder.path().display());
    let options = HandlerOptions::new(spec("push"), spec("sub"));
    let mut handler = Handler::connect(options).await?;
    let idle = server.resident()?;
    let mut readers = Role::start(&["clients", &addr, &count.to_string(), "reading"]).await?;
    let conns = connections(&mut handler, count).await?;
    readers.line().await?;
    let open = server.resident()?;
    println!("{count} connections: {:.2} KiB each", kib(open - idle) / count as f64);

    let mut expected = 0_u64;
    for size in [256, 4 << 10, 64 << 10] {
        let rounds = (512 << 20) / (size * count) + 1;
        let body = vec![b'x'; size];
        let began = Instant::now();
        for _ in 0..rounds {
            for group in conns.chunks(TARGETS) {
                handler.reply_many(group, &body).await?;
            }
        }
        expected += (rounds * count * size) as u64;
        readers.tell(&expected.to_string()).await?;
        readers.line().await?;
        let seconds = began.elapsed().as_secs_f64();
        let deliveries = (rounds * count) as f64;
        println!(
            "{size:>6} bytes to {TARGETS} ids: {:>9.0} deliveries/s  {:>6.0} MB/s",
            deliveries / seconds,
            deliveries * size as f64 / seconds / 1e6,
        );
    }

    let mut stalled = Role::start(&["clients", &addr, &TARGETS.to_string(), "stalled"]).await?;
    let conns = connections(&mut handler, TARGETS).await?;
    stalled.line().await?;
    let before = server.resident()?;
    handler.reply_many(&conns, vec![b'y'; LARGE_BYTES]).await?;
    let after = server.settled(before + LARGE_BYTES as u64 / 2).await?;
    let times = after.saturating_sub(before) as f64 / LARGE_BYTES as f64;
    println!(
        "{} MiB to {TARGETS} clients that do not read: {times:.2} times the reply in memory",
        LARGE_BYTES >> 20,
    );
    // The reply, and what kernel and allocator round up: a copy for each would be 128 times it.
    if times > 2.0 {
        return Err("the clients of one reply do not share its bytes".into());
    }
    Ok(())
}

/// The ids of so many connections that have asked.
async fn connections(handler: &mut Handler, count: usize) -> Result<Vec<u64>> {
    let mut conns = Vec::with_capacity(count);
    while conns.len() < count {
        let request = handler.next().await?;
        if !request.is_notice() {
            conns.push(request.conn());
        }
    }
    Ok(conns)
}

fn kib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0
}

/// This program in another role; it ends with its standard input.
struct Role {
    child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Role {
    async fn start(words: &[&str]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let stdin = child.stdin.take().ok_or("no pipe")?;
        let stdout = child.stdout.take().ok_or("no pipe")?;
        Ok(Self { child, stdin, stdout: BufReader::new(stdout).lines() })
    }

    async fn line(&mut self) -> Result<String> {
        Ok(self.stdout.next_line().await?.ok_or("a role of this benchmark has ended")?)
    }

    async fn tell(&mut self, word: &str) -> Result<()> {
        Ok(self.stdin.write_all(format!("{word}\n").as_bytes()).await?)
    }

    /// Bytes of its memory that are resident.
    fn resident(&self) -> Result<u64> {
        let id = self.child.id().ok_or("a role of this benchmark has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).ok_or("no VmRSS")?;
        Ok(kib.trim().parse::<u64>()? * 1024)
    }

    /// Its memory once it has grown to `least` and then not for two seconds.
    async fn settled(&self, least: u64) -> Result<u64> {
        let mut again = tokio::time::interval(Duration::from_millis(100));
        let (mut highest, mut since) = (0, Instant::now());
        while highest < least || since.elapsed() < Duration::from_secs(2) {
            again.tick().await;
            let now = self.resident()?;
            if now > highest {
                (highest, since) = (now, Instant::now());
            }
        }
        Ok(highest)
    }
}

/// Connects so many clients that ask once; then tells, for each number it is told, when they have
/// read so many bytes.
async fn clients(addr: SocketAddr, count: usize, reading: bool) -> Result<()> {
    let total = Arc::new(AtomicU64::new(0));
    let opening = Arc::new(Semaphore::new(OPENING_MAX));
    let mut opened = tokio::task::JoinSet::new();
    for _ in 0..count {
        let opening = Arc::clone(&opening);
        opened.spawn(async move {
            let _place = opening.acquire_owned().await;
            let socket = TcpSocket::new_v4()?;
            if !reading {
                socket.set_recv_buffer_size(4096)?;
            }
            let mut stream = socket.connect(addr).await?;
            stream.write_all(GET).await?;
            std::io::Result::Ok(stream)
        });
    }
    let mut streams = Vec::new();
    while let Some(stream) = opened.join_next().await {
        streams.push(stream??);
    }
    println!("open");
    let mut held = Vec::new();
    for stream in streams {
        if reading {
            tokio::spawn(read(stream, Arc::clone(&total)));
        } else {
            held.push(stream);
        }
    }
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let wanted: u64 = line.parse()?;
        let mut again = tokio::time::interval(Duration::from_millis(1));
        while total.load(Ordering::Relaxed) < wanted {
            again.tick().await;
        }
        println!("read");
    }
    drop(held);
    Ok(())
}

async fn read(mut stream: TcpStream, total: Arc<AtomicU64>) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        total.fetch_add(count as u64, Ordering::Relaxed);
    }
}

/// Serves one handler until standard input ends.
async fn serve(folder: &Path) -> Result<()> {
    let database = folder.join("config.sqlite");
    store::replace(&database, &rows(folder), None)?;
    let listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let boot = Boot { database, uuid: UUID.to_owned(), listen, held: None };
    let server = Server::start(boot).await?;
    println!("{}", server.addr());
    let mut stdin = tokio::io::stdin();
    while stdin.read(&mut [0; 64]).await? > 0 {}
    Ok(())
}

fn rows(folder: &Path) -> Rows {
    let text = |text: &str| Cell::Text(text.to_owned());
    let spec = |name: &str| format!("ipc://{}/{name}", folder.display());
    let settings = [
        ("disable.access_logging", "1"),
        ("limits.connections", "20000"),
        ("superpoll.max_fd", "20000"),
        // All groups of a round may wait for one client that is served last.
        ("limits.connection_queue", "67108864"),
        ("timeout.idle", "3600"),
        ("timeout.write", "3600"),
        ("limits.min_ping", "0"),
        ("limits.min_read_rate", "0"),
        ("limits.min_write_rate", "0"),
    ];
    let mut rows = Rows {
        servers: vec![ServerRow {
            id: 1,
            uuid: text(UUID),
            access_log: text("/access.log"),
            error_log: text("/error.log"),
            chroot: Cell::Text(folder.display().to_string()),
            pid_file: text("/server.pid"),
            control_port: Cell::Text(spec("control")),
            default_host: text("localhost"),
            name: text("fan-out"),
            bind_addr: text("127.0.0.1"),
            port: Cell::Integer(1),
            use_ssl: Cell::Integer(0),
        }],
        hosts: vec![HostRow::named(1, "localhost")],
        routes: vec![RouteRow::to(1, "/", 1, ("handler", 1))],
        handlers: vec![HandlerRow::json(1, UUID, &spec("push"), &spec("sub"))],
        ..Rows::default()
    };
    for (key, value) in settings {
        rows.set(key, value);
    }
    rows
}
