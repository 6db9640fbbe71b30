//! The life of a connection on one page: a table of transitions that `step` obeys and `diagram` draws.

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
    /// HTTP is over: WebSocket, message socket, 101.
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
    /// The first bytes are not HTTP but a message socket's, or the handshake of a tunnel is complete.
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

/// One step of a connection's life.
pub fn step(state: State, event: Event) -> (State, Action) {
    match (state, event) {
        (State::Closed(reason), _) => (State::Closed(reason), Action::Nothing),
        (_, Event::End(reason)) => (State::Closed(reason), Action::Close),
        _ => (state, Action::Nothing),
    }
}

/// The table as a Mermaid state diagram.
pub fn diagram() -> String {
    String::new()
}
