//! Clients that name each request, and a count of what became of it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How clients behave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    pub(crate) clients: u64,
    /// From an answer to a client's next request.
    pub(crate) pace: Duration,
    /// An answer that has not come by then never will: a hang.
    pub(crate) deadline: Duration,
    /// Tries of an idempotent request that failed or found its connection closed (RFC 9110 section
    /// 9.2.2). The connections that were closed while idle are replaced in any case.
    pub(crate) tries: u32,
}

/// What became of the requests of one method.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fates {
    pub(crate) by_status: BTreeMap<u16, u64>,
    /// No answer within the deadline.
    pub(crate) hung: u64,
    /// The connection was closed before the answer was whole.
    pub(crate) cut: u64,
    pub(crate) refused: u64,
    /// 200, and another request's answer.
    pub(crate) wrong: u64,
    /// Tries beside the first.
    pub(crate) tried_again: u64,
    pub(crate) slowest: Duration,
}

impl Fates {
    pub(crate) fn answered(&self, status: u16) -> u64 {
        self.by_status.get(&status).copied().unwrap_or(0)
    }

    pub(crate) fn total(&self) -> u64 {
        self.by_status.values().sum::<u64>() + self.hung + self.cut + self.refused + self.wrong
    }

    fn add(&mut self, other: &Self) {
        for (&status, count) in &other.by_status {
            *self.by_status.entry(status).or_default() += count;
        }
        self.hung += other.hung;
        self.cut += other.cut;
        self.refused += other.refused;
        self.wrong += other.wrong;
        self.tried_again += other.tried_again;
        self.slowest = self.slowest.max(other.slowest);
    }

    fn count(&mut self, fate: Fate) {
        match fate {
            Fate::Answered(status) => *self.by_status.entry(status).or_default() += 1,
            Fate::Wrong => self.wrong += 1,
            Fate::Hung => self.hung += 1,
            Fate::Cut => self.cut += 1,
            Fate::Refused => self.refused += 1,
        }
    }
}

impl fmt::Display for Fates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (status, count) in &self.by_status {
            write!(f, "{status}: {count}  ")?;
        }
        let Self { hung, cut, refused, wrong, tried_again, slowest, .. } = self;
        write!(f, "hung: {hung}  cut: {cut}  refused: {refused}  wrong: {wrong}  ")?;
        write!(f, "tried again: {tried_again}  slowest: {slowest:.1?}")
    }
}

/// By method.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts(BTreeMap<&'static str, Fates>);

impl Counts {
    pub(crate) fn of(&self, methods: &[&str]) -> Fates {
        let mut sum = Fates::default();
        for fates in methods.iter().filter_map(|method| self.0.get(method)) {
            sum.add(fates);
        }
        sum
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (method, fates) in &other.0 {
            self.0.entry(method).or_default().add(fates);
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (method, fates) in &self.0 {
            writeln!(f, "{method:>5}  {fates}")?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Answered(u16),
    Wrong,
    Hung,
    Cut,
    Refused,
}

/// Clients at work until they are told to stop.
#[derive(Debug)]
pub(crate) struct Load {
    stopped: Arc<AtomicBool>,
    clients: JoinSet<Counts>,
    answered: Arc<AtomicU64>,
}

impl Load {
    pub(crate) fn start(addr: SocketAddr, habits: Habits) -> Self {
        let (stopped, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let mut clients = JoinSet::new();
        for number in 0..habits.clients {
            let client = TokenClient { addr, habits, number, stream: None, next: 0 };
            clients.spawn(client.run(Arc::clone(&stopped), Arc::clone(&answered)));
        }
        Self { stopped, clients, answered }
    }

    /// Requests that have ended so far.
    pub(crate) fn ended(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Each client ends the request it has begun.
    pub(crate) async fn stop(mut self) -> Counts {
        self.stopped.store(true, Ordering::Relaxed);
        let mut counts = Counts::default();
        while let Some(client) = self.clients.join_next().await {
            counts.add(&client.unwrap());
        }
        counts
    }
}

struct TokenClient {
    addr: SocketAddr,
    habits: Habits,
    number: u64,
    stream: Option<TcpStream>,
    next: u64,
}

impl TokenClient {
    async fn run(mut self, stopped: Arc<AtomicBool>, ended: Arc<AtomicU64>) -> Counts {
        let mut counts = Counts::default();
        let Habits { clients, pace, .. } = self.habits;
        let offset = pace.mul_f64(self.number as f64 / clients as f64);
        let mut turns = tokio::time::interval_at(tokio::time::Instant::now() + offset, pace);
        loop {
            turns.tick().await;
            if stopped.load(Ordering::Relaxed) {
                return counts;
            }
            self.next += 1;
            let method = ["GET", "PUT", "GET", "POST"][((self.number + self.next) % 4) as usize];
            let fates = counts.0.entry(method).or_default();
            let began = Instant::now();
            let fate = self.request(method, fates).await;
            fates.count(fate);
            fates.slowest = fates.slowest.max(began.elapsed());
            ended.fetch_add(1, Ordering::Relaxed);
            // However late the answer was: a close that follows it is seen before the next request.
            turns.reset();
        }
    }

    async fn request(&mut self, method: &'static str, fates: &mut Fates) -> Fate {
        let token = format!("{}-{}", self.number, self.next);
        let mut tries = if method == "POST" { 1 } else { self.habits.tries };
        loop {
            let (is_kept, deadline) = (self.is_open(), self.habits.deadline);
            let fate = timeout(deadline, self.exchange(method, &token)).await;
            let fate = fate.unwrap_or(Fate::Hung);
            let is_good = fate == Fate::Answered(200);
            if !is_good {
                self.stream = None;
            }
            tries -= 1;
            // RFC 9112 section 9.3.1: the server may close just as the next request comes.
            let is_stale = is_kept && fate == Fate::Cut && method != "POST";
            if is_good || fate == Fate::Wrong || (tries == 0 && !is_stale) {
                return fate;
            }
            tries = tries.max(1);
            fates.tried_again += 1;
        }
    }

    /// Whether there is a connection, and nothing has been heard on it.
    fn is_open(&mut self) -> bool {
        let is_quiet = |stream: &TcpStream| {
            let heard = stream.try_read(&mut [0]);
            heard.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
        };
        if !self.stream.as_ref().is_some_and(is_quiet) {
            self.stream = None;
        }
        self.stream.is_some()
    }

    async fn exchange(&mut self, method: &str, token: &str) -> Fate {
        if self.stream.is_none() {
            let Ok(stream) = TcpStream::connect(self.addr).await else { return Fate::Refused };
            self.stream = Some(stream);
        }
        let Some(stream) = &mut self.stream else { return Fate::Refused };
        let body = if method == "GET" { String::new() } else { format!("body of {token}") };
        let length = match method {
            "GET" => String::new(),
            _ => format!("Content-Length: {}\r\n", body.len()),
        };
        let request = format!(
            "{method} /{token} HTTP/1.1\r\nHost: localhost\r\nX-Token: {token}\r\n{length}\r\n{body}"
        );
        if stream.write_all(request.as_bytes()).await.is_err() {
            return Fate::Cut;
        }
        let Some((head, text)) = answer(stream).await else { return Fate::Cut };
        let status = head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
        if head.to_ascii_lowercase().contains("connection: close") {
            self.stream = None;
        }
        let is_right = text == format!("{method} {token} {body}");
        if status == 200 && !is_right { Fate::Wrong } else { Fate::Answered(status) }
    }
}

/// Head and body of a response that says how long it is.
async fn answer(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            let end = at + 4 + length.unwrap_or(0);
            if bytes.len() >= end {
                // What follows is another's answer.
                return Some((head, String::from_utf8_lossy(&bytes[at + 4..]).into_owned()));
            }
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}
