//! The access log: Mongrel2's tnetstring lines, with what it left out at the end.
//!
//! `[host, address, port, time, method, path, version, status, bytes, target, microseconds,
//! close reason]`, one list to a line. The first nine are Mongrel2's.

use crate::dispatch::Trace;
use bytes::{BufMut, BytesMut};
use edge::AccessRecord;
use http1::Version;
use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use wire::tnetstring::{self, write_bytes, write_integer};

/// Lines the disk has not taken yet. Beyond this, lines are dropped and counted: a full or slow
/// disk must not take the server with it.
const PENDING_BYTES_MAX: usize = 8 << 20;
/// Lines are written together: this much later at the latest.
const FLUSH_EVERY: Duration = Duration::from_millis(200);
/// Or sooner, when this much has come together.
const FLUSH_BYTES: usize = 256 << 10;

/// Takes lines from all connections and writes them from a thread of its own.
#[derive(Debug)]
pub struct AccessLog {
    state: Mutex<State>,
    wake: Condvar,
    enabled: AtomicBool,
    dropped: AtomicU64,
}

thread_local! {
    static LINE: RefCell<BytesMut> = RefCell::new(BytesMut::with_capacity(512));
}

#[derive(Debug, Default)]
struct State {
    pending: BytesMut,
    /// Where to write what follows so many bytes of `pending`; `None` once taken.
    open: Option<(usize, File)>,
    stopping: bool,
}

/// The thread that writes; it ends, with everything written, when this is dropped.
#[derive(Debug)]
pub struct AccessLogWriter {
    log: Arc<AccessLog>,
    thread: Option<JoinHandle<()>>,
}

impl AccessLog {
    /// A log that goes to `file`; lines are thrown away without one.
    pub fn start(file: Option<File>) -> io::Result<(Arc<Self>, AccessLogWriter)> {
        let enabled = AtomicBool::new(file.is_some());
        let state = State { open: file.map(|file| (0, file)), ..State::default() };
        let log = Arc::new(Self {
            state: Mutex::new(state),
            wake: Condvar::new(),
            enabled,
            dropped: AtomicU64::new(0),
        });
        let thread = std::thread::Builder::new().name("access-log".to_owned()).spawn({
            let log = Arc::clone(&log);
            move || log.run()
        })?;
        let writer = AccessLogWriter { log: Arc::clone(&log), thread: Some(thread) };
        Ok((log, writer))
    }

    /// Goes on in `file`, after what was written so far; `None` ends logging.
    pub fn reopen(&self, file: Option<File>) {
        self.enabled.store(file.is_some(), Ordering::Relaxed);
        let mut state = self.state();
        // Of two files in a row, the first has had nothing yet: what was for it goes to the second.
        let from = state.open.as_ref().map_or(state.pending.len(), |(from, _)| *from);
        state.open = file.map(|file| (from, file));
        drop(state);
        self.wake.notify_one();
    }

    pub fn write(&self, record: &AccessRecord<'_, Trace>) {
        if !self.enabled.load(Ordering::Relaxed) {
            return;
        }
        // Written out before the lock that all connections share.
        LINE.with_borrow_mut(|line| {
            line.clear();
            write_line(line, record, SystemTime::now());
            let mut state = self.state();
            if state.pending.len() > PENDING_BYTES_MAX {
                drop(state);
                self.dropped.fetch_add(1, Ordering::Relaxed);
                return;
            }
            state.pending.extend_from_slice(line);
            if state.pending.len() > FLUSH_BYTES {
                self.wake.notify_one();
            }
        });
    }

    fn run(&self) {
        let mut file = None;
        let mut lines = BytesMut::new();
        loop {
            let mut state = self.state();
            while !state.stopping && state.open.is_none() && state.pending.len() < FLUSH_BYTES {
                let waited = self.wake.wait_timeout(state, FLUSH_EVERY);
                let (again, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                state = again;
                if timeout.timed_out() && !state.pending.is_empty() {
                    break;
                }
            }
            std::mem::swap(&mut lines, &mut state.pending);
            let reopened = state.open.take();
            let stopping = state.stopping;
            drop(state);
            if let Some((from, reopened)) = reopened {
                let mut before = lines.split_to(from);
                self.flush(file.as_mut(), &mut before);
                file = Some(reopened);
            }
            self.flush(file.as_mut(), &mut lines);
            if stopping {
                return;
            }
        }
    }

    fn flush(&self, file: Option<&mut File>, lines: &mut BytesMut) {
        if let Some(file) = file
            && let Err(error) = file.write_all(lines)
        {
            tracing::error!(%error, "the access log can't be written, lines are lost");
        }
        lines.clear();
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            tracing::error!(dropped, "the access log could not keep up");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AccessLogWriter {
    fn drop(&mut self) {
        self.log.state().stopping = true;
        self.log.wake.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the access log's thread has failed");
        }
    }
}

/// Opens a log for appending, with the directories that lead to it.
pub fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new().append(true).create(true).open(path)
}

/// Where a file of `server` lies for this process, which is inside the chroot or not.
pub fn locate(server: &site::Server, path: &str, inside: bool) -> PathBuf {
    if inside { site::below_chroot("/", path) } else { server.below_chroot(path) }
}

fn write_line(out: &mut BytesMut, record: &AccessRecord<'_, Trace>, now: SystemTime) {
    let time = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (host, target) =
        record.trace.as_ref().map_or(("-", "-"), |trace| (&*trace.host, trace.target));
    let (method, path, version) = record.head.map_or(("-", "-", "-"), |head| {
        let version = match head.version() {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        };
        (head.method(), head.path(), version)
    });
    tnetstring::write_list(out, |out| {
        write_bytes(out, host.as_bytes());
        write_bytes(out, record.peer.remote_addr.as_bytes());
        write_integer(out, i64::from(record.peer.remote.port()));
        write_integer(out, signed(time));
        write_bytes(out, method.as_bytes());
        write_bytes(out, path.as_bytes());
        write_bytes(out, version.as_bytes());
        write_integer(out, i64::from(record.status));
        write_integer(out, signed(record.sent));
        write_bytes(out, target.as_bytes());
        write_integer(out, i64::try_from(record.took.as_micros()).unwrap_or(i64::MAX));
        match record.close {
            Some(close) => write_bytes(out, close.to_string().as_bytes()),
            None => write_bytes(out, b"-"),
        }
    });
    out.put_u8(b'\n');
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
