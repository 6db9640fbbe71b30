//! Tests of request heads: tables of cases, each run whole, byte by byte, in random splits and pipelined.

mod cases;
mod golden;
mod limits;
mod properties;

use bytes::BytesMut;

use super::{HeadReader, RequestHead};
use crate::limits::Limits;
use crate::refusal::Refusal;

/// What a head came to: the rule it broke, or everything that the accessors say, in one line.
type Verdict = Result<String, Refusal>;

/// Feeds `input` in parts that end at `cuts`; the verdict on the first head, and what is left behind it.
/// `None` if the head is incomplete.
fn read_in_parts(input: &[u8], cuts: &[usize], limits: &Limits) -> Option<(Verdict, Vec<u8>)> {
    let mut reader = HeadReader::default();
    let mut buffer = BytesMut::new();
    let mut from = 0;
    for to in cuts.iter().copied().chain([input.len()]) {
        buffer.extend_from_slice(&input[from..to]);
        match reader.read(&mut buffer, limits) {
            Ok(None) => {}
            Ok(Some(head)) => {
                assert!(!reader.has_begun(), "the reader is fresh after a head");
                let rest = [&buffer[..], &input[to..]].concat();
                return Some((Ok(summary(&head)), rest));
            }
            Err(refusal) => return Some((Err(refusal), Vec::new())),
        }
        from = to;
    }
    None
}

fn read(input: &[u8], limits: &Limits) -> Option<Verdict> {
    read_in_parts(input, &[], limits).map(|(verdict, _)| verdict)
}

/// The verdict, proved to be the same for every way the bytes can arrive.
fn read_every_way(input: &[u8], limits: &Limits) -> Option<Verdict> {
    let whole = read_in_parts(input, &[], limits);
    let each: Vec<usize> = (1..input.len()).collect();
    assert_eq!(read_in_parts(input, &each, limits), whole, "byte by byte: {}", shown(input));
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..8 {
        let mut cuts: Vec<usize> = (0..4).map(|_| random(&mut seed) % (input.len() + 1)).collect();
        cuts.sort_unstable();
        assert_eq!(read_in_parts(input, &cuts, limits), whole, "cut at {cuts:?}: {}", shown(input));
    }
    if let Some((Ok(_), _)) = &whole {
        let twice = [input, input].concat();
        let (first, rest) = read_in_parts(&twice, &[], limits).unwrap();
        assert_eq!(rest, input, "pipelined: {}", shown(input));
        assert_eq!(Some(first), read(&rest, limits), "pipelined: {}", shown(input));
    }
    whole.map(|(verdict, _)| verdict)
}

fn random(seed: &mut u64) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) as usize
}

fn shown(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(400)].escape_ascii().to_string()
}

/// Everything a caller can learn from a head but its fields, in one line.
fn summary(head: &RequestHead) -> String {
    let mut line = format!("{} {} {}", head.method(), head.uri(), head.version().as_str());
    let mut add = |text: String| line.extend([" ", &text]);
    if head.target() != head.uri() {
        add(format!("target={}", head.target()));
    }
    if let Some(host) = head.host() {
        add(format!("host={host}"));
    }
    match head.framing() {
        crate::Framing::None => {}
        framing => add(format!("{framing:?}")),
    }
    if !head.persistent() {
        add("close".to_owned());
    }
    if head.expects_continue() {
        add("continue".to_owned());
    }
    if let Some(upgrade) = head.upgrade() {
        add(format!("upgrade={}", upgrade.escape_ascii()));
    }
    assert_eq!(head.is_get(), head.method() == "GET");
    assert_eq!(head.is_head(), head.method() == "HEAD");
    let query = head.query().map(|query| format!("?{query}")).unwrap_or_default();
    assert_eq!(head.uri(), format!("{}{query}", head.path()), "uri is path and query");
    line
}
