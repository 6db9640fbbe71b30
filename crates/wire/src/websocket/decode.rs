//! Reads the frames of a client: strictly, whatever pieces they come in, within a bound.

use bytes::{Buf, Bytes, BytesMut};

use super::encode::CONTROL_MAX;
use super::{Message, Violation, flags};

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
/// Set on the first frame of a compressed message (RFC 7692 section 6); nothing else uses it.
const RESERVED_1: u8 = 0x40;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;

/// The longest head of a frame: two bytes, a length of eight, a mask of four.
const HEAD_MAX: usize = 14;
/// Room made for a message before any of it has come; what is announced is not believed.
const RESERVE_MAX: usize = 4 << 10;

/// Whether the handshake's answer has agreed upon an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Extensions {
    /// Reserved bits must be zero.
    #[default]
    None,
    /// The handler understands reserved bits; text that has one set is not looked at.
    Agreed,
}

/// Takes messages off a client's bytes. After a [`Violation`] it must not be used again; after a
/// close frame it takes all there is and gives nothing (RFC 6455 section 1.4).
#[derive(Debug)]
pub struct Decoder {
    message_bytes_max: usize,
    extensions: Extensions,
    head: Vec<u8>,
    frame: Option<Frame>,
    /// The message whose fragments are being joined.
    pub(super) message: Option<Partial>,
    control: BytesMut,
    closed: bool,
}

/// A frame whose head is read.
#[derive(Debug)]
struct Frame {
    first: u8,
    /// Bytes of the payload that have not come.
    left: usize,
    /// The mask, its first byte that of the next byte of the payload.
    mask: [u8; 4],
}

#[derive(Debug)]
pub(super) struct Partial {
    flags: u8,
    pub(super) payload: BytesMut,
}

impl Decoder {
    /// Reads messages of at most `message_bytes_max` bytes.
    #[must_use]
    pub fn new(message_bytes_max: usize, extensions: Extensions) -> Self {
        Self {
            message_bytes_max,
            extensions,
            head: Vec::new(),
            frame: None,
            message: None,
            control: BytesMut::new(),
            closed: false,
        }
    }

    /// Takes the next message off the front of `input`; `None` when all of `input` is taken.
    ///
    /// # Errors
    ///
    /// The [`Violation`], as soon as the bytes show it.
    pub fn next(&mut self, input: &mut Bytes) -> Result<Option<Message>, Violation> {
        while !self.closed {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.next_head(input)? {
                    Some(frame) => frame,
                    None => return Ok(None),
                },
            };
            self.payload(&mut frame, input);
            if frame.left > 0 {
                self.frame = Some(frame);
                return Ok(None);
            }
            if let Some(message) = self.whole(frame.first)? {
                return Ok(Some(message));
            }
        }
        input.clear();
        Ok(None)
    }

    fn next_head(&mut self, input: &mut Bytes) -> Result<Option<Frame>, Violation> {
        loop {
            if let Some(frame) = self.check_head()? {
                self.head.clear();
                return Ok(Some(frame));
            }
            if !input.has_remaining() {
                return Ok(None);
            }
            self.head.push(input.get_u8());
        }
    }

    /// `None` while more bytes are needed; at most [`HEAD_MAX`] are.
    fn check_head(&self) -> Result<Option<Frame>, Violation> {
        debug_assert!(self.head.len() <= HEAD_MAX, "a head of this length is whole");
        let Some((&first, rest)) = self.head.split_first() else { return Ok(None) };
        self.check_first(first)?;
        let Some((&second, rest)) = rest.split_first() else { return Ok(None) };
        if second & MASKED == 0 {
            return Err(Violation::Unmasked);
        }
        let short = second & !MASKED;
        if is_control(first) && usize::from(short) > CONTROL_MAX {
            return Err(Violation::LongControl);
        }
        let (length, rest) = match short {
            126 => match rest.split_first_chunk() {
                Some((bytes, rest)) => (u64::from(u16::from_be_bytes(*bytes)), rest),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk() {
                Some((bytes, rest)) => (u64::from_be_bytes(*bytes), rest),
                None => return Ok(None),
            },
            short => (u64::from(short), rest),
        };
        let least = match short {
            126 => 126,
            127 => 1 << 16,
            _ => 0,
        };
        if length < least || length > i64::MAX.unsigned_abs() {
            return Err(Violation::LengthForm);
        }
        let left = self.check_size(first, length)?;
        let Some(mask) = rest.first_chunk() else { return Ok(None) };
        Ok(Some(Frame { first, left, mask: *mask }))
    }

    fn check_first(&self, first: u8) -> Result<(), Violation> {
        let reserved = first & RESERVED;
        if reserved != 0 && (self.extensions == Extensions::None || is_control(first)) {
            return Err(Violation::ReservedBits);
        }
        match first & OPCODE {
            CONTINUATION if self.message.is_none() => Err(Violation::NothingToContinue),
            1 | 2 if self.message.is_some() => Err(Violation::Interleaved),
            8..=10 if first & FIN == 0 => Err(Violation::FragmentedControl),
            0..=2 | 8..=10 => Ok(()),
            opcode => Err(Violation::UnknownOpcode(opcode)),
        }
    }

    fn check_size(&self, first: u8, length: u64) -> Result<usize, Violation> {
        let max = self.message_bytes_max;
        let joined = match &self.message {
            Some(message) if !is_control(first) => message.payload.len(),
            _ => 0,
        };
        let room = if is_control(first) { CONTROL_MAX } else { max.saturating_sub(joined) };
        let length = usize::try_from(length).map_err(|_| Violation::TooBig { max })?;
        if length > room { Err(Violation::TooBig { max }) } else { Ok(length) }
    }

    /// Moves what there is of the frame's payload, unmasked, to where it belongs.
    fn payload(&mut self, frame: &mut Frame, input: &mut Bytes) {
        let to = if is_control(frame.first) {
            &mut self.control
        } else {
            let begin = || Partial { flags: frame.first | FIN, payload: BytesMut::new() };
            &mut self.message.get_or_insert_with(begin).payload
        };
        let part = input.split_to(frame.left.min(input.len()));
        to.reserve(part.len().max(frame.left.min(RESERVE_MAX)));
        let start = to.len();
        to.extend_from_slice(&part);
        unmask(to.get_mut(start..).unwrap_or_default(), &mut frame.mask);
        frame.left = frame.left.saturating_sub(part.len());
    }

    /// A frame has ended; so may have a message.
    fn whole(&mut self, first: u8) -> Result<Option<Message>, Violation> {
        if is_control(first) {
            let payload = self.control.split().freeze();
            if first & OPCODE == CLOSE {
                check_close(&payload)?;
                self.closed = true;
            }
            return Ok(Some(Message { flags: first, payload }));
        }
        if first & FIN == 0 {
            return Ok(None);
        }
        let Some(Partial { flags, payload }) = self.message.take() else { return Ok(None) };
        let is_plain_text = flags & OPCODE == TEXT && flags & RESERVED_1 == 0;
        if is_plain_text && std::str::from_utf8(&payload).is_err() {
            return Err(Violation::NotUtf8);
        }
        Ok(Some(Message { flags, payload: payload.freeze() }))
    }
}

fn is_control(first: u8) -> bool {
    first & 0x08 != 0
}

fn unmask(bytes: &mut [u8], mask: &mut [u8; 4]) {
    let [a, b, c, d] = *mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut words = bytes.chunks_exact_mut(8);
    for word in &mut words {
        if let Ok(plain) = <[u8; 8]>::try_from(&*word) {
            word.copy_from_slice(&(u64::from_ne_bytes(plain) ^ wide).to_ne_bytes());
        }
    }
    for byte in words.into_remainder() {
        *byte ^= mask[0];
        mask.rotate_left(1);
    }
}

/// Section 7.4: nothing, or a code that may stand in a frame and a reason in UTF-8.
fn check_close(payload: &[u8]) -> Result<(), Violation> {
    if payload.is_empty() {
        return Ok(());
    }
    let (code, reason) = payload.split_first_chunk().ok_or(Violation::CloseCode)?;
    // 1004 to 1006 and 1015 are never sent; 1016 to 2999 belong to future versions.
    let may_be_sent = matches!(u16::from_be_bytes(*code), 1000..=1003 | 1007..=1014 | 3000..=4999);
    if !may_be_sent {
        return Err(Violation::CloseCode);
    }
    std::str::from_utf8(reason).map(drop).map_err(|_| Violation::NotUtf8)
}

/// The same as [`flags`]'s, so that the two can't part.
const _: () = assert!(flags::TEXT == FIN | TEXT && flags::CLOSE == FIN | CLOSE);
