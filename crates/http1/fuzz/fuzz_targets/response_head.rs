//! Any bytes as a handler's reply end at the same byte, with the same facts, whole and byte by byte.
#![no_main]

use http1::{Broken, Ending, Progress, ResponseTracker};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, PartialEq)]
struct Outcome {
    end: Option<usize>,
    broken: Option<&'static str>,
    ending: Option<Ending>,
    status: Option<u16>,
    body_bytes: u64,
}

fn track(request_is_head: bool, input: &[u8], step: usize) -> Outcome {
    let mut tracker = ResponseTracker::new(request_is_head);
    let (mut end, mut broken, mut fed) = (None, None, 0);
    for part in input.chunks(step) {
        match tracker.feed(part) {
            Ok(Progress::Complete { consumed }) => end = end.or(Some(fed + consumed)),
            Ok(Progress::Pending | Progress::Opaque) => {}
            Err(fault) => {
                if let Broken::Excess { end: at } = fault {
                    end = Some(fed + at);
                }
                broken = Some(fault.name());
                break;
            }
        }
        fed += part.len();
    }
    let ending = if broken.is_none() { Some(tracker.finish()) } else { None };
    Outcome { end, broken, ending, status: tracker.status(), body_bytes: tracker.body_bytes() }
}

fuzz_target!(|input: (bool, &[u8])| {
    let (request_is_head, bytes) = input;
    let whole = track(request_is_head, bytes, bytes.len().max(1));
    assert_eq!(track(request_is_head, bytes, 1), whole);
    assert_eq!(track(request_is_head, bytes, 5), whole);
});
