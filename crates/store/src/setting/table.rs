//! Every setting there is: key, unit, default, reason, and where the value goes.

use super::security::Mechanism;
use super::{Effect, Setting, control_port};
use site::{Balance, UploadDigest};

const SECOND: u64 = 1000;
const MONTH: u64 = 31 * 24 * 3600 * SECOND;
/// No single buffer may grow beyond this, whatever a setting says.
const GIB: u64 = 1024 * 1024 * 1024;

fn size(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn unless_zero(n: u64) -> Option<u64> {
    (n != 0).then_some(n)
}

fn not_empty(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(Some(text.to_owned())) }
}

fn upload_digest(text: &str) -> Result<UploadDigest, String> {
    match text {
        "sha256" => Ok(UploadDigest::Sha256),
        _ => Err("must be sha256".to_owned()),
    }
}

fn balance(text: &str) -> Result<Balance, String> {
    match text {
        "round_robin" => Ok(Balance::RoundRobin),
        "least_pending" => Ok(Balance::LeastPending),
        _ => Err("must be round_robin or least_pending".to_owned()),
    }
}

/// An mkstemp template.
fn temp_store(text: &str) -> Result<Option<String>, String> {
    if text.ends_with("XXXXXX") {
        Ok(Some(text.to_owned()))
    } else {
        Err("must end in XXXXXX, as in tmp/upload.XXXXXX".to_owned())
    }
}

macro_rules! setting {
    ($key:literal, $unit:literal, $default:literal, $effect:expr, $reason:literal) => {
        Setting { key: $key, unit: $unit, default: $default, reason: $reason, effect: $effect }
    };
}

/// A field of `Limits` counted in `usize`.
macro_rules! limit {
    ($field:ident, $least:expr, $most:expr) => {
        Effect::Count($least, $most, |s, n| s.limits.$field = size(n))
    };
}

/// A field of `Limits` that is a deadline.
macro_rules! time {
    ($field:ident, $least:expr) => {
        Effect::Time($least, MONTH, |s, time| s.limits.$field = time)
    };
}

/// A field that is on or off.
macro_rules! flag {
    ($($field:ident).+) => {
        Effect::Flag(|s, on| s.$($field).+ = on)
    };
}

/// In order of the keys.
pub const SETTINGS: &[Setting] = &[
    setting!(
        "certdir",
        "path",
        "",
        Effect::Text(|s, text| not_empty(text).map(|text| s.options.certdir = text)),
        "directory of certificates; file names are appended as they are, so it ends in /"
    ),
    setting!(
        "control_port",
        "endpoint",
        "ipc://run/control",
        Effect::Text(|s, text| control_port(text).map(|text| s.control_port = text)),
        "where m2sh talks to the server; server.control_port goes first"
    ),
    setting!(
        "disable.access_logging",
        "0 or 1",
        "0",
        Effect::Flag(|s, on| s.options.access_logging = !on),
        "1: no access log"
    ),
    setting!(
        "download.flow_control",
        "0 or 1",
        "0",
        flag!(options.download_flow_control),
        "1: handlers hear what has reached the client"
    ),
    setting!(
        "errors.dir",
        "path",
        "",
        Effect::Text(|s, text| not_empty(text).map(|text| s.options.errors_dir = text)),
        "directory of error pages, STATUS.html for all hosts and HOST/STATUS.html for one; without it errors are plain text"
    ),
    setting!(
        "handler.balance",
        "rule",
        "round_robin",
        Effect::Text(|s, text| balance(text).map(|balance| s.options.handler_balance = balance)),
        "round_robin: handlers get requests in turn, as from Mongrel2; least_pending: the one with the fewest unanswered"
    ),
    setting!(
        "handler.curve_clients",
        "path",
        "",
        Effect::Text(|s, text| not_empty(text).map(|text| s.security.curve_clients = text)),
        "file with a permitted handler's public key on each line; without it whoever knows the server's public key"
    ),
    setting!(
        "handler.curve_secret_key",
        "path",
        "",
        Effect::Text(|s, text| not_empty(text).map(|text| s.security.curve_secret_key = text)),
        "file with the server's secret key, as m2sh keygen writes it"
    ),
    setting!(
        "handler.heartbeat",
        "seconds",
        "10",
        Effect::Time(0, MONTH, |s, time| s.limits.handler_heartbeat =
            (!time.is_zero()).then_some(time)),
        "silence after which a handler is asked whether it is there, and lost when it is silent twice as long again; no pause of a healthy one is that long; 0: off"
    ),
    setting!(
        "handler.max_pending",
        "requests",
        "0",
        Effect::Count(0, 1_000_000, |s, n| s.limits.handler_pending_max = unless_zero(n).map(size)),
        "requests that one handler may hold unanswered, more go to others or wait; 0: no bound, because a handler of long polls holds one for each client"
    ),
    setting!(
        "handler.message_max",
        "bytes",
        "67108864",
        limit!(handler_message_bytes_max, 1, 64 * GIB),
        "largest reply message; a generous page or image"
    ),
    setting!(
        "handler.peers_max",
        "handlers",
        "1024",
        limit!(handler_peers_max, 1, 1_000_000),
        "handlers connected to each of a row's two sockets; more than a row has processes"
    ),
    setting!(
        "handler.plain_users",
        "path",
        "",
        Effect::Text(|s, text| not_empty(text).map(|text| s.security.plain_users = text)),
        "file with the user:password of a handler on each line"
    ),
    setting!(
        "handler.queue_max",
        "requests",
        "1000",
        limit!(handler_queue_max, 0, 1_000_000),
        "requests that wait for a handler; ZeroMQ's own high-water mark"
    ),
    setting!(
        "handler.queue_timeout",
        "seconds",
        "10",
        time!(handler_queue_timeout, 0),
        "how long a request waits for a handler before 503; a handler's restart"
    ),
    setting!(
        "handler.retries",
        "times",
        "2",
        Effect::Count(0, 1000, |s, n| s.limits.handler_retries =
            u32::try_from(n).unwrap_or(u32::MAX)),
        "how often an idempotent request goes to another handler when its own is lost; two in a row happen in a restart, and a request that kills handlers must not kill them all"
    ),
    setting!(
        "handler.security",
        "null, plain or curve",
        "null",
        Effect::Text(|s, text| Mechanism::parse(text).map(|parsed| s.security.mechanism = parsed)),
        "what handlers must prove when they connect: nothing, as in Mongrel2, a password, or a key, which also encrypts"
    ),
    setting!(
        "handler.timeout",
        "seconds",
        "0",
        Effect::Time(0, MONTH, |s, time| s.limits.handler_timeout =
            (!time.is_zero()).then_some(time)),
        "from a delivered request to its reply; 0: as long as it takes, because long polls are what handlers are for"
    ),
    setting!(
        "handler.underscore_headers",
        "0 or 1",
        "0",
        flag!(options.underscore_headers),
        "1: header fields with _ in their names reach handlers; 0: they could be taken for those with -"
    ),
    setting!(
        "limits.buffer_size",
        "bytes",
        "16384",
        limit!(head_bytes_max, 64, GIB),
        "largest request head, message and backend response head; Mongrel2's 4096 refuses today's cookies"
    ),
    setting!(
        "limits.client_read_retries",
        "reads",
        "5",
        Effect::Nothing,
        "a request head may come in any number of packets until timeout.head"
    ),
    setting!(
        "limits.connection_queue",
        "bytes",
        "8388608",
        limit!(connection_queue_bytes, 1, 64 * GIB),
        "replies that wait for one slow client"
    ),
    setting!(
        "limits.connection_stack_size",
        "bytes",
        "32768",
        Effect::Nothing,
        "connections have no stack of their own"
    ),
    setting!(
        "limits.connections",
        "connections",
        "10000",
        limit!(connections_max, 1, 10_000_000),
        "clients at once; leaves descriptors of superpoll.max_fd for files and backends"
    ),
    setting!(
        "limits.content_length",
        "bytes",
        "20480",
        Effect::Count(0, u64::MAX, |s, n| s.limits.content_length = n),
        "largest body in one message to a handler; larger ones are uploads; Mongrel2's"
    ),
    setting!(
        "limits.dir_max_path",
        "bytes",
        "256",
        Effect::Count(1, 4096, |s, n| s.bounds.dir_base = size(n)),
        "directory.base is shorter than this; Mongrel2's"
    ),
    setting!(
        "limits.dir_send_buffer",
        "bytes",
        "16384",
        Effect::Nothing,
        "files are sent by the kernel or in parts of a fixed size"
    ),
    setting!("limits.fdtask_stack", "bytes", "102400", Effect::Nothing, "there is no such task"),
    setting!(
        "limits.handler_stack",
        "bytes",
        "102400",
        Effect::Nothing,
        "handler links have no stack of their own"
    ),
    setting!(
        "limits.handler_targets",
        "connections",
        "128",
        limit!(handler_targets, 1, 1_000_000),
        "connections that one reply may name; Mongrel2's"
    ),
    setting!(
        "limits.header_count",
        "fields",
        "100",
        limit!(fields_max, 1, 100_000),
        "fields of a request head; H2O, HAProxy and Envoy have 100 too"
    ),
    setting!(
        "limits.host_name",
        "bytes",
        "256",
        Effect::Count(1, 65_536, |s, n| s.bounds.host_name = size(n)),
        "longest host.name and host.matching; Mongrel2's"
    ),
    setting!(
        "limits.kill_limit",
        "rules",
        "2",
        Effect::Count(0, u64::MAX, |s, n| s.limits.kill_limit =
            u32::try_from(n).unwrap_or(u32::MAX)),
        "a connection dies when it breaks more than this many of min_ping, min_read_rate and min_write_rate; Mongrel2's"
    ),
    setting!(
        "limits.mime_ext_len",
        "bytes",
        "128",
        Effect::Count(1, 4096, |s, n| s.bounds.mime_extension = size(n)),
        "longest mimetype.extension; Mongrel2's"
    ),
    setting!(
        "limits.min_ping",
        "seconds",
        "120",
        Effect::Time(0, MONTH, |s, time| s.limits.min_ping = (!time.is_zero()).then_some(time)),
        "longest time without a sign of life; 0: off; Mongrel2's"
    ),
    setting!(
        "limits.min_read_rate",
        "bytes a second",
        "300",
        Effect::Count(0, u64::MAX, |s, n| s.limits.min_read_rate = unless_zero(n)),
        "least rate of reading; 0: off; Mongrel2's"
    ),
    setting!(
        "limits.min_write_rate",
        "bytes a second",
        "300",
        Effect::Count(0, u64::MAX, |s, n| s.limits.min_write_rate = unless_zero(n)),
        "least rate of writing; 0: off; Mongrel2's"
    ),
    setting!(
        "limits.pattern_steps",
        "steps",
        "1000000",
        Effect::Count(1000, 1_000_000_000, |s, n| s.limits.pattern_steps_max =
            u32::try_from(n).unwrap_or(u32::MAX)),
        "steps that patterns may take in one lookup, a few nanoseconds each"
    ),
    setting!(
        "limits.proxy_read_retries",
        "reads",
        "100",
        Effect::Nothing,
        "a backend's head may come in any number of packets until proxy.response_timeout"
    ),
    setting!(
        "limits.proxy_read_retry_warn",
        "reads",
        "10",
        Effect::Nothing,
        "a backend's head may come in any number of packets until proxy.response_timeout"
    ),
    setting!(
        "limits.tick_timer",
        "seconds",
        "10",
        time!(tick_timer, 10),
        "time between two checks of min_ping, min_read_rate and min_write_rate; Mongrel2's"
    ),
    setting!(
        "limits.upload_size",
        "bytes",
        "0",
        Effect::Count(0, u64::MAX, |s, n| s.limits.upload_size_max = unless_zero(n)),
        "largest body that goes to a file or is streamed; 0: no bound, as in Mongrel2"
    ),
    setting!(
        "limits.url_path",
        "bytes",
        "8192",
        Effect::Raise(1, GIB, 8192, |s, n| s.limits.target_bytes_max = size(n)),
        "longest request target, which Mongrel2 bounded by limits.buffer_size alone; nginx's large buffer"
    ),
    setting!(
        "limits.websocket_message",
        "bytes",
        "1048576",
        limit!(websocket_message_bytes_max, 1, GIB),
        "largest message of a WebSocket client; whole in memory until its handler takes it"
    ),
    setting!(
        "net.tcp_keepalive",
        "0 or 1",
        "0",
        flag!(options.tcp_keepalive),
        "1: SO_KEEPALIVE on client connections"
    ),
    setting!(
        "no_clobber_xff",
        "0 or 1",
        "0",
        flag!(options.no_clobber_xff),
        "1: a client's X-Forwarded-For is kept and added to"
    ),
    setting!(
        "proxy.connect_timeout",
        "seconds",
        "5",
        time!(proxy_connect_deadline, 1),
        "to connect to a backend; two lost SYNs"
    ),
    setting!(
        "proxy.response_timeout",
        "seconds",
        "60",
        time!(proxy_response_deadline, 1),
        "to a backend's response head and between two bytes of its body; nginx's"
    ),
    setting!(
        "request.relaxed",
        "0 or 1",
        "0",
        flag!(options.relaxed_uri),
        "1: braces and ^ are allowed in a request target"
    ),
    setting!(
        "sendfile.base",
        "path",
        "",
        Effect::Text(|s, text| not_empty(text).map(|text| s.options.sendfile_base = text)),
        "directory whose files handlers may have sent; without it none"
    ),
    setting!(
        "server.daemonize",
        "0 or 1",
        "1",
        flag!(daemonize),
        "1: a server started as root leaves the terminal; Mongrel2's"
    ),
    setting!(
        "server.threads",
        "threads",
        "0",
        Effect::Count(0, 1024, |s, n| s.limits.threads = unless_zero(n).map(size)),
        "threads that serve connections; 0: one for two cores, at least one"
    ),
    setting!(
        "ssl.ca_chain",
        "path",
        "",
        Effect::Text(|s, text| not_empty(text).map(|text| s.tls.ca_chain = text)),
        "PEM file of the authorities that may sign client certificates"
    ),
    setting!(
        "ssl.verify_optional",
        "0 or 1",
        "0",
        flag!(tls.verify_optional),
        "1: clients are asked for a certificate"
    ),
    setting!(
        "ssl.verify_required",
        "0 or 1",
        "0",
        flag!(tls.verify_required),
        "1: clients without a valid certificate are refused"
    ),
    setting!(
        "ssl_ciphers",
        "names",
        "",
        Effect::Text(|s, text| not_empty(text).map(|text| s.tls.ciphers = text)),
        "cipher suites, separated by blanks"
    ),
    setting!(
        "superpoll.hot_dividend",
        "share",
        "4",
        Effect::Nothing,
        "there is one kind of poll set"
    ),
    setting!(
        "superpoll.max_fd",
        "descriptors",
        "10240",
        Effect::Count(64, 10_000_000, |s, n| s.limits.fd_max = n),
        "RLIMIT_NOFILE asked for at start; Mongrel2's"
    ),
    setting!(
        "timeout.body",
        "seconds",
        "60",
        time!(body_deadline, 1),
        "between two bytes of a request body; nginx, Caddy"
    ),
    setting!(
        "timeout.drain",
        "seconds",
        "30",
        time!(drain_deadline, 0),
        "for requests in progress when the server stops; process supervisors grant as much"
    ),
    setting!(
        "timeout.head",
        "seconds",
        "10",
        time!(head_deadline, 1),
        "from a request's first byte to the end of its head; H2O, sozu"
    ),
    setting!(
        "timeout.idle",
        "seconds",
        "60",
        time!(idle_deadline, 1),
        "keep-alive without a request; between nginx and HAProxy"
    ),
    setting!(
        "timeout.write",
        "seconds",
        "60",
        time!(write_deadline, 1),
        "between two bytes that the client takes; nginx, Caddy"
    ),
    setting!(
        "upload.digest",
        "algorithm",
        "",
        Effect::Text(|s, text| upload_digest(text).map(|digest| s.uploads.digest = Some(digest))),
        "sha256: handlers are told the digest of an upload's file; costs the server the time to compute it"
    ),
    setting!(
        "upload.store_max",
        "bytes",
        "0",
        Effect::Count(0, u64::MAX, |s, n| s.uploads.store_max = unless_zero(n)),
        "what unfinished uploads may hold on disk together; 0: no bound"
    ),
    setting!(
        "upload.stream",
        "0 or 1",
        "0",
        flag!(uploads.stream),
        "1: large bodies go to the handler in parts"
    ),
    setting!(
        "upload.temp_store",
        "template",
        "",
        Effect::Text(|s, text| temp_store(text).map(|text| s.uploads.temp_store = text)),
        "file that a large body goes to, ends in XXXXXX; without it such a body is refused"
    ),
    setting!(
        "upload.temp_store_mode",
        "octal",
        "0600",
        Effect::Mode(|s, mode| s.uploads.mode = mode),
        "permission bits of that file; nobody else's business"
    ),
    setting!(
        "zeromq.threads",
        "threads",
        "1",
        Effect::Nothing,
        "sockets are served by the same threads as everything else"
    ),
];
