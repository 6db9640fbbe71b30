//! Finds which of many byte strings begin a text, longest first.

use std::ops::Range;

/// Distinct byte strings in sorted order, each with a link to the longest other one that begins it.
///
/// The greatest string that is not after the text is begun by every string that begins the text, so
/// one binary search and a walk along the links find them all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prefixes {
    /// All strings, one after the other.
    bytes: Box<[u8]>,
    entries: Box<[Entry]>,
}

#[derive(Clone, Debug)]
struct Entry {
    start: u32,
    end: u32,
    parent: Option<u32>,
}

impl Prefixes {
    /// Takes the strings in any order, repeats allowed; gives the number of each string too.
    pub(crate) fn new(strings: &[&[u8]]) -> (Self, Vec<usize>) {
        let mut sorted = strings.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let numbers = strings.iter().filter_map(|s| sorted.binary_search(s).ok()).collect();
        let mut bytes = Vec::new();
        let mut entries: Vec<Entry> = Vec::new();
        let mut open: Vec<(u32, &[u8])> = Vec::new();
        for (number, &string) in sorted.iter().enumerate() {
            while open.last().is_some_and(|(_, outer)| !string.starts_with(outer)) {
                open.pop();
            }
            let start = offset(bytes.len());
            bytes.extend_from_slice(string);
            let parent = open.last().map(|(number, _)| *number);
            entries.push(Entry { start, end: offset(bytes.len()), parent });
            open.push((offset(number), string));
        }
        (Self { bytes: bytes.into(), entries: entries.into() }, numbers)
    }

    /// How many distinct strings there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The numbers and lengths of the strings that begin `text`, longest first.
    pub(crate) fn of<'a>(&'a self, text: &[u8]) -> impl Iterator<Item = (usize, usize)> + use<'a> {
        let after = self.entries.partition_point(|entry| self.string(entry) <= text);
        let mut at = after.checked_sub(1);
        let shared = at
            .and_then(|at| self.entries.get(at))
            .map_or(0, |entry| shared_len(self.string(entry), text));
        std::iter::from_fn(move || {
            loop {
                let number = at?;
                let entry = self.entries.get(number)?;
                at = entry.parent.map(|parent| parent as usize);
                let len = (entry.end - entry.start) as usize;
                if len <= shared {
                    return Some((number, len));
                }
            }
        })
    }

    fn string(&self, entry: &Entry) -> &[u8] {
        self.bytes.get(range(entry)).unwrap_or_default()
    }
}

fn range(entry: &Entry) -> Range<usize> {
    entry.start as usize..entry.end as usize
}

fn shared_len(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// Offsets are kept in 32 bits.
fn offset(len: usize) -> u32 {
    u32::try_from(len).expect("a configuration has less than 4 GiB of text")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn finds_what_a_linear_search_finds(
            strings in prop::collection::vec("[ab/]{0,6}", 0..40),
            text in "[ab/]{0,9}",
        ) {
            let bytes: Vec<&[u8]> = strings.iter().map(|s| s.as_bytes()).collect();
            let (prefixes, numbers) = Prefixes::new(&bytes);
            let mut expected: Vec<(usize, usize)> = strings
                .iter()
                .zip(&numbers)
                .filter(|(s, _)| text.starts_with(s.as_str()))
                .map(|(s, number)| (*number, s.len()))
                .collect();
            expected.sort_unstable_by_key(|(_, len)| std::cmp::Reverse(*len));
            expected.dedup();
            prop_assert_eq!(prefixes.of(text.as_bytes()).collect::<Vec<_>>(), expected);
        }
    }
}
