//! The life of a connection on one page: a table of transitions that `step` obeys and `diagram` draws.

use self::{Action as Do, Cue as On, Stage as At};
use crate::close_reason::CloseReason;

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Accepted; nothing read yet (TLS handshake included).
    Opening,
    /// Some of a request head has come.
    Reading,
    /// A whole head is here; who answers is being decided.
    Routing,
    /// A handler has the request (or its queue has); no reply yet.
    Parked,
    /// The response is being written; the request body may still be coming.
    Exchanging,
    /// The response is out; what is left of the request body is thrown away, within a bound.
    Skipping,
    /// Between two requests.
    Idle,
    /// HTTP is over: WebSocket, 101.
    Tunnel,
    /// The last answer is out and our side shut; input is thrown away so that the peer gets the answer, not a reset.
    Lingering(CloseReason),
    /// Over.
    Closed(CloseReason),
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The first byte of a request is in the input.
    Bytes,
    /// A whole head was read.
    Head,
    /// A whole message came that was not HTTP (JSON, XML).
    Message,
    /// The handshake of a tunnel is complete.
    Switched,
    /// The request went to a handler's queue.
    HandedOver,
    /// The first bytes of the response go out.
    Responding,
    /// The response is out, the body is read, the connection stays.
    Answered,
    /// The response is out, the connection stays, but the body is not all read.
    AnsweredEarly,
    /// The unread body is skipped.
    BodySkipped,
    /// The server drains: finish what has begun, then close.
    Drain,
    /// The last answer is out, or is to be made from the reason's status; then close.
    Last(CloseReason),
    /// Close now.
    End(CloseReason),
}

/// What the driver does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Read and parse a head, under the head deadline.
    ReadHead,
    /// Find the target and dispatch.
    Route,
    /// Wait for the handler, under its deadline.
    AwaitReply,
    /// Write the response.
    Respond,
    /// Throw away the rest of the body, within a bound.
    SkipBody,
    /// Look for a pipelined head, else give the buffers back and wait, under the idle deadline.
    Await,
    /// Copy both ways.
    Tunnel,
    /// Remember that the present exchange is the last: say `Connection: close` and end with `Last(Draining)`.
    MakeLast,
    /// Write the answer owed if none is out, shut our side, read on for a moment.
    Linger,
    /// Close the socket and log the reason.
    Close,
    /// Nothing.
    Nothing,
}

/// Every transition there is. What is not here is a bug of the driver and closes the connection as `out_of_step`.
const TABLE: &[Transition] = &[
    row(&[At::Opening, At::Idle], On::Bytes, At::Reading, Do::ReadHead),
    row(&[At::Reading], On::Head, At::Routing, Do::Route),
    row(&[At::Routing], On::HandedOver, At::Parked, Do::AwaitReply),
    row(&[At::Routing, At::Parked], On::Responding, At::Exchanging, Do::Respond),
    row(&[At::Exchanging], On::Answered, At::Idle, Do::Await),
    row(&[At::Exchanging], On::AnsweredEarly, At::Skipping, Do::SkipBody),
    row(&[At::Skipping], On::BodySkipped, At::Idle, Do::Await),
    // A handler may write to a connection that has no request open.
    row(&[At::Idle], On::Responding, At::Exchanging, Do::Respond),
    row(&[At::Reading], On::Responding, At::Reading, Do::Respond),
    row(&[At::Reading], On::Answered, At::Reading, Do::ReadHead),
    // Messages and requests may be mixed.
    row(&[At::Reading], On::Message, At::Idle, Do::Await),
    row(&[At::Routing, At::Parked, At::Exchanging], On::Switched, At::Tunnel, Do::Tunnel),
    row(&[At::Reading], On::Drain, At::Reading, Do::MakeLast),
    row(&[At::Routing], On::Drain, At::Routing, Do::MakeLast),
    row(&[At::Parked], On::Drain, At::Parked, Do::MakeLast),
    row(&[At::Exchanging], On::Drain, At::Exchanging, Do::MakeLast),
    row(&[At::Tunnel], On::Drain, At::Tunnel, Do::MakeLast),
    // Nothing is owed, but a request may be on its way: to break off would be a reset.
    row(&[At::Opening, At::Idle, At::Skipping], On::Drain, At::Lingering, Do::Linger),
    row(&[At::Opening, At::Reading, At::Routing], On::Last, At::Lingering, Do::Linger),
    row(&[At::Parked, At::Exchanging, At::Skipping], On::Last, At::Lingering, Do::Linger),
    row(&[At::Idle, At::Tunnel], On::Last, At::Lingering, Do::Linger),
    row(&[At::Opening, At::Reading, At::Routing], On::End, At::Closed, Do::Close),
    row(&[At::Parked, At::Exchanging, At::Skipping], On::End, At::Closed, Do::Close),
    row(&[At::Idle, At::Tunnel, At::Lingering], On::End, At::Closed, Do::Close),
];

/// A state without its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Opening,
    Reading,
    Routing,
    Parked,
    Exchanging,
    Skipping,
    Idle,
    Tunnel,
    Lingering,
    Closed,
}

/// An event without its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cue {
    Bytes,
    Head,
    Message,
    Switched,
    HandedOver,
    Responding,
    Answered,
    AnsweredEarly,
    BodySkipped,
    Drain,
    Last,
    End,
}

const STAGES: usize = Stage::Closed as usize + 1;
const CUES: usize = Cue::End as usize + 1;

/// The table by stage and cue: a step costs one look.
const NEXT: [[Option<(Stage, Action)>; CUES]; STAGES] = next();

#[expect(clippy::indexing_slicing, reason = "a constant: a fault would not compile")]
const fn next() -> [[Option<(Stage, Action)>; CUES]; STAGES] {
    let mut next = [[None; CUES]; STAGES];
    let mut at = 0;
    while at < TABLE.len() {
        let row = &TABLE[at];
        let mut from = 0;
        while from < row.from.len() {
            next[row.from[from] as usize][row.on as usize] = Some((row.to, row.act));
            from += 1;
        }
        at += 1;
    }
    next
}

#[derive(Debug)]
struct Transition {
    from: &'static [Stage],
    on: Cue,
    to: Stage,
    act: Action,
}

const fn row(from: &'static [Stage], on: Cue, to: Stage, act: Action) -> Transition {
    Transition { from, on, to, act }
}

/// One step of a connection's life.
///
/// The first reason for the end stays: once [`State::Lingering`] or [`State::Closed`], no event changes it, and
/// events other than [`Event::End`] are ignored.
pub fn step(state: State, event: Event) -> (State, Action) {
    let (from, on) = (state.stage() as usize, event.cue() as usize);
    match NEXT.get(from).and_then(|cues| cues.get(on)).copied().flatten() {
        Some((to, act)) => {
            let reason =
                state.reason().or_else(|| event.reason()).unwrap_or(CloseReason::OutOfStep);
            (to.with(reason), act)
        }
        None if state.reason().is_some() => (state, Action::Nothing),
        None => (State::Closed(CloseReason::OutOfStep), Action::Close),
    }
}

/// The table as a Mermaid state diagram.
pub fn diagram() -> String {
    let mut text = String::from("stateDiagram-v2\n    [*] --> Opening\n");
    for row in TABLE {
        for from in row.from {
            text += &format!("    {from:?} --> {:?}: {:?} / {:?}\n", row.to, row.on, row.act);
        }
    }
    text + "    Closed --> [*]\n"
}

impl State {
    /// Why it ended or is about to, if so.
    pub fn reason(self) -> Option<CloseReason> {
        match self {
            Self::Lingering(reason) | Self::Closed(reason) => Some(reason),
            _ => None,
        }
    }

    fn stage(self) -> Stage {
        match self {
            Self::Opening => Stage::Opening,
            Self::Reading => Stage::Reading,
            Self::Routing => Stage::Routing,
            Self::Parked => Stage::Parked,
            Self::Exchanging => Stage::Exchanging,
            Self::Skipping => Stage::Skipping,
            Self::Idle => Stage::Idle,
            Self::Tunnel => Stage::Tunnel,
            Self::Lingering(_) => Stage::Lingering,
            Self::Closed(_) => Stage::Closed,
        }
    }
}

impl Stage {
    fn with(self, reason: CloseReason) -> State {
        match self {
            Self::Opening => State::Opening,
            Self::Reading => State::Reading,
            Self::Routing => State::Routing,
            Self::Parked => State::Parked,
            Self::Exchanging => State::Exchanging,
            Self::Skipping => State::Skipping,
            Self::Idle => State::Idle,
            Self::Tunnel => State::Tunnel,
            Self::Lingering => State::Lingering(reason),
            Self::Closed => State::Closed(reason),
        }
    }
}

impl Event {
    fn reason(self) -> Option<CloseReason> {
        match self {
            Self::Last(reason) | Self::End(reason) => Some(reason),
            Self::Drain => Some(CloseReason::Draining),
            _ => None,
        }
    }

    fn cue(self) -> Cue {
        match self {
            Self::Bytes => Cue::Bytes,
            Self::Head => Cue::Head,
            Self::Message => Cue::Message,
            Self::Switched => Cue::Switched,
            Self::HandedOver => Cue::HandedOver,
            Self::Responding => Cue::Responding,
            Self::Answered => Cue::Answered,
            Self::AnsweredEarly => Cue::AnsweredEarly,
            Self::BodySkipped => Cue::BodySkipped,
            Self::Drain => Cue::Drain,
            Self::Last(_) => Cue::Last,
            Self::End(_) => Cue::End,
        }
    }
}

#[cfg(test)]
mod tests;
