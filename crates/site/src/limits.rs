//! Every bound and deadline of a server: name, unit, default and reason in one place.

use std::time::Duration;

/// Bounds on what peers may make the server hold and how long it waits for them.
///
/// The comment of each field says which setting changes it and why the default is what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request head, of a JSON or XML message and of a backend's response head
    /// (`limits.buffer_size`). 16 KiB: HAProxy and Caddy; Mongrel2's 4 KiB refuses today's cookies.
    pub head_bytes_max: usize,
    /// Fields of a request head (`limits.header_count`). 100: H2O, HAProxy and Envoy.
    pub fields_max: usize,
    /// Bytes of a request target (`limits.url_path`, which can only raise it). 8 KiB: nginx's large
    /// buffer.
    pub target_bytes_max: usize,
    /// Largest body, in bytes, that goes to a handler in one message (`limits.content_length`).
    /// 20 KiB: Mongrel2's, handlers are written for it.
    pub content_length: u64,
    /// Connections one reply may name (`limits.handler_targets`). 128: Mongrel2's.
    pub handler_targets: usize,
    /// Client connections at once (`limits.connections`). 10,000: leaves descriptors of
    /// `fd_max` for files and backends.
    pub connections_max: usize,
    /// RLIMIT_NOFILE asked for at start (`superpoll.max_fd`). 10,240: Mongrel2's.
    pub fd_max: u64,
    /// Threads that serve connections (`server.threads`). None: one for two cores, at least one;
    /// handlers and back ends want theirs, too, and threads that wake each other cost more than
    /// they win until one is busy all the time.
    pub threads: Option<usize>,
    /// Bytes of replies waiting for one slow client (`limits.connection_queue`). 8 MiB: a burst of
    /// sixteen pages passes, a client that never reads costs no more.
    pub connection_queue_bytes: usize,
    /// From the first byte of a request to the end of its head (`timeout.head`). 10 s: H2O, sozu.
    pub head_deadline: Duration,
    /// Keep-alive without a request (`timeout.idle`). 60 s: between nginx and HAProxy.
    pub idle_deadline: Duration,
    /// Between two bytes of a request body (`timeout.body`). 60 s: nginx, Caddy.
    pub body_deadline: Duration,
    /// Between two bytes the client takes (`timeout.write`). 60 s: nginx, Caddy.
    pub write_deadline: Duration,
    /// For requests in progress when the server stops (`timeout.drain`). 30 s: what process
    /// supervisors grant before they kill.
    pub drain_deadline: Duration,
    /// How often the three rules below are checked (`limits.tick_timer`). 10 s: Mongrel2's.
    pub tick_timer: Duration,
    /// Longest time without a sign of life; none: off (`limits.min_ping`). 120 s: Mongrel2's.
    pub min_ping: Option<Duration>,
    /// Least bytes per second read; none: off (`limits.min_read_rate`). 300: Mongrel2's.
    pub min_read_rate: Option<u64>,
    /// Least bytes per second written; none: off (`limits.min_write_rate`). 300: Mongrel2's.
    pub min_write_rate: Option<u64>,
    /// A connection dies when it breaks *more* than this many of the three rules above
    /// (`limits.kill_limit`). 2: Mongrel2's, all three.
    pub kill_limit: u32,
    /// Requests that wait for a handler to connect or catch up (`handler.queue_max`). 1,000:
    /// ZeroMQ's own high-water mark.
    pub handler_queue_max: usize,
    /// How long they wait before 503 (`handler.queue_timeout`). 10 s: a handler's restart.
    pub handler_queue_timeout: Duration,
    /// From a delivered request to the first byte of its reply; none: as long as it takes, because
    /// long polls are what handlers are for (`handler.timeout`).
    pub handler_timeout: Option<Duration>,
    /// Requests that one handler may hold unanswered; none: no bound (`handler.max_pending`). None:
    /// a handler of long polls holds as many as there are clients.
    pub handler_pending_max: Option<usize>,
    /// How often an idempotent request goes to another handler after the one that had it was lost
    /// (`handler.retries`). 2: a rolling restart may hit a request twice, and one that kills its
    /// handlers must not kill them all.
    pub handler_retries: u32,
    /// Silence after which a handler is asked whether it is still there; twice as long after that it
    /// is taken for lost; none: never (`handler.heartbeat`). 10 s: a stopped process or a hung host
    /// costs its clients half a minute, and no pause of a healthy one is that long.
    pub handler_heartbeat: Option<Duration>,
    /// Handlers connected to each of a row's two sockets (`handler.peers_max`). 1,024: more than a
    /// row has processes, and a tenth of `fd_max`.
    pub handler_peers_max: usize,
    /// Largest reply message, in bytes (`handler.message_max`). 64 MiB: a generous page or image.
    pub handler_message_bytes_max: usize,
    /// To connect to a backend (`proxy.connect_timeout`). 5 s: two lost SYNs.
    pub proxy_connect_deadline: Duration,
    /// From the request's end to the backend's response head, and between two bytes of its body
    /// (`proxy.response_timeout`). 60 s: nginx.
    pub proxy_response_deadline: Duration,
    /// Largest body that may go to a file or be streamed, in bytes; none: no bound
    /// (`limits.upload_size`). None: Mongrel2 has no bound.
    pub upload_size_max: Option<u64>,
    /// Largest message of a WebSocket client, in bytes, its fragments joined
    /// (`limits.websocket_message`). 1 MiB: whole in memory until its handler takes it.
    pub websocket_message_bytes_max: usize,
    /// Steps that patterns may take in one lookup (`limits.pattern_steps`), a few nanoseconds
    /// each. A million: an 8 KiB path against a pattern of a hundred items.
    pub pattern_steps_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes_max: 16 * 1024,
            fields_max: 100,
            target_bytes_max: 8 * 1024,
            content_length: 20_480,
            handler_targets: 128,
            connections_max: 10_000,
            fd_max: 10_240,
            threads: None,
            connection_queue_bytes: 8 * 1024 * 1024,
            head_deadline: Duration::from_secs(10),
            idle_deadline: Duration::from_secs(60),
            body_deadline: Duration::from_secs(60),
            write_deadline: Duration::from_secs(60),
            drain_deadline: Duration::from_secs(30),
            tick_timer: Duration::from_secs(10),
            min_ping: Some(Duration::from_secs(120)),
            min_read_rate: Some(300),
            min_write_rate: Some(300),
            kill_limit: 2,
            handler_queue_max: 1000,
            handler_queue_timeout: Duration::from_secs(10),
            handler_timeout: None,
            handler_pending_max: None,
            handler_retries: 2,
            handler_heartbeat: Some(Duration::from_secs(10)),
            handler_peers_max: 1024,
            handler_message_bytes_max: 64 * 1024 * 1024,
            proxy_connect_deadline: Duration::from_secs(5),
            proxy_response_deadline: Duration::from_secs(60),
            upload_size_max: None,
            websocket_message_bytes_max: 1024 * 1024,
            pattern_steps_max: 1_000_000,
        }
    }
}
