//! The Range field: one range of bytes out of a file of known length (RFC 9110 section 14).

use std::ops::Range;

/// What a Range field asks of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Selection {
    /// The whole file: no range, one in another unit, a malformed one, or several. Nobody has to
    /// serve several, and overlapping ones are an attack (RFC 9110 section 14.2).
    Whole,
    /// These bytes; never empty.
    Part(Range<u64>),
    /// Bytes beyond the end.
    Unsatisfiable,
}

/// Reads a field value such as `bytes=0-499`, `bytes=500-` or `bytes=-500`.
pub(super) fn select(value: &[u8], length: u64) -> Selection {
    let Some(set) = byte_ranges(value) else { return Selection::Whole };
    let ranges = set.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    let mut ranges = ranges.filter(|range| !range.is_empty());
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return Selection::Whole };
    let Some(dash) = range.iter().position(|&byte| byte == b'-') else { return Selection::Whole };
    let (first, last) = (range.get(..dash), range.get(dash + 1..));
    match (first.unwrap_or_default(), last.unwrap_or_default()) {
        (b"", suffix) => select_suffix(suffix, length),
        (first, last) => select_from(first, last, length),
    }
}

/// What follows `bytes=`; the unit's name has no case (RFC 9110 section 14.1).
fn byte_ranges(value: &[u8]) -> Option<&[u8]> {
    let (unit, set) = value.split_at_checked(6)?;
    unit.eq_ignore_ascii_case(b"bytes=").then_some(set)
}

fn select_suffix(suffix: &[u8], length: u64) -> Selection {
    match number(suffix) {
        None => Selection::Whole,
        Some(0) => Selection::Unsatisfiable,
        // An empty file has no range that Content-Range could name.
        Some(_) if length == 0 => Selection::Whole,
        Some(suffix) => Selection::Part(length.saturating_sub(suffix)..length),
    }
}

fn select_from(first: &[u8], last: &[u8], length: u64) -> Selection {
    let last = if last.is_empty() { Some(u64::MAX) } else { number(last) };
    match (number(first), last) {
        (Some(first), Some(last)) if first > last => Selection::Whole,
        (Some(first), Some(_)) if first >= length => Selection::Unsatisfiable,
        (Some(first), Some(last)) => Selection::Part(first..last.saturating_add(1).min(length)),
        _ => Selection::Whole,
    }
}

/// A decimal number; one that is too large for any file becomes the largest.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, &digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        Some(number.saturating_mul(10).saturating_add(digit))
    })
}

/// The value of Content-Range for a 206.
pub(super) fn content_range(part: &Range<u64>, length: u64) -> String {
    format!("bytes {}-{}/{length}", part.start, part.end.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Selection::{Part, Unsatisfiable, Whole};
    use proptest::prelude::*;

    #[test]
    fn one_range_of_bytes_is_served() {
        for (value, length, expected) in [
            ("bytes=0-3", 8, Part(0..4)),
            ("Bytes=0-3", 8, Part(0..4)),
            ("bytes=0-0", 8, Part(0..1)),
            ("bytes=7-7", 8, Part(7..8)),
            ("bytes=0-", 8, Part(0..8)),
            ("bytes=5-", 8, Part(5..8)),
            ("bytes=5-100", 8, Part(5..8)),
            ("bytes=-3", 8, Part(5..8)),
            ("bytes=-8", 8, Part(0..8)),
            ("bytes=-100", 8, Part(0..8)),
            ("bytes= 0-3", 8, Part(0..4)),
            ("bytes=,0-3 ,", 8, Part(0..4)),
            ("bytes=00-03", 8, Part(0..4)),
            ("bytes=3-18446744073709551615", 8, Part(3..8)),
            ("bytes=3-99999999999999999999999", 8, Part(3..8)),
            ("bytes=-99999999999999999999999", 8, Part(0..8)),
            ("bytes=5000000000-5000000001", 6_000_000_000, Part(5_000_000_000..5_000_000_002)),
            ("bytes=8-", 8, Unsatisfiable),
            ("bytes=8-9", 8, Unsatisfiable),
            ("bytes=-0", 8, Unsatisfiable),
            ("bytes=99999999999999999999999-", 8, Unsatisfiable),
            ("bytes=0-", 0, Unsatisfiable),
            ("bytes=0-0", 0, Unsatisfiable),
            ("bytes=-5", 0, Whole),
            ("bytes=0-1,4-5", 8, Whole),
            ("bytes=0-1,99-", 8, Whole),
            ("bytes=5-3", 8, Whole),
            ("bytes=9-8", 8, Whole),
            ("bytes=", 8, Whole),
            ("bytes=-", 8, Whole),
            ("bytes=--3", 8, Whole),
            ("bytes=a-3", 8, Whole),
            ("bytes=0-x", 8, Whole),
            ("bytes=0 -3", 8, Whole),
            ("bytes=+0-3", 8, Whole),
            ("bytes=3", 8, Whole),
            ("bytes 0-3", 8, Whole),
            ("bytes =0-3", 8, Whole),
            ("items=0-3", 8, Whole),
            ("", 8, Whole),
        ] {
            assert_eq!(select(value.as_bytes(), length), expected, "{value} of {length}");
        }
    }

    #[test]
    fn ranges_are_named_by_their_last_byte() {
        assert_eq!(content_range(&(0..4), 8), "bytes 0-3/8");
    }

    proptest! {
        #[test]
        fn a_part_is_inside_the_file(value in "bytes=[-0-9, ]{0,24}", length in 0_u64..2000) {
            if let Part(part) = select(value.as_bytes(), length) {
                prop_assert!(part.start < part.end && part.end <= length);
            }
        }

        #[test]
        fn any_bytes_can_be_read(value in prop::collection::vec(any::<u8>(), 0..40)) {
            select(&value, 100);
        }
    }
}
