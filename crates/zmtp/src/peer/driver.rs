//! The task of one peer: it reads always, writes what its owner supplies, and watches the clock.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use tokio::sync::watch;
use tokio::task::coop::has_budget_remaining;
use tokio::time::{Instant, Sleep, sleep_until};

use super::clock::{Clock, Due};
use super::{Departure, Orders, Peer, Shared, Traffic};
use crate::admission::Place;
use crate::frame::Frame;
use crate::mechanism::{Credential, Security};
use crate::options::{Heartbeat, Options};
use crate::outbox::Outbox;
use crate::session::{Event, Local, PASSED_OVER_FRAMES, PeerInfo, Session};
use crate::stream::Stream;

/// Drives one connection to its end.
pub(crate) async fn run(
    stream: Stream,
    place: Place,
    shared: Shared,
    mut orders: watch::Receiver<Orders>,
) {
    let Shared { options, traffic, message_bytes_max, refusals, admission: _ } = shared;
    let address = place.address.clone();
    if let Err(error) = stream.tune() {
        tracing::debug!(address, %error, "cannot tune the connection");
    }
    let Orders { security, heartbeat, .. } = orders.borrow_and_update().clone();
    let local = Local { security: security.clone(), ..options.local.clone() };
    let mut session = Session::new(Arc::new(local));
    if traffic.passes_over() {
        session.pass_over_oversized();
    }
    let mut driver = Driver {
        session,
        security,
        stream,
        place,
        traffic,
        input: BytesMut::new(),
        room: ROOM_MIN,
        outbox: Outbox::default(),
        received: Vec::new(),
        supplied: Vec::new(),
        work: 0,
        joined: None,
        clock: Clock::start(Instant::now()),
        heartbeat,
        options,
        message_bytes_max,
    };
    let why = match driver.converse(orders).await {
        Ok(why) | Err(why) => why,
    };
    let stage = if driver.joined.is_some() { "connected" } else { "in the handshake" };
    if driver.joined.is_none() && !matches!(why, Departure::Shutdown) {
        refusals.add();
    }
    match &why {
        Departure::Closed | Departure::Shutdown | Departure::Dismissed | Departure::Broken(_) => {
            tracing::debug!(peer = address, stage, why = reason(&why), "peer left");
        }
        Departure::Revoked => {
            tracing::info!(peer = address, stage, why = reason(&why), "peer dropped");
        }
        Departure::Protocol(_)
        | Departure::HandshakeTimeout
        | Departure::Crowded { .. }
        | Departure::Full { .. }
        | Departure::Silent => {
            let why = reason(&why);
            if let Some(unlogged) = refusals.worth_logging(&address, &why, Instant::now()) {
                tracing::warn!(peer = address, stage, why, unlogged, "peer dropped");
            }
        }
    }
    if let Some(mut joined) = driver.joined.take() {
        joined.leave(driver.outbox.written_frames(), &why);
    }
}

/// A peer its owner knows of; the owner hears of its end even if the task is aborted.
#[derive(Debug)]
struct Joined {
    peer: Arc<Peer>,
    traffic: Arc<dyn Traffic>,
    left: bool,
}

impl Joined {
    fn is_dismissed(&self) -> bool {
        self.peer.dismissed.load(Ordering::Acquire)
    }

    fn leave(&mut self, written: usize, why: &Departure) {
        if !std::mem::replace(&mut self.left, true) {
            self.traffic.left(&self.peer, written, why);
        }
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.leave(0, &Departure::Shutdown);
    }
}

#[derive(Debug)]
struct Driver {
    stream: Stream,
    place: Place,
    traffic: Arc<dyn Traffic>,
    session: Session,
    /// What the session was begun with, or found to admit the peer since.
    security: Security,
    input: BytesMut,
    /// How much to read at a time: follows what comes.
    room: usize,
    outbox: Outbox,
    received: Vec<Frame>,
    supplied: Vec<Frame>,
    /// What has been taken in since others had their turn, in bytes and `FRAME_WORK` for each frame.
    work: usize,
    joined: Option<Joined>,
    clock: Clock,
    heartbeat: Option<Heartbeat>,
    options: Arc<Options>,
    message_bytes_max: Arc<AtomicUsize>,
}

enum Step {
    Read(usize),
    Behind,
    Written,
    Woken,
    Time,
    Ordered,
}

impl Driver {
    async fn converse(
        &mut self,
        mut orders: watch::Receiver<Orders>,
    ) -> Result<Departure, Departure> {
        let mut ending = orders.borrow().closing;
        let mut ordered = pin!(changed(orders.clone()));
        let mut timer = pin!(sleep_until(self.deadline()));
        let wake = Arc::clone(&self.place.wake);
        loop {
            // Asked and not waited for: a peer that never stops sending leaves no turn for that.
            if !ending && !matches!(orders.has_changed(), Ok(false)) {
                ending = self.obey(&mut orders)?;
                timer.as_mut().reset(self.deadline());
                ordered.set(changed(orders.clone()));
            }
            self.refill();
            if ending && self.outbox.is_empty() {
                return Ok(Departure::Shutdown);
            }
            if self.joined.as_ref().is_some_and(Joined::is_dismissed) {
                return Ok(Departure::Dismissed);
            }
            let mut woken = pin!(wake.notified());
            let step = poll_fn(|cx| {
                if let Poll::Ready(step) = self.poll_stream(cx) {
                    return Poll::Ready(step);
                }
                // A peer that does not read must still hear that it is dismissed.
                if woken.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Ok(Step::Woken));
                }
                if !ending && ordered.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Ok(Step::Ordered));
                }
                timer.as_mut().poll(cx).map(|()| Ok(Step::Time))
            });
            match step.await.map_err(Departure::Broken)? {
                Step::Read(0) => return Ok(Departure::Closed),
                Step::Read(_) => {
                    // A frame that has begun keeps the limit it began under.
                    if self.session.wanted() == 0 {
                        let max = self.message_bytes_max.load(Ordering::Relaxed);
                        self.session.set_message_bytes_max(max);
                    }
                    self.take_in(&orders, timer.as_mut())?;
                }
                Step::Behind => {
                    tokio::task::yield_now().await;
                    self.work = 0;
                    self.take_in(&orders, timer.as_mut())?;
                }
                Step::Written | Step::Ordered => {}
                Step::Woken if self.joined.is_none() => return Err(self.place.crowded()),
                Step::Woken => self.gather().await,
                Step::Time => {
                    self.on_time(Instant::now())?;
                    timer.as_mut().reset(self.deadline());
                }
            }
        }
    }

    /// Under load, whoever is ready now has more for the same system call.
    async fn gather(&self) {
        let Some(joined) = &self.joined else { return };
        for _ in 0..GATHER_TURNS {
            if joined.peer.is_urgent.swap(false, Ordering::AcqRel) {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Whether to close.
    fn obey(&mut self, orders: &mut watch::Receiver<Orders>) -> Result<bool, Departure> {
        // Without its sender the endpoint is gone, which is a reason to close, too.
        let is_gone = orders.has_changed().is_err();
        let orders = orders.borrow_and_update();
        self.heartbeat = orders.heartbeat;
        // A peer in its handshake has proved nothing yet; `join` looks at what it has.
        if let Some(joined) = &self.joined {
            self.security = self.admit(&joined.peer.info.credential, &orders)?;
        }
        Ok(orders.closing || is_gone)
    }

    /// The security asked for now, if it lets in who has proved this under the one of the session.
    fn admit(&self, proved: &Credential, orders: &Orders) -> Result<Security, Departure> {
        let admitted = orders.security.still_admits(&self.security, proved);
        admitted.then(|| orders.security.clone()).ok_or(Departure::Revoked)
    }

    fn refill(&mut self) {
        if !self.outbox.is_empty() {
            return;
        }
        self.outbox.clear();
        if self.session.has_output() {
            self.outbox.push_raw(|out| self.session.take_output(out));
        }
        let Some(joined) = &self.joined else { return };
        joined.traffic.supply(&joined.peer, &mut self.supplied);
        match self.session.channel() {
            None => self.supplied.drain(..).for_each(|frame| self.outbox.push(frame)),
            Some(channel) => {
                let seal = |frame| self.outbox.push_sealed(&frame, channel);
                self.supplied.drain(..).for_each(seal);
            }
        }
        if self.outbox.is_empty() {
            self.outbox.shrink();
            if self.supplied.capacity() > IDLE_FRAMES_MAX {
                self.supplied = Vec::new();
            }
        }
    }

    fn poll_stream(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Step>> {
        let (mut wrote, mut stalled) = (false, false);
        while !self.outbox.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let count = self.outbox.slices(&mut slices);
            match self.stream.poll_write(cx, slices.get(..count).unwrap_or_default()) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => self.outbox.advance(written),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    // It may be this task that has had its turn, and not the peer that is slow.
                    stalled = has_budget_remaining();
                    break;
                }
            }
            wrote = true;
        }
        if wrote && self.clock.has_unsent_ping() {
            // What the session has not handed out yet is not among it.
            let all = self.outbox.is_empty() && !self.session.has_output();
            self.clock.wrote(all, Instant::now());
        }
        if stalled
            && let Some(joined) = &self.joined
            && joined.traffic.can_take_back()
        {
            let kept = self.outbox.take_back();
            joined.traffic.stalled(&joined.peer, kept);
        }
        if self.work >= TURN_WORK {
            return Poll::Ready(Ok(Step::Behind));
        }
        let room = match self.session.wanted() {
            0 => self.room,
            // The announced length is believed only as far as bytes keep coming.
            wanted => wanted.min(self.input.len().max(ROOM_MAX)),
        };
        // Reading has its turn after each batch, however much there is to write.
        match self.stream.poll_read(cx, &mut self.input, room)? {
            Poll::Ready(read) => {
                self.adapt(read);
                Poll::Ready(Ok(Step::Read(read)))
            }
            Poll::Pending if wrote && self.outbox.is_empty() => Poll::Ready(Ok(Step::Written)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn adapt(&mut self, read: usize) {
        if read >= self.room {
            self.room = (self.room * 2).min(ROOM_MAX);
        } else if read < self.room / 4 {
            self.room = (self.room / 2).max(ROOM_MIN);
        }
    }

    /// Takes what has been read, or as much of it as is one turn's work.
    fn take_in(
        &mut self,
        orders: &watch::Receiver<Orders>,
        mut timer: Pin<&mut Sleep>,
    ) -> Result<(), Departure> {
        self.clock.heard(Instant::now());
        let outcome = loop {
            if self.work >= TURN_WORK {
                break Ok(());
            }
            self.work += FRAME_WORK;
            match self.session.receive(&mut self.input) {
                Ok(Some(Event::Frame(frame))) => {
                    self.work += frame.payload.len();
                    self.received.push(frame);
                    if self.received.len() >= BATCH_FRAMES_MAX {
                        self.deliver();
                    }
                }
                Ok(Some(Event::Oversized(oversized))) => {
                    // Behind what came before it.
                    self.deliver();
                    if let Some(joined) = &self.joined {
                        joined.traffic.oversized(&joined.peer, &oversized);
                    }
                }
                Ok(Some(Event::Ping { ttl: 0 })) => self.clock.live_for(None),
                Ok(Some(Event::Ping { ttl })) => {
                    self.clock.live_for(Some(Duration::from_millis(100) * u32::from(ttl)));
                    timer.as_mut().reset(self.deadline());
                }
                Ok(Some(Event::Pong)) => {
                    self.clock.answered();
                    timer.as_mut().reset(self.deadline());
                }
                Ok(Some(Event::PassedOver)) => self.work += PASSED_OVER_FRAMES * FRAME_WORK,
                Ok(Some(Event::Ready(info))) => {
                    self.join(info, &orders.borrow())?;
                    // Before all that the peer is sent.
                    self.on_time(Instant::now())?;
                    timer.as_mut().reset(self.deadline());
                }
                Ok(None) => break Ok(()),
                Err(fault) => break Err(fault),
            }
        };
        self.deliver();
        if self.input.is_empty() && self.input.capacity() > ROOM_MIN {
            self.input = BytesMut::new();
        }
        outcome.map_err(|fault| {
            self.say_goodbye();
            Departure::Protocol(fault)
        })
    }

    fn deliver(&mut self) {
        let Some(joined) = &self.joined else { return };
        if !self.received.is_empty() {
            joined.traffic.received(&joined.peer, &mut self.received);
            self.received.clear();
        }
        if self.received.capacity() > IDLE_FRAMES_MAX && self.input.is_empty() {
            self.received = Vec::new();
        }
    }

    fn join(&mut self, info: PeerInfo, orders: &Orders) -> Result<(), Departure> {
        self.security = self.admit(&info.credential, orders)?;
        self.place.join()?;
        let peer = Arc::new(Peer {
            id: self.place.id,
            address: self.place.address.clone(),
            info,
            wake: Arc::clone(&self.place.wake),
            dismissed: AtomicBool::new(false),
            is_urgent: AtomicBool::new(false),
        });
        self.traffic.joined(&peer);
        self.joined = Some(Joined { peer, traffic: Arc::clone(&self.traffic), left: false });
        Ok(())
    }

    /// An ERROR command is worth one try, not a wait.
    fn say_goodbye(&mut self) {
        if self.outbox.is_empty() && self.session.has_output() {
            let mut bytes = Vec::new();
            self.session.take_output(&mut bytes);
            let mut cx = Context::from_waker(std::task::Waker::noop());
            if let Poll::Ready(Err(error)) =
                self.stream.poll_write(&mut cx, &[IoSlice::new(&bytes)])
            {
                tracing::trace!(%error, "cannot tell the peer");
            }
        }
    }

    fn on_time(&mut self, now: Instant) -> Result<(), Departure> {
        let Some(joined) = &self.joined else {
            return if self.deadline() <= now { Err(Departure::HandshakeTimeout) } else { Ok(()) };
        };
        if let Some(sign) = joined.traffic.last_sign(&joined.peer) {
            self.clock.heard(sign.into());
        }
        let excused = || joined.traffic.is_excused(&joined.peer);
        match self.clock.due(self.heartbeat(), excused, now) {
            Due::Nothing => {}
            Due::Ping => self.session.ping(),
            Due::End => return Err(Departure::Silent),
        }
        Ok(())
    }

    /// When `on_time` has something to decide; it may come early, never late.
    fn deadline(&self) -> Instant {
        if self.joined.is_none() {
            return self.clock.handshake_end(self.options.handshake_timeout);
        }
        self.clock.next(self.heartbeat()).unwrap_or_else(|| Instant::now() + NEVER)
    }

    /// Older peers would take a PING for an error.
    fn heartbeat(&self) -> Option<Heartbeat> {
        let joined = self.joined.as_ref();
        self.heartbeat.filter(|_| joined.is_some_and(|it| it.peer.info.version >= (3, 1)))
    }
}

/// Returns when there are other orders than those last seen, or nobody to give any.
async fn changed(mut orders: watch::Receiver<Orders>) {
    if orders.changed().await.is_err() {
        tracing::trace!("the endpoint was dropped");
    }
}

/// An error with its cause, for one log line.
fn reason(why: &Departure) -> String {
    match std::error::Error::source(why) {
        Some(cause) => format!("{why}: {cause}"),
        None => why.to_string(),
    }
}

/// How often others have their turn before a batch is written to a peer that is busy anyway.
const GATHER_TURNS: usize = 3;

/// Bytes to read at a time: little from an idle peer, much from a busy one.
const ROOM_MIN: usize = 4 << 10;
const ROOM_MAX: usize = 64 << 10;

/// Frames handed on at a time.
const BATCH_FRAMES_MAX: usize = 256;

/// What is taken in before others have their turn, and what a frame costs beside its bytes.
const TURN_WORK: usize = 256 << 10;
const FRAME_WORK: usize = 64;

/// Room for frames that an idle peer may keep.
const IDLE_FRAMES_MAX: usize = 32;

/// Buffers per system call.
const SLICES_MAX: usize = 64;

const NEVER: Duration = Duration::from_secs(86_400);
