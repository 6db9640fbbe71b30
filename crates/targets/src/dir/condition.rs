//! Conditional requests: which fields count, in which order (RFC 9110 section 13).

use std::time::SystemTime;

use http1::RequestHead;

use super::entity_tag::{self, Comparison};
use super::representation::Metadata;

/// What the conditions of a request make of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Proceed,
    NotModified,
    Failed,
}

/// Whether any field stands in `head` that conditions or selects. Most requests have none, and
/// this is all they pay.
pub(super) fn is_plain(head: &RequestHead) -> bool {
    !head.fields().any(|(name, _)| match name.as_bytes() {
        [b'i' | b'I', b'f' | b'F', b'-', ..] => true,
        [b'r' | b'R', ..] => name.eq_ignore_ascii_case("range"),
        _ => false,
    })
}

/// The order of RFC 9110 section 13.2.2, for a file that is there and a method that reads it.
pub(super) fn evaluate(head: &RequestHead, file: &Metadata, now: fn() -> SystemTime) -> Outcome {
    if let Some(is_match) = any_tag(head, "if-match", file, Comparison::Strong) {
        if !is_match {
            return Outcome::Failed;
        }
    } else if date(head, "if-unmodified-since").is_some_and(|date| file.modified > date) {
        return Outcome::Failed;
    }
    if let Some(is_match) = any_tag(head, "if-none-match", file, Comparison::Weak) {
        return if is_match { Outcome::NotModified } else { Outcome::Proceed };
    }
    // A date that has not come yet says nothing about what happens until then.
    match date(head, "if-modified-since").filter(|date| *date <= now()) {
        Some(date) if file.modified <= date => Outcome::NotModified,
        _ => Outcome::Proceed,
    }
}

/// Whether a Range field counts: the client's part is of this very file (RFC 9110 section 13.1.5).
pub(super) fn range_applies(head: &RequestHead, file: &Metadata) -> bool {
    match sole(head, "if-range") {
        Err(Several) => false,
        Ok(None) => true,
        Ok(Some(value)) if value.starts_with(b"\"") => value == file.etag.as_bytes(),
        Ok(Some(value)) => parse_date(value) == Some(file.modified),
    }
}

/// Whether any of the tags in the fields of that name is ours; `None` without such a field.
fn any_tag(
    head: &RequestHead,
    name: &str,
    file: &Metadata,
    comparison: Comparison,
) -> Option<bool> {
    let mut lists = head.fields_named(name).peekable();
    lists.peek()?;
    Some(lists.any(|list| entity_tag::matches(list, &file.etag, comparison)))
}

/// The date in the only field of that name; none if it is not a date.
fn date(head: &RequestHead, name: &str) -> Option<SystemTime> {
    sole(head, name).ok().flatten().and_then(parse_date)
}

/// A field that may stand once stands twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Several;

/// The value of a field that may stand only once.
pub(super) fn sole<'a>(head: &'a RequestHead, name: &'a str) -> Result<Option<&'a [u8]>, Several> {
    let mut values = head.fields_named(name);
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(Several),
        (value, None) => Ok(value),
    }
}

/// All three forms of RFC 9110 section 5.6.7.
fn parse_date(value: &[u8]) -> Option<SystemTime> {
    httpdate::parse_http_date(str::from_utf8(value).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::super::tests::head;
    use super::*;
    use Outcome::{Failed, NotModified, Proceed};
    use std::time::Duration;

    const SAME: &str = "Thu, 02 Jan 2020 03:04:05 GMT";
    const BEFORE: &str = "Wed, 01 Jan 2020 03:04:05 GMT";
    const AFTER: &str = "Fri, 03 Jan 2020 03:04:05 GMT";
    const FUTURE: &str = "Fri, 03 Jan 2036 03:04:05 GMT";

    fn file() -> Metadata {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(0x5e0d_5da5);
        Metadata { etag: "\"5e0d5da5.0-8\"".into(), modified, length: 8 }
    }

    /// 2026, when the golden exchanges were recorded.
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(0x6b01_b749)
    }

    fn request(fields: &[(&str, &str)]) -> RequestHead {
        let lines: String =
            fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        head(&format!("GET /d/a.txt HTTP/1.1\r\nHost: h\r\n{lines}\r\n"))
    }

    #[test]
    fn conditions_count_in_the_order_of_the_rfc() {
        let ours = "\"5e0d5da5.0-8\"";
        let weak = "W/\"5e0d5da5.0-8\"";
        let (m, um) = ("If-Match", "If-Unmodified-Since");
        let (nm, ms) = ("If-None-Match", "If-Modified-Since");
        for (fields, expected) in [
            (&[][..], Proceed),
            (&[(nm, ours)], NotModified),
            (&[("if-none-match", ours)], NotModified),
            (&[(nm, weak)], NotModified),
            (&[(nm, "*")], NotModified),
            (&[(nm, "\"x\"")], Proceed),
            (&[(nm, "\"x\""), (nm, ours)], NotModified),
            (&[(nm, "5e0d5da5-8")], Proceed),
            (&[(nm, "")], Proceed),
            // Mongrel2 fell through to the date and answered 304.
            (&[(nm, "\"x\""), (ms, SAME)], Proceed),
            (&[(nm, ours), (ms, BEFORE)], NotModified),
            (&[(ms, SAME)], NotModified),
            (&[(ms, "Thursday, 02-Jan-20 03:04:05 GMT")], NotModified),
            (&[(ms, "Thu Jan  2 03:04:05 2020")], NotModified),
            (&[(ms, AFTER)], NotModified),
            (&[(ms, BEFORE)], Proceed),
            (&[(ms, FUTURE)], Proceed),
            (&[(ms, "yesterday")], Proceed),
            (&[(ms, "0")], Proceed),
            (&[(ms, SAME), (ms, SAME)], Proceed),
            (&[(m, ours)], Proceed),
            (&[(m, "*")], Proceed),
            (&[(m, weak)], Failed),
            (&[(m, "\"x\"")], Failed),
            (&[(m, "\"x\", \"5e0d5da5.0-8\"")], Proceed),
            (&[(m, "5e0d5da5-8")], Failed),
            (&[(m, "")], Failed),
            (&[(um, AFTER)], Proceed),
            (&[(um, SAME)], Proceed),
            (&[(um, FUTURE)], Proceed),
            (&[(um, BEFORE)], Failed),
            (&[(um, "yesterday")], Proceed),
            (&[(m, ours), (um, BEFORE)], Proceed),
            (&[(m, "\"x\""), (um, AFTER)], Failed),
            (&[(m, ours), (nm, ours)], NotModified),
            (&[(m, "\"x\""), (nm, ours)], Failed),
            (&[(um, AFTER), (nm, "\"x\"")], Proceed),
            (&[(um, BEFORE), (ms, AFTER)], Failed),
            (&[(um, AFTER), (ms, SAME)], NotModified),
        ] {
            assert_eq!(evaluate(&request(fields), &file(), now), expected, "{fields:?}");
        }
    }

    #[test]
    fn a_range_applies_to_the_same_file_only() {
        for (fields, expected) in [
            (&[][..], true),
            (&["\"5e0d5da5.0-8\""], true),
            (&["W/\"5e0d5da5.0-8\""], false),
            (&["\"x\""], false),
            (&["\"x\", \"5e0d5da5.0-8\""], false),
            (&["*"], false),
            (&[SAME], true),
            (&[AFTER], false),
            (&[BEFORE], false),
            (&["yesterday"], false),
            (&[""], false),
            (&[SAME, SAME], false),
        ] {
            let fields: Vec<_> = fields.iter().map(|value| ("If-Range", *value)).collect();
            assert_eq!(range_applies(&request(&fields), &file()), expected, "{fields:?}");
        }
    }

    #[test]
    fn most_requests_are_plain() {
        for (name, plain) in [
            ("Accept", true),
            ("Referer", true),
            ("Rangel", true),
            ("I", true),
            ("Range", false),
            ("rAnge", false),
            ("If-Match", false),
            ("IF-MODIFIED-SINCE", false),
            ("if-range", false),
        ] {
            assert_eq!(is_plain(&request(&[("A", "b"), (name, "c")])), plain, "{name}");
        }
    }
}
