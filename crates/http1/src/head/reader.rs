//! Takes request heads out of an input buffer, line by line, however the bytes arrive.

use bytes::{Buf, BytesMut};

use super::fields::facts;
use super::lines::Lines;
use super::request_line::{Prefix, RequestLine};
use super::{Field, RequestHead, Span};
use crate::limits::Limits;
use crate::refusal::Refusal;

/// Reads request heads out of an input buffer; remembers how far it has looked, so drip-fed input costs linear time.
///
/// A rule is refused at the line, often at the byte, where it is broken: an attacker learns nothing by sending the
/// rest, and a client that speaks another protocol is not kept waiting for the head deadline.
#[derive(Debug, Default)]
pub struct HeadReader {
    lines: Lines,
    prefix: Prefix,
    line: Option<RequestLine>,
    fields: usize,
    skipped_empty_line: bool,
}

impl HeadReader {
    /// Takes one head, its empty line included, out of `input`; `None` while it is incomplete.
    ///
    /// `input` must begin where it began at the last call that gave `None`. A refusal is final: what follows in the
    /// input can't be trusted to begin with a request. The head that was refused stays in `input`.
    pub fn read(
        &mut self,
        input: &mut BytesMut,
        limits: &Limits,
    ) -> Result<Option<RequestHead>, Refusal> {
        if self.lines.untouched() && !self.skip_empty_line(input)? {
            return Ok(None);
        }
        let window = input.get(..limits.head_bytes_max).unwrap_or(input);
        let Some(line) = self.scan(window, limits)? else {
            let too_large = window.len() < input.len();
            return if too_large { Err(Refusal::HeadTooLarge) } else { Ok(None) };
        };
        let end = self.lines.start();
        let fields_start = line.end();
        let fields = split_fields(
            window.get(fields_start..end).unwrap_or_default(),
            fields_start,
            self.fields,
        )?;
        let facts = facts(window, &line, &fields)?;
        let raw = input.split_to(end).freeze();
        *self = Self::default();
        Ok(Some(RequestHead::new(raw, line, fields, facts)))
    }

    /// Whether some bytes of a head have been seen; false means that a close now is a clean one.
    pub fn has_begun(&self) -> bool {
        !self.lines.untouched()
    }

    /// One empty line before a request is forgiven (RFC 9112 section 2.2). False: more input is needed.
    fn skip_empty_line(&mut self, input: &mut BytesMut) -> Result<bool, Refusal> {
        if input.starts_with(b"\r\n") {
            if self.skipped_empty_line {
                return Err(Refusal::EmptyLines);
            }
            self.skipped_empty_line = true;
            input.advance(2);
            return self.skip_empty_line(input);
        }
        Ok(!matches!(**input, [] | [b'\r']))
    }

    /// Looks at the lines not yet seen; the request line once the empty line has come.
    fn scan(&mut self, window: &[u8], limits: &Limits) -> Result<Option<RequestLine>, Refusal> {
        loop {
            let next = self.lines.next(window);
            let Some(request_line) = self.line else {
                let complete = next.as_ref().ok().copied().flatten();
                let so_far = complete.or_else(|| window.get(..self.lines.looked()));
                self.prefix.check(so_far.unwrap_or_default(), limits)?;
                let Some(line) = next? else { return Ok(None) };
                self.line = Some(RequestLine::parse(line, limits)?);
                continue;
            };
            match next? {
                None => return Ok(None),
                Some([]) => return Ok(Some(request_line)),
                Some(line) => self.field_line(line, limits)?,
            }
        }
    }

    fn field_line(&mut self, line: &[u8], limits: &Limits) -> Result<(), Refusal> {
        self.fields += 1;
        if self.fields > limits.fields_max {
            return Err(Refusal::TooManyFields);
        }
        let colon = memchr::memchr(b':', line).ok_or(Refusal::FieldNoColon)?;
        match line.get(..colon).and_then(<[u8]>::last) {
            None => Err(Refusal::FieldNameEmpty),
            Some(b' ' | b'\t') => Err(Refusal::SpaceBeforeColon),
            Some(_) => Ok(()),
        }
    }
}

/// Fields that are split on the stack; more go to the heap for a moment.
const FIELDS_ON_STACK: usize = 16;

/// Splits the field lines in `block`, which begins at `start` of the head and ends with the empty line.
fn split_fields(block: &[u8], start: usize, count: usize) -> Result<Vec<Field>, Refusal> {
    if count <= FIELDS_ON_STACK {
        split_into(block, start, &mut [httparse::EMPTY_HEADER; FIELDS_ON_STACK])
    } else {
        split_into(block, start, &mut vec![httparse::EMPTY_HEADER; count])
    }
}

fn split_into<'a>(
    block: &'a [u8],
    start: usize,
    slots: &mut [httparse::Header<'a>],
) -> Result<Vec<Field>, Refusal> {
    let parsed = httparse::parse_headers(block, slots).map_err(|error| match error {
        httparse::Error::TooManyHeaders => Refusal::TooManyFields,
        httparse::Error::HeaderValue => Refusal::FieldValue,
        httparse::Error::NewLine => Refusal::BareCr,
        _ => Refusal::FieldName,
    })?;
    let httparse::Status::Complete((len, headers)) = parsed else { return Err(Refusal::FieldName) };
    if len != block.len() {
        return Err(Refusal::FieldValue);
    }
    let span = |part: &[u8]| {
        let at = start + part.as_ptr().addr().saturating_sub(block.as_ptr().addr());
        Span::new(at, at + part.len())
    };
    let fields = headers.iter();
    Ok(fields.map(|it| Field { name: span(it.name.as_bytes()), value: span(it.value) }).collect())
}
