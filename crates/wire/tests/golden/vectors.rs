//! Loads the transcripts of `tests/golden` at the root of the repository.

use serde_json::Value;

/// One recorded case.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) events: Vec<Event>,
}

/// One line of a transcript.
pub(crate) struct Event {
    pub(crate) who: String,
    /// The bytes, if the event has any: cut strings are filled up again.
    pub(crate) bytes: Option<Vec<u8>>,
    /// The lines of a log.
    pub(crate) lines: String,
    /// Which client connection of the case.
    pub(crate) conn: Option<usize>,
    pub(crate) times: usize,
}

/// The cases of `tests/golden/NAME.json`.
pub(crate) fn cases(name: &str) -> Vec<Case> {
    let path = format!("{}/../../tests/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let file: Value = serde_json::from_str(&text).unwrap();
    file["cases"].as_array().unwrap().iter().map(case).collect()
}

fn case(case: &Value) -> Case {
    let events = case["events"].as_array().unwrap();
    Case {
        name: case["name"].as_str().unwrap().to_owned(),
        events: events.iter().map(event).collect(),
    }
}

fn event(event: &Value) -> Event {
    let data = event.get("data").unwrap_or(&Value::Null);
    let number = |key: &str| event.get(key).and_then(Value::as_u64).map(|n| n as usize);
    Event {
        who: event["who"].as_str().unwrap().to_owned(),
        bytes: data.as_str().map(|text| fill(&latin1(text))),
        lines: data.to_string(),
        conn: number("conn"),
        times: number("times").unwrap_or(1),
    }
}

/// One character per byte.
pub(crate) fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).expect("latin-1")).collect()
}

/// Puts as many bytes as were cut in place of `...<N bytes in all>...`.
fn fill(bytes: &[u8]) -> Vec<u8> {
    const OPEN: &[u8] = b"...<";
    const CLOSE: &[u8] = b" bytes in all>...";
    let find = |haystack: &[u8], needle: &[u8]| {
        haystack.windows(needle.len()).position(|window| window == needle)
    };
    let Some(open) = find(bytes, OPEN) else { return bytes.to_vec() };
    let Some(close) = find(&bytes[open..], CLOSE).map(|at| open + at) else {
        return bytes.to_vec();
    };
    let total: usize =
        std::str::from_utf8(&bytes[open + OPEN.len()..close]).unwrap().parse().unwrap();
    let tail = &bytes[close + CLOSE.len()..];
    let mut filled = bytes[..open].to_vec();
    filled.resize(total - tail.len(), b'x');
    [&filled[..], tail].concat()
}
