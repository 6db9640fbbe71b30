//! Entity tags: how ours are made, and how a list of them is compared (RFC 9110 sections 8.8.3, 13.1).

/// What two tags must share to be equal (RFC 9110 section 8.8.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    /// Neither may be weak.
    Strong,
    Weak,
}

/// A strong tag, quotes included: modification time to the nanosecond and size, in hexadecimal.
pub(super) fn of(mtime: i64, mtime_nsec: i64, size: u64) -> Box<str> {
    format!("\"{mtime:x}.{mtime_nsec:x}-{size:x}\"").into_boxed_str()
}

/// Whether `list` is `*` or holds `ours`, a strong tag. What follows the first thing in it that is
/// not a tag is not read.
pub(super) fn matches(list: &[u8], ours: &str, comparison: Comparison) -> bool {
    let mut rest = list.trim_ascii();
    if rest == b"*" {
        return true;
    }
    loop {
        rest = rest.trim_ascii_start();
        if let Some(after) = rest.strip_prefix(b",") {
            rest = after;
            continue;
        }
        let Some((tag, is_weak, after)) = first(rest) else { return false };
        if tag == ours.as_bytes() && (comparison == Comparison::Weak || !is_weak) {
            return true;
        }
        rest = after.trim_ascii_start();
        if !rest.is_empty() && !rest.starts_with(b",") {
            return false;
        }
    }
}

/// The tag that begins `text`, with its quotes; whether it is weak; and what follows it.
fn first(text: &[u8]) -> Option<(&[u8], bool, &[u8])> {
    let (is_weak, quoted) = match text.strip_prefix(b"W/") {
        Some(quoted) => (true, quoted),
        None => (false, text),
    };
    let inside = quoted.strip_prefix(b"\"")?;
    let len = inside.iter().position(|&byte| byte == b'"')? + 2;
    let (tag, after) = quoted.split_at_checked(len)?;
    Some((tag, is_weak, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_tells_time_and_size() {
        assert_eq!(&*of(0x5e0d_5da5, 0, 8), "\"5e0d5da5.0-8\"");
        assert_eq!(&*of(1, 0xff, 5 << 30), "\"1.ff-140000000\"");
        assert_eq!(&*of(-1, 1, 0), "\"ffffffffffffffff.1-0\"");
    }

    #[test]
    fn lists_are_compared_tag_by_tag() {
        let ours = "\"a-1\"";
        for (list, strong, weak) in [
            ("\"a-1\"", true, true),
            ("W/\"a-1\"", false, true),
            ("w/\"a-1\"", false, false),
            ("*", true, true),
            (" * ", true, true),
            ("\"x\", \"a-1\"", true, true),
            ("\"x\",\"a-1\"", true, true),
            (",, \"x\" ,\t\"a-1\",", true, true),
            ("W/\"x\", W/\"a-1\"", false, true),
            ("\"x,\\\", \"a-1\"", true, true),
            ("\"x, \"a-1\"", false, false),
            ("\"*\"", false, false),
            ("\"x\", *", false, false),
            ("\"a-1", false, false),
            ("a-1", false, false),
            ("a-1, \"a-1\"", false, false),
            ("\"A-1\"", false, false),
            ("\"x\" \"a-1\"", false, false),
            ("", false, false),
            (",", false, false),
        ] {
            let found = |comparison| matches(list.as_bytes(), ours, comparison);
            assert_eq!(found(Comparison::Strong), strong, "{list}, strong");
            assert_eq!(found(Comparison::Weak), weak, "{list}, weak");
        }
    }
}
