//! Max-Forwards: how often a TRACE or OPTIONS request may still be passed on (RFC 9110 section 7.6.2).

use edge::{Answer, FaultKind, Response};
use http1::{Method, RequestHead};

pub(super) const MAX_FORWARDS: &str = "max-forwards";
/// What is said of a back end that may not be asked.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// `None` without a limit. For other methods the field has no meaning and passes as it is, and so
/// does a value that is no number.
pub(super) fn left(head: &RequestHead) -> Option<u64> {
    if !matches!(head.known_method(), Method::Trace | Method::Options) {
        return None;
    }
    head.fields_named(MAX_FORWARDS).filter_map(number).min()
}

/// The answer of whom a request may not go beyond.
pub(super) fn answer(head: &RequestHead) -> Answer<'static> {
    if head.known_method() == Method::Trace {
        return Answer::Fault(FaultKind::MethodNotAllowed(METHODS).into());
    }
    let mut response = Response::new(204);
    response.fields.add("Allow", METHODS);
    Answer::Response(response)
}

fn number(text: &[u8]) -> Option<u64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    // What is too large for us is lowered to the most we know.
    is_number
        .then(|| str::from_utf8(text).ok()?.parse().ok())
        .map(|value| value.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_digits_and_has_no_upper_end() {
        for (text, expected) in [
            ("0", Some(0)),
            ("007", Some(7)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("", None),
            ("+1", None),
            ("-1", None),
            ("1, 2", None),
            ("x", None),
        ] {
            assert_eq!(number(text.as_bytes()), expected, "{text:?}");
        }
    }
}
