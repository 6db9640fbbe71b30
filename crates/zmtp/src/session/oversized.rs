//! Frames longer than are taken: what they begin with is told, and their bytes are passed over.

use bytes::{Buf, Bytes, BytesMut};

use super::Session;
use crate::fault::ProtocolFault;
use crate::frame::FrameHeader;
use crate::mechanism::curve::Channel;

/// A frame longer than `message_bytes_max`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oversized {
    /// Its length in bytes.
    pub size: usize,
    /// What would have been taken.
    pub max: usize,
    /// Its first bytes, at most 16 KiB; none if they are encrypted: only a whole frame opens.
    pub begins: Option<Bytes>,
}

/// What stood at the front of the input.
#[derive(Debug)]
pub(super) enum Read {
    Frame(FrameHeader, Bytes),
    /// And whether the message goes on in the next frame.
    Oversized(bool, Oversized),
}

/// What a session does with frames that are too long.
#[derive(Debug, Default)]
pub(super) struct TooLong {
    are_passed_over: bool,
    /// Bytes of one that are still to be thrown away.
    unwanted: usize,
    /// What ends the session, now that the beginning of the frame has been told.
    fault: Option<ProtocolFault>,
}

impl Session {
    /// A frame that is too long does not end the session: it becomes an `Event::Oversized`. One that
    /// is a thousand times too long ends it after that, because it is likely to be no frame.
    pub fn pass_over_oversized(&mut self) {
        self.too_long.are_passed_over = true;
    }

    pub(super) fn next_frame(
        &mut self,
        input: &mut BytesMut,
    ) -> Result<Option<Read>, ProtocolFault> {
        if let Some(fault) = self.too_long.fault.take() {
            return Err(fault);
        }
        if self.too_long.unwanted > 0 {
            let gone = self.too_long.unwanted.min(input.len());
            input.advance(gone);
            self.too_long.unwanted -= gone;
            if self.too_long.unwanted > 0 {
                return Ok(None);
            }
        }
        match self.whole_frame(input) {
            Ok(frame) => Ok(frame.map(|(header, body)| Read::Frame(header, body))),
            Err(fault @ ProtocolFault::TooLarge { .. }) if self.too_long.are_passed_over => {
                self.pass_over(fault, input)
            }
            Err(fault) => Err(fault),
        }
    }

    /// The frame at the front of `input` is too long, which is `fault` if it is a command.
    fn pass_over(
        &mut self,
        fault: ProtocolFault,
        input: &mut BytesMut,
    ) -> Result<Option<Read>, ProtocolFault> {
        let max = self.message_bytes_max;
        let (header, start) = match FrameHeader::decode(input, usize::MAX) {
            Ok(Some((header, start))) if !header.command => (header, start),
            _ => return Err(fault),
        };
        let (begins, size) = if self.channel.is_some() {
            (None, header.length.saturating_sub(Channel::OVERHEAD))
        } else {
            let shown = header.length.min(BEGINS_BYTES_MAX);
            let Some(begins) = input.get(start..start + shown) else {
                self.wanted = start + shown - input.len();
                return Ok(None);
            };
            (Some(Bytes::copy_from_slice(begins)), header.length)
        };
        if size > max.saturating_mul(TIMES_MAX) {
            self.too_long.fault = Some(fault);
        }
        input.advance(start);
        self.too_long.unwanted = header.length;
        Ok(Some(Read::Oversized(header.more, Oversized { size, max, begins })))
    }
}

/// What is shown of a frame: room for the names of hundreds of connections.
const BEGINS_BYTES_MAX: usize = 16 << 10;

/// How many times too long a frame may be.
const TIMES_MAX: usize = 1024;
