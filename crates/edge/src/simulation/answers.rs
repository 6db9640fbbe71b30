//! Reads answers off the wire as a client must, by RFC 9112 section 6.3 and nothing of ours.

use super::script::Expected;

/// What the client made of the bytes that came.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) answers: Vec<Expected>,
    /// An interim response stands behind the last answer.
    pub(super) ends_with_interim: bool,
    /// The bytes end within an answer.
    pub(super) is_cut_short: bool,
    /// What is not HTTP, or took too long.
    pub(super) broken: Option<String>,
}

#[derive(Debug)]
enum Stop {
    CutShort,
    Broken(String),
}

/// Reads all of `bytes`; `expected` only tells which requests were HEAD.
pub(super) fn read(bytes: &[u8], expected: &[Expected]) -> Heard {
    let mut heard = Heard::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        let to_head = expected.get(heard.answers.len()).is_some_and(|answer| answer.to_head);
        match answer(rest, to_head) {
            Ok((Some(answer), length)) => {
                heard.ends_with_interim = false;
                heard.answers.push(answer);
                rest = &rest[length..];
            }
            Ok((None, length)) => {
                heard.ends_with_interim = true;
                rest = &rest[length..];
            }
            Err(Stop::CutShort) => {
                heard.is_cut_short = true;
                break;
            }
            Err(Stop::Broken(why)) => {
                heard.broken = Some(why);
                break;
            }
        }
    }
    heard
}

/// One answer, `None` if it is interim, and its length.
fn answer(bytes: &[u8], to_head: bool) -> Result<(Option<Expected>, usize), Stop> {
    let end = find(bytes, b"\r\n\r\n").ok_or(Stop::CutShort)? + 4;
    let head = std::str::from_utf8(&bytes[..end]).map_err(|error| broken(bytes, error))?;
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    let status = status.and_then(|status| status.parse::<u16>().ok());
    let status = status.ok_or_else(|| broken(bytes, "no status line"))?;
    if status == 100 {
        return Ok((None, end));
    }
    let field = |name: &str| {
        let mut fields = head.split("\r\n").skip(1).filter_map(|line| line.split_once(": "));
        fields.find(|(found, _)| *found == name).map(|(_, value)| value)
    };
    let closes = field("Connection") == Some("close");
    if field("Date").is_none() {
        return Err(broken(bytes, "no Date"));
    }
    let content = &bytes[end..];
    let (body, length) = match (field("Content-Length"), field("Transfer-Encoding")) {
        _ if to_head || status == 204 || status == 304 => (Vec::new(), 0),
        (Some(length), None) => {
            let length = length.parse::<usize>().map_err(|error| broken(bytes, error))?;
            (content.get(..length).ok_or(Stop::CutShort)?.to_vec(), length)
        }
        (None, Some("chunked")) => chunks(content)?,
        (None, None) if closes => (content.to_vec(), content.len()),
        _ => return Err(broken(bytes, "no framing")),
    };
    // The words of an error are no part of the model.
    let body =
        if status == 200 { String::from_utf8_lossy(&body).into_owned() } else { String::new() };
    Ok((Some(Expected { status, body, closes, to_head }), end + length))
}

fn chunks(content: &[u8]) -> Result<(Vec<u8>, usize), Stop> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let rest = &content[at..];
        let line = find(rest, b"\r\n").ok_or(Stop::CutShort)?;
        let size = std::str::from_utf8(&rest[..line]).unwrap_or_default();
        let size = usize::from_str_radix(size, 16).map_err(|error| broken(rest, error))?;
        let data = rest.get(line + 2..line + 2 + size).ok_or(Stop::CutShort)?;
        let end = rest.get(line + 2 + size..line + 4 + size).ok_or(Stop::CutShort)?;
        if end != b"\r\n" {
            return Err(broken(rest, "no CRLF behind a chunk"));
        }
        body.extend_from_slice(data);
        at += line + 4 + size;
        if size == 0 {
            return Ok((body, at));
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn broken(bytes: &[u8], why: impl std::fmt::Display) -> Stop {
    Stop::Broken(format!("{why}: {}", bytes[..bytes.len().min(300)].escape_ascii()))
}
