//! Tests of the lifecycle: whole lives, the table's own sanity, and any sequence of events.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::close_reason::Deadline;
use crate::refusal::Refusal;

const REFUSED: CloseReason = CloseReason::BadRequest(Refusal::BareLf);

fn live(events: &[(Event, State, Action)]) {
    let mut state = State::Opening;
    for (event, expected, action) in events {
        let (next, act) = step(state, *event);
        assert_eq!((next, act), (*expected, *action), "{event:?} in {state:?}");
        state = next;
    }
}

#[test]
fn two_requests_and_a_close() {
    live(&[
        (Event::Bytes, State::Reading, Action::ReadHead),
        (Event::Head, State::Routing, Action::Route),
        (Event::Responding, State::Exchanging, Action::Respond),
        (Event::Answered, State::Idle, Action::Await),
        (Event::Bytes, State::Reading, Action::ReadHead),
        (Event::Head, State::Routing, Action::Route),
        (Event::HandedOver, State::Parked, Action::AwaitReply),
        (Event::Responding, State::Exchanging, Action::Respond),
        (Event::AnsweredEarly, State::Skipping, Action::SkipBody),
        (Event::BodySkipped, State::Idle, Action::Await),
        (
            Event::End(CloseReason::PeerClosed),
            State::Closed(CloseReason::PeerClosed),
            Action::Close,
        ),
    ]);
}

#[test]
fn a_refused_head_is_answered_then_lingers_and_the_first_reason_stays() {
    live(&[
        (Event::Bytes, State::Reading, Action::ReadHead),
        (Event::Last(REFUSED), State::Lingering(REFUSED), Action::Linger),
        (Event::Bytes, State::Lingering(REFUSED), Action::Nothing),
        (Event::Drain, State::Lingering(REFUSED), Action::Nothing),
        (Event::End(CloseReason::PeerClosed), State::Closed(REFUSED), Action::Close),
        (Event::End(CloseReason::Killed), State::Closed(REFUSED), Action::Nothing),
    ]);
}

#[test]
fn a_drain_ends_what_waits_and_lets_finish_what_has_begun() {
    let draining = CloseReason::Draining;
    for state in [State::Opening, State::Idle, State::Skipping] {
        assert_eq!(step(state, Event::Drain), (State::Lingering(draining), Action::Linger));
    }
    let begun = [State::Reading, State::Routing, State::Parked, State::Exchanging, State::Tunnel];
    for state in begun {
        assert_eq!(step(state, Event::Drain), (state, Action::MakeLast));
    }
}

#[test]
fn a_tunnel_ends_with_its_reason() {
    let ended = CloseReason::TunnelEnded;
    live(&[
        (Event::Bytes, State::Reading, Action::ReadHead),
        (Event::Head, State::Routing, Action::Route),
        (Event::Switched, State::Tunnel, Action::Tunnel),
        (Event::End(ended), State::Closed(ended), Action::Close),
    ]);
}

#[test]
fn messages_and_requests_may_be_mixed() {
    live(&[
        (Event::Bytes, State::Reading, Action::ReadHead),
        (Event::Message, State::Idle, Action::Await),
        (Event::Bytes, State::Reading, Action::ReadHead),
        (Event::Head, State::Routing, Action::Route),
    ]);
}

#[test]
fn a_handler_may_write_between_requests_and_into_a_half_read_head() {
    live(&[
        (Event::Bytes, State::Reading, Action::ReadHead),
        (Event::Responding, State::Reading, Action::Respond),
        (Event::Answered, State::Reading, Action::ReadHead),
        (Event::Head, State::Routing, Action::Route),
        (Event::Responding, State::Exchanging, Action::Respond),
        (Event::Answered, State::Idle, Action::Await),
        (Event::Responding, State::Exchanging, Action::Respond),
        (Event::Answered, State::Idle, Action::Await),
    ]);
}

#[test]
fn an_event_out_of_step_closes_and_says_so() {
    let closed = (State::Closed(CloseReason::OutOfStep), Action::Close);
    assert_eq!(step(State::Opening, Event::Head), closed);
    assert_eq!(step(State::Idle, Event::Answered), closed);
    assert_eq!(step(State::Parked, Event::Head), closed);
}

#[test]
fn no_two_rows_answer_the_same_event() {
    let mut seen = Vec::new();
    for row in TABLE {
        for from in row.from {
            assert!(!seen.contains(&(*from, row.on)), "{from:?} on {:?} stands twice", row.on);
            seen.push((*from, row.on));
        }
    }
}

#[test]
fn every_open_state_can_be_ended_and_each_is_reached() {
    let open = [
        At::Opening,
        At::Reading,
        At::Routing,
        At::Parked,
        At::Exchanging,
        At::Skipping,
        At::Idle,
        At::Tunnel,
        At::Lingering,
    ];
    for stage in open {
        assert!(
            TABLE.iter().any(|row| row.on == On::End && row.from.contains(&stage)),
            "{stage:?}"
        );
        let reached = stage == At::Opening || TABLE.iter().any(|row| row.to == stage);
        assert!(reached, "{stage:?} is never reached");
    }
    assert!(TABLE.iter().all(|row| !row.from.contains(&At::Closed)), "nothing leaves Closed");
}

#[test]
fn the_drawing_holds_each_transition_once() {
    let drawing = diagram();
    assert!(drawing.starts_with("stateDiagram-v2\n    [*] --> Opening\n"));
    assert!(drawing.contains("    Parked --> Exchanging: Responding / Respond\n"));
    let arrows: Vec<&str> = drawing.lines().skip(1).collect();
    let count: usize = TABLE.iter().map(|row| row.from.len()).sum();
    assert_eq!(arrows.len(), count + 2);
    assert_eq!(arrows.iter().collect::<HashSet<_>>().len(), arrows.len());
}

#[test]
fn reasons_print_what_a_log_reader_needs() {
    let cases = [
        (CloseReason::PeerClosed, "peer_closed"),
        (REFUSED, "bad_request:bare_lf"),
        (CloseReason::Answered(404), "answered:404"),
        (CloseReason::Deadline(Deadline::Head), "deadline_head"),
        (CloseReason::Io(std::io::ErrorKind::BrokenPipe), "io:broken pipe"),
    ];
    for (reason, expected) in cases {
        assert_eq!(reason.to_string(), expected);
        assert!(expected.starts_with(reason.name()));
    }
    assert_eq!(CloseReason::Deadline(Deadline::Head).status(), Some(408));
    assert_eq!(REFUSED.status(), Some(400));
    assert_eq!(CloseReason::PeerClosed.status(), None);
}

fn event() -> impl Strategy<Value = Event> {
    prop::sample::select(vec![
        Event::Bytes,
        Event::Head,
        Event::Message,
        Event::Switched,
        Event::HandedOver,
        Event::Responding,
        Event::Answered,
        Event::AnsweredEarly,
        Event::BodySkipped,
        Event::Drain,
        Event::Last(REFUSED),
        Event::End(CloseReason::PeerClosed),
    ])
}

proptest! {
    #[test]
    fn a_reason_once_given_never_changes_and_a_close_happens_once(
        events in prop::collection::vec(event(), 0..40),
    ) {
        let mut state = State::Opening;
        let mut closes = 0;
        for event in events {
            let (next, action) = step(state, event);
            if let Some(reason) = state.reason() {
                prop_assert_eq!(next.reason(), Some(reason));
            }
            closes += usize::from(action == Action::Close);
            prop_assert_eq!(action == Action::Close, matches!(next, State::Closed(_)) && state != next);
            state = next;
        }
        prop_assert!(closes <= 1);
    }
}

/// The text between the marks in ARCHITECTURE.md is what the table draws.
#[test]
fn the_drawing_in_the_architecture_is_this_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ARCHITECTURE.md");
    let text = std::fs::read_to_string(path).unwrap();
    let expected = format!("```mermaid\n{}```\n", diagram());
    assert!(text.contains(&expected), "put this into ARCHITECTURE.md:\n{expected}");
}
