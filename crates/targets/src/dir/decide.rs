//! What to answer for a file that is there: a pure function of the request and the file's metadata.

use std::ops::Range;
use std::time::SystemTime;

use http1::RequestHead;

use super::condition::{self, Outcome};
use super::range::{self, Selection};
use super::representation::Metadata;

/// The answer to a GET or HEAD for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Whole,
    /// These bytes of it; never empty.
    Part(Range<u64>),
    NotModified,
    PreconditionFailed,
    RangeNotSatisfiable,
}

/// Conditions first, then the range, which is a matter of GET only (RFC 9110 section 14.2).
pub(super) fn decide(head: &RequestHead, file: &Metadata, now: fn() -> SystemTime) -> Decision {
    if condition::is_plain(head) {
        return Decision::Whole;
    }
    match condition::evaluate(head, file, now) {
        Outcome::NotModified => return Decision::NotModified,
        Outcome::Failed => return Decision::PreconditionFailed,
        Outcome::Proceed => {}
    }
    let Ok(Some(value)) = condition::sole(head, "range") else { return Decision::Whole };
    if !head.is_get() || !condition::range_applies(head, file) {
        return Decision::Whole;
    }
    match range::select(value, file.length) {
        Selection::Whole => Decision::Whole,
        Selection::Part(part) => Decision::Part(part),
        Selection::Unsatisfiable => Decision::RangeNotSatisfiable,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::head;
    use super::*;
    use Decision::{NotModified, Part, PreconditionFailed, RangeNotSatisfiable, Whole};

    #[test]
    fn conditions_come_before_ranges() {
        let file = Metadata { etag: "\"t\"".into(), modified: SystemTime::UNIX_EPOCH, length: 8 };
        let now = || SystemTime::UNIX_EPOCH;
        for (method, fields, expected) in [
            ("GET", "", Whole),
            ("HEAD", "", Whole),
            ("GET", "Range: bytes=0-3", Part(0..4)),
            ("HEAD", "Range: bytes=0-3", Whole),
            ("GET", "Range: bytes=8-", RangeNotSatisfiable),
            ("HEAD", "Range: bytes=8-", Whole),
            ("GET", "Range: bytes=0-3\r\nRange: bytes=0-3", Whole),
            ("GET", "Range: bytes=0-3\r\nIf-Range: \"t\"", Part(0..4)),
            ("GET", "Range: bytes=0-3\r\nIf-Range: \"x\"", Whole),
            ("GET", "Range: bytes=8-\r\nIf-Range: \"x\"", Whole),
            ("GET", "If-Range: \"x\"", Whole),
            ("GET", "If-None-Match: \"t\"", NotModified),
            ("HEAD", "If-None-Match: \"t\"", NotModified),
            ("GET", "If-None-Match: \"t\"\r\nRange: bytes=8-", NotModified),
            ("GET", "If-Match: \"x\"\r\nRange: bytes=8-", PreconditionFailed),
            ("GET", "If-Match: \"t\"\r\nRange: bytes=-1", Part(7..8)),
        ] {
            let fields = if fields.is_empty() { String::new() } else { format!("{fields}\r\n") };
            let head = head(&format!("{method} /a HTTP/1.1\r\nHost: h\r\n{fields}\r\n"));
            assert_eq!(decide(&head, &file, now), expected, "{method} {fields}");
        }
    }
}
