//! Request targets: the four forms, the bytes they may hold, and the paths that could be read two ways.

use super::{Method, Span};
use crate::grammar::{hex_digit, is_host_char, is_target_char};
use crate::refusal::Refusal;

/// Where the parts of a target stand in the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) whole: Span,
    /// The authority of an absolute URI, with the scheme's default port.
    pub(super) authority: Option<(Span, &'static str)>,
    /// Empty where an absolute URI has no path.
    pub(super) path: Span,
    pub(super) query: Option<Span>,
}

impl Target {
    /// Reads the target that stands at `whole` in `head`.
    pub(super) fn parse(
        head: &[u8],
        whole: Span,
        method: Method,
        relaxed: bool,
    ) -> Result<Self, Refusal> {
        let text = whole.of(head);
        check_bytes(text, relaxed)?;
        let (authority, rest) = match text {
            [b'*'] if method == Method::Options => (None, whole),
            [b'/', ..] => (None, whole),
            _ => split_absolute(text, whole)?,
        };
        let (path, query) = match memchr::memchr(b'?', rest.of(head)) {
            Some(at) => (rest.up_to(at), Some(rest.from(at + 1))),
            None => (rest, None),
        };
        if has_dot_segment(path.of(head)) {
            return Err(Refusal::DotSegment);
        }
        Ok(Self { whole, authority, path, query })
    }
}

fn check_bytes(text: &[u8], relaxed: bool) -> Result<(), Refusal> {
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            b'%' => {
                let [high, low, after @ ..] = after else { return Err(Refusal::PercentEscape) };
                match (hex_digit(*high), hex_digit(*low)) {
                    (Some(0), Some(0)) => return Err(Refusal::PercentNul),
                    (Some(_), Some(_)) => rest = after,
                    _ => return Err(Refusal::PercentEscape),
                }
            }
            b'#' => return Err(Refusal::TargetFragment),
            byte if is_target_char(*byte, relaxed) => {}
            _ => return Err(Refusal::TargetByte),
        }
    }
    Ok(())
}

type Absolute = (Option<(Span, &'static str)>, Span);

/// `http://authority/path?query`, in any case of the scheme; user information is refused (RFC 9110 section 4.2.4).
fn split_absolute(text: &[u8], whole: Span) -> Result<Absolute, Refusal> {
    let colon = memchr::memchr(b':', text).ok_or(Refusal::TargetForm)?;
    let (scheme, after) = text.split_at_checked(colon).ok_or(Refusal::TargetForm)?;
    let port = match scheme {
        scheme if scheme.eq_ignore_ascii_case(b"http") => "80",
        scheme if scheme.eq_ignore_ascii_case(b"https") => "443",
        _ => return Err(Refusal::TargetForm),
    };
    let after = after.strip_prefix(b"://").ok_or(Refusal::TargetForm)?;
    let len = memchr::memchr2(b'/', b'?', after).unwrap_or(after.len());
    if !is_authority(after.get(..len).unwrap_or_default()) {
        return Err(Refusal::TargetForm);
    }
    let rest = whole.from(colon + 3);
    Ok((Some((rest.up_to(len), port)), rest.from(len)))
}

/// Whether a segment, its escapes decoded once, is `.` or `..`. `%2f` counts as a separator, since whoever decodes
/// before splitting sees one. `..;a=b` and `...` are names.
fn has_dot_segment(path: &[u8]) -> bool {
    if memchr::memchr2(b'.', b'%', path).is_none() {
        return false;
    }
    let mut dots = Some(0_usize);
    let mut rest = path;
    while let [byte, after @ ..] = rest {
        let (byte, after) = match (byte, after) {
            (b'%', [high, low, after @ ..]) => {
                (hex_digit(*high).unwrap_or(0) << 4 | hex_digit(*low).unwrap_or(0), after)
            }
            _ => (*byte, after),
        };
        rest = after;
        match byte {
            b'/' if matches!(dots, Some(1 | 2)) => return true,
            b'/' => dots = Some(0),
            b'.' => dots = dots.map(|count| count + 1),
            _ => dots = None,
        }
    }
    matches!(dots, Some(1 | 2))
}

/// `uri-host [":" port]` with a host that is not empty (RFC 9110 section 7.2, RFC 3986 section 3.2.2).
/// Escapes, commas, zone ids and future address forms are refused: nothing we serve is named that way.
pub(super) fn is_authority(text: &[u8]) -> bool {
    let (host_ok, port) = match text {
        [b'[', rest @ ..] => {
            let Some(end) = memchr::memchr(b']', rest) else { return false };
            let (address, after) = rest.split_at_checked(end).unwrap_or_default();
            let address = str::from_utf8(address).unwrap_or_default();
            (address.parse::<std::net::Ipv6Addr>().is_ok(), after.get(1..).unwrap_or_default())
        }
        _ => {
            let end = memchr::memchr(b':', text).unwrap_or(text.len());
            let (host, port) = text.split_at_checked(end).unwrap_or_default();
            (!host.is_empty() && host.iter().all(|byte| is_host_char(*byte)), port)
        }
    };
    host_ok && is_port(port)
}

/// Nothing, `:`, or `:` and a number below 65 536.
fn is_port(text: &[u8]) -> bool {
    match text {
        [] | [b':'] => true,
        [b':', digits @ ..] => {
            crate::grammar::decimal(digits).is_some_and(|port| u16::try_from(port).is_ok())
        }
        _ => false,
    }
}

/// Whether two authorities name the same origin under one scheme: case and the default port do not count.
pub(super) fn same_authority(one: &[u8], other: &[u8], default_port: &str) -> bool {
    fn bare<'a>(text: &'a [u8], port: &str) -> &'a [u8] {
        let text =
            text.strip_suffix(port.as_bytes()).filter(|rest| rest.ends_with(b":")).unwrap_or(text);
        text.strip_suffix(b":").unwrap_or(text)
    }
    bare(one, default_port).eq_ignore_ascii_case(bare(other, default_port))
}
