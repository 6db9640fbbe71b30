//! Log lines on their way to whoever reads them, who may be slow, stuck or gone.

use super::Destination;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Lines that nobody has read yet; beyond this they are dropped and counted.
const PENDING_BYTES_MAX: usize = 1 << 20;
/// How long the end of the server waits for them to be written.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);

/// Writes each line at once or, while there is a [`Background`], from a thread of its own.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// There is something for the thread to do.
    wake: Condvar,
    /// The thread has written all there was.
    idle: Condvar,
}

#[derive(Debug)]
struct State {
    destination: Destination,
    mode: Mode,
    pending: Vec<u8>,
    writing: bool,
    /// Lines that never reached the destination, until somebody is told.
    dropped: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Direct,
    Queued,
    /// The destination took nothing when the thread was to end: it would block us, too.
    GivenUp,
}

/// The thread that writes; ends when this is dropped, with everything written if that takes no
/// longer than a second.
#[derive(Debug)]
#[must_use = "lines are written in the background for as long as this lives"]
pub struct Background {
    queue: &'static Queue,
    thread: Option<JoinHandle<()>>,
}

impl Queue {
    pub(super) const fn new() -> Self {
        let state = State {
            destination: Destination::StandardError,
            mode: Mode::Direct,
            pending: Vec::new(),
            writing: false,
            dropped: 0,
        };
        Self { state: Mutex::new(state), wake: Condvar::new(), idle: Condvar::new() }
    }

    pub(super) fn in_background(&'static self) -> io::Result<Background> {
        self.state().mode = Mode::Queued;
        let thread = std::thread::Builder::new().name("log".to_owned()).spawn(|| self.run());
        if thread.is_err() {
            self.state().mode = Mode::Direct;
        }
        Ok(Background { queue: self, thread: Some(thread?) })
    }

    pub(super) fn destination(&self) -> Destination {
        self.state().destination.clone()
    }

    pub(super) fn send_to(&self, destination: Destination) {
        let mut state = self.state();
        state.destination = destination;
        if state.mode == Mode::GivenUp {
            state.mode = Mode::Direct;
        }
    }

    pub(super) fn write(&self, line: &[u8]) {
        let mut state = self.state();
        match state.mode {
            Mode::Direct => {
                if state.destination.write(line).is_err() {
                    state.dropped += 1;
                }
            }
            Mode::Queued if state.pending.len() + line.len() > PENDING_BYTES_MAX => {
                state.dropped += 1;
            }
            Mode::Queued => {
                state.pending.extend_from_slice(line);
                self.wake.notify_one();
            }
            Mode::GivenUp => {}
        }
    }

    fn run(&self) {
        let mut lines = Vec::new();
        let mut state = self.state();
        loop {
            while state.mode == Mode::Queued && state.pending.is_empty() {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.pending.is_empty() {
                return;
            }
            std::mem::swap(&mut lines, &mut state.pending);
            let destination = state.destination.clone();
            let dropped = std::mem::take(&mut state.dropped);
            state.writing = true;
            drop(state);
            let written = destination.write(&lines);
            if written.is_ok() && dropped > 0 {
                tracing::warn!(dropped, "log lines could not be written in time");
            }
            state = self.state();
            if written.is_err() {
                state.dropped += dropped + lines.iter().filter(|byte| **byte == b'\n').count();
            }
            lines.clear();
            state.writing = false;
            self.idle.notify_all();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let busy = |state: &mut State| state.writing || !state.pending.is_empty();
        let waited = self.queue.idle.wait_timeout_while(self.queue.state(), FLUSH_WITHIN, busy);
        let (mut state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        let stuck = timeout.timed_out();
        state.mode = if stuck { Mode::GivenUp } else { Mode::Direct };
        if stuck {
            state.pending.clear();
        }
        drop(state);
        self.queue.wake.notify_one();
        // A thread that is stuck ends with the process.
        if let Some(thread) = self.thread.take().filter(|_| !stuck)
            && thread.join().is_err()
        {
            tracing::error!("the log's thread has failed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{File, OpenOptions};
    use std::io::{BufRead as _, BufReader};
    use std::path::PathBuf;
    use std::sync::Arc;

    /// A queue of its own for a test.
    fn queue(file: File) -> &'static Queue {
        let queue = Box::leak(Box::new(Queue::new()));
        queue.send_to(Destination::File { path: PathBuf::new(), file: Arc::new(file) });
        queue
    }

    fn pipe() -> (BufReader<File>, File) {
        let (read, write) = io::pipe().unwrap();
        let (read, write): (std::os::fd::OwnedFd, std::os::fd::OwnedFd) =
            (read.into(), write.into());
        (BufReader::new(read.into()), write.into())
    }

    #[test]
    fn lines_come_in_order_and_all_before_the_end() {
        let (read, write) = pipe();
        let queue = queue(write);
        queue.write(b"before\n");
        let background = queue.in_background().unwrap();
        for number in 0..100 {
            queue.write(format!("{number}\n").as_bytes());
        }
        drop(background);
        queue.write(b"after\n");
        let found: Vec<String> = read.lines().take(102).map(Result::unwrap).collect();
        let mut expected: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        expected.insert(0, "before".to_owned());
        expected.push("after".to_owned());
        assert_eq!(found, expected);
    }

    #[test]
    fn nobody_waits_for_a_reader_that_is_stuck() {
        let (_read, write) = pipe();
        let queue = queue(write);
        let background = queue.in_background().unwrap();
        let line = [b'x'; 1024];
        for _ in 0..3000 {
            queue.write(&line);
        }
        assert!(queue.state().pending.len() <= PENDING_BYTES_MAX);
        assert!(queue.state().dropped > 0);
        drop(background);
        queue.write(&line);
        assert_eq!(queue.state().mode, Mode::GivenUp);
    }

    #[test]
    fn a_destination_that_fails_costs_lines_and_nothing_else() {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let queue = queue(full);
        queue.write(b"1\n");
        let background = queue.in_background().unwrap();
        queue.write(b"2\n3\n");
        drop(background);
        assert_eq!(queue.state().dropped, 3);
        assert_eq!(queue.state().mode, Mode::Direct);
    }
}
