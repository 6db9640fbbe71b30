//! Frames on their way to one peer: encoded once, written with as few system calls as possible.

use std::io::IoSlice;

use bytes::Bytes;

use crate::frame::Frame;
use crate::mechanism::curve::Channel;

/// Encoded frames of one batch and how far they have been written.
///
/// Headers and small bodies are copied into one buffer; large bodies go as they are.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    copied: Vec<u8>,
    segments: Vec<Segment>,
    /// Where each frame ends, counted in bytes from the start of the batch.
    ends: Vec<usize>,
    total: usize,
    written: usize,
    /// First segment not fully written, how far into `copied` it starts, and how much of it is
    /// written.
    next: usize,
    copied_before: usize,
    within: usize,
    /// Whether bytes that are no frame are among them.
    raw: bool,
}

#[derive(Debug)]
enum Segment {
    /// So many further bytes of `copied`.
    Copied(usize),
    Shared(Bytes),
    /// A shared body that is written and let go.
    Gone(usize),
}

impl Segment {
    fn len(&self) -> usize {
        match self {
            Self::Copied(length) | Self::Gone(length) => *length,
            Self::Shared(body) => body.len(),
        }
    }
}

impl Outbox {
    /// Adds a frame of the batch.
    pub(crate) fn push(&mut self, frame: Frame) {
        let before = self.copied.len();
        frame.header().encode(&mut self.copied);
        if frame.payload.len() <= COPY_BYTES_MAX {
            self.copied.extend_from_slice(&frame.payload);
            self.extend_copied(self.copied.len() - before);
        } else {
            self.extend_copied(self.copied.len() - before);
            self.total += frame.payload.len();
            self.segments.push(Segment::Shared(frame.payload));
        }
        self.ends.push(self.total);
    }

    /// Adds a frame of the batch, encrypted.
    pub(crate) fn push_sealed(&mut self, frame: &Frame, channel: &mut Channel) {
        let before = self.copied.len();
        channel.seal(frame.header(), &frame.payload, &mut self.copied);
        self.extend_copied(self.copied.len() - before);
        self.ends.push(self.total);
    }

    /// Adds bytes that are no frame of the batch: a greeting, a command.
    pub(crate) fn push_raw(&mut self, fill: impl FnOnce(&mut Vec<u8>)) {
        let before = self.copied.len();
        fill(&mut self.copied);
        self.raw = true;
        self.extend_copied(self.copied.len() - before);
    }

    fn extend_copied(&mut self, added: usize) {
        self.total += added;
        match self.segments.last_mut() {
            Some(Segment::Copied(length)) => *length += added,
            _ => self.segments.push(Segment::Copied(added)),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.written == self.total
    }

    /// What is left, as far as it fits into `slices`.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut start = self.copied_before;
        let mut skip = self.within;
        let mut count = 0;
        let rest = self.segments.get(self.next..).unwrap_or_default();
        for (slot, segment) in slices.iter_mut().zip(rest) {
            let bytes = match segment {
                Segment::Copied(length) => {
                    let end = start + length;
                    let bytes = self.copied.get(start..end).unwrap_or_default();
                    start = end;
                    bytes
                }
                Segment::Shared(body) => body.as_ref(),
                Segment::Gone(_) => &[],
            };
            *slot = IoSlice::new(bytes.get(skip..).unwrap_or_default());
            skip = 0;
            count += 1;
        }
        count
    }

    /// Takes note that so many bytes have been written.
    pub(crate) fn advance(&mut self, written: usize) {
        self.written += written;
        self.within += written;
        while let Some(segment) = self.segments.get_mut(self.next) {
            let length = segment.len();
            if self.within < length {
                break;
            }
            self.within -= length;
            self.next += 1;
            match segment {
                Segment::Copied(_) => self.copied_before += length,
                // A long body is not held until the rest of the batch is through.
                Segment::Shared(_) | Segment::Gone(_) => *segment = Segment::Gone(length),
            }
        }
    }

    /// Frames of the batch that are written to their last byte.
    pub(crate) fn written_frames(&self) -> usize {
        self.ends.partition_point(|&end| end <= self.written)
    }

    /// Forgets the frames after the first that is not written whole (which is kept even if it has
    /// not begun, so that there is something to wait for); says how many of the batch are kept.
    pub(crate) fn take_back(&mut self) -> usize {
        let keep = self.written_frames() + 1;
        if self.raw || keep >= self.ends.len() {
            return self.ends.len();
        }
        let end = self.ends.get(keep - 1).copied().unwrap_or(self.total);
        self.ends.truncate(keep);
        let (mut before, mut count) = (0, 0);
        for segment in &mut self.segments {
            if before >= end {
                break;
            }
            let length = segment.len();
            if let Segment::Copied(length) = segment {
                *length = (*length).min(end - before);
            }
            before += length;
            count += 1;
        }
        self.segments.truncate(count);
        self.total = end;
        keep
    }

    /// Begins a new batch. Only when `is_empty`.
    pub(crate) fn clear(&mut self) {
        self.copied.clear();
        self.segments.clear();
        self.ends.clear();
        self.total = 0;
        self.written = 0;
        self.next = 0;
        self.copied_before = 0;
        self.within = 0;
        self.raw = false;
    }

    /// Gives back the room of a large batch, now that nothing is to be sent.
    pub(crate) fn shrink(&mut self) {
        if self.copied.capacity() > IDLE_BYTES_MAX || self.ends.capacity() > IDLE_FRAMES_MAX {
            *self = Self::default();
        }
    }
}

/// Bodies up to this are copied: cheaper than an entry in the vector of a system call.
const COPY_BYTES_MAX: usize = 2 << 10;

/// What an idle peer may keep.
const IDLE_BYTES_MAX: usize = 8 << 10;
const IDLE_FRAMES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(frames: &[Frame]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for frame in frames {
            frame.header().encode(&mut bytes);
            bytes.extend_from_slice(&frame.payload);
        }
        bytes
    }

    fn drain(outbox: &mut Outbox, step: usize) -> Vec<u8> {
        let mut got = Vec::new();
        while !outbox.is_empty() {
            let mut slices = [IoSlice::new(&[]); 4];
            let count = outbox.slices(&mut slices);
            let bytes: Vec<u8> = slices[..count].iter().flat_map(|s| s.to_vec()).collect();
            assert!(!bytes.is_empty());
            let n = step.min(bytes.len());
            got.extend_from_slice(&bytes[..n]);
            outbox.advance(n);
        }
        got
    }

    fn frames(sizes: &[usize]) -> Vec<Frame> {
        let body = |(i, &n): (usize, &usize)| Frame::last(vec![i as u8; n].into());
        sizes.iter().enumerate().map(body).collect()
    }

    #[test]
    fn counts_frames_written_and_takes_back_the_rest() {
        for (advance, written, kept) in
            [(0, 0, 1), (1, 0, 1), (5, 1, 2), (6, 1, 2), (5013, 1, 2), (5014, 2, 3), (5016, 3, 3)]
        {
            let mut outbox = Outbox::default();
            frames(&[3, 5000, 0]).into_iter().for_each(|f| outbox.push(f));
            outbox.advance(advance);
            assert_eq!(outbox.written_frames(), written);
            assert_eq!(outbox.take_back(), kept);
            assert_eq!(outbox.is_empty(), written == 3);
        }
    }

    #[test]
    fn control_bytes_are_not_taken_back() {
        let mut outbox = Outbox::default();
        outbox.push_raw(|out| out.extend_from_slice(b"pong"));
        frames(&[1, 1]).into_iter().for_each(|f| outbox.push(f));
        assert_eq!(outbox.take_back(), 2);
        assert_eq!(drain(&mut outbox, 3), b"pong\0\x01\0\0\x01\x01");
    }

    #[test]
    fn what_is_idle_keeps_little() {
        for (count, size) in [(256, 5000), (256, 0), (10, 2000)] {
            let mut outbox = Outbox::default();
            frames(&vec![size; count]).into_iter().for_each(|frame| outbox.push(frame));
            drain(&mut outbox, usize::MAX);
            outbox.clear();
            outbox.shrink();
            let entries = outbox.segments.capacity() + outbox.ends.capacity();
            assert!(entries <= 3 * IDLE_FRAMES_MAX, "{entries} after {count} of {size}");
            assert!(outbox.copied.capacity() <= IDLE_BYTES_MAX, "after {count} of {size}");
        }
    }

    proptest! {
        #[test]
        fn writes_what_was_pushed(
            sizes in proptest::collection::vec(prop_oneof![0usize..300, 1900usize..6000], 1..20),
            step in 1usize..5000,
        ) {
            let mut outbox = Outbox::default();
            for round in 0..2 {
                let frames = frames(&sizes);
                outbox.clear();
                frames.iter().cloned().for_each(|f| outbox.push(f));
                prop_assert_eq!(drain(&mut outbox, step), encoded(&frames), "round {}", round);
                prop_assert_eq!(outbox.written_frames(), sizes.len());
            }
        }

        #[test]
        fn truncated_after_what_has_begun(
            sizes in proptest::collection::vec(prop_oneof![0usize..300, 1900usize..6000], 1..20),
            written in 0usize..40_000,
        ) {
            let frames = frames(&sizes);
            let all = encoded(&frames);
            let written = written.min(all.len());
            let mut outbox = Outbox::default();
            frames.iter().cloned().for_each(|f| outbox.push(f));
            outbox.advance(written);
            let keep = outbox.take_back();
            let rest = drain(&mut outbox, 1000);
            prop_assert_eq!(outbox.written_frames(), keep);
            let mut got = all[..written].to_vec();
            got.extend(rest);
            prop_assert_eq!(got, encoded(&frames[..keep]));
        }
    }
}
