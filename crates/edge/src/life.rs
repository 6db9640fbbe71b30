//! Where a connection stands, by the table of `http1`.

use http1::{Action, CloseReason, Event, State};

/// The state of one connection. Every change goes through [`http1::step`].
#[derive(Debug)]
pub(crate) struct Life(State);

impl Default for Life {
    fn default() -> Self {
        Self(State::Opening)
    }
}

impl Life {
    /// Takes the step that `event` asks for. One that the table does not have is a bug of ours: it
    /// is logged, and stops a build with debug assertions.
    pub(crate) fn step(&mut self, event: Event) -> Action {
        let (next, action) = http1::step(self.0, event);
        if next == State::Closed(CloseReason::OutOfStep) && next != self.0 {
            tracing::error!(state = ?self.0, ?event, "a connection is out of step");
            debug_assert!(false, "{event:?} in {:?}", self.0);
        }
        self.0 = next;
        action
    }

    /// A handler has the request, or its queue has. More than one message may carry it.
    pub(crate) fn hand_over(&mut self) {
        if self.0 == State::Routing {
            self.step(Event::HandedOver);
        }
    }

    /// A handler's bytes go out. More than one message may carry its response.
    pub(crate) fn respond(&mut self) {
        if matches!(self.0, State::Routing | State::Parked) {
            self.step(Event::Responding);
        }
    }

    /// The end, for this reason; what is to be done about the socket.
    pub(crate) fn end(&mut self, reason: CloseReason) -> Action {
        self.step(match reason {
            CloseReason::Draining if matches!(self.0, State::Opening | State::Idle) => Event::Drain,
            // Nobody is there to hear a last word, or none is meant to be heard.
            CloseReason::PeerClosed
            | CloseReason::PeerCutShort
            | CloseReason::Killed
            | CloseReason::Deadline(http1::Deadline::Ping)
            | CloseReason::Limit(http1::Limit::ReadRate | http1::Limit::WriteRate) => {
                Event::End(reason)
            }
            _ => Event::Last(reason),
        })
    }
}
