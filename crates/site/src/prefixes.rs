//! Finds which of many byte strings begin a text, longest first.

use std::collections::VecDeque;
use std::ops::Range;

/// Distinct byte strings as a radix tree in a few flat arrays.
///
/// A text is compared once, from the root down; every node knows the nearest one above it where a
/// string ends, so all strings that begin the text are found without going back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prefixes {
    nodes: Box<[Node]>,
    /// The labels of all nodes, one after the other.
    labels: Box<[u8]>,
    /// The first bytes of the labels of each node's children, in the order of the children.
    keys: Box<[u8]>,
    len: usize,
}

#[derive(Clone, Debug)]
struct Node {
    label: Span,
    keys: Span,
    /// The children stand side by side from here on.
    first_child: u32,
    /// Number and length of the string that ends here.
    string: Option<(u32, u32)>,
    /// The nearest node above where a string ends.
    shorter: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    len: u32,
}

impl Prefixes {
    /// Takes the strings in any order, repeats allowed; gives the number of each string too.
    pub(crate) fn new(strings: &[&[u8]]) -> (Self, Vec<usize>) {
        let mut sorted = strings.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let numbers = strings.iter().filter_map(|s| sorted.binary_search(s).ok()).collect();
        (Builder::default().build(&sorted), numbers)
    }

    /// How many distinct strings there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The numbers and lengths of the strings that begin `text`, longest first.
    pub(crate) fn of<'a>(&'a self, text: &[u8]) -> impl Iterator<Item = (usize, usize)> + use<'a> {
        let mut next = self.deepest(text);
        std::iter::from_fn(move || {
            loop {
                let node = next?;
                next = node.shorter.and_then(|at| self.nodes.get(at as usize));
                if let Some((number, len)) = node.string {
                    return Some((number as usize, len as usize));
                }
            }
        })
    }

    /// The last node on the way down whose label the text has in full.
    fn deepest(&self, text: &[u8]) -> Option<&Node> {
        let mut reached = None;
        let mut rest = text;
        let mut node = self.nodes.first()?;
        loop {
            let Some(after) = rest.strip_prefix(self.labels.get(node.label.range())?) else {
                return reached;
            };
            rest = after;
            reached = Some(node);
            let Some(&byte) = rest.first() else { return reached };
            let keys = self.keys.get(node.keys.range())?;
            let Some(child) = memchr::memchr(byte, keys) else { return reached };
            node = self.nodes.get(node.first_child as usize + child)?;
        }
    }
}

impl Span {
    fn range(self) -> Range<usize> {
        self.start as usize..(self.start + self.len) as usize
    }
}

/// The arrays of a tree in the making.
#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    labels: Vec<u8>,
    keys: Vec<u8>,
}

/// Strings of a node whose label is not known yet: they share the first `depth` bytes.
struct Open<'s> {
    strings: &'s [&'s [u8]],
    first: usize,
    depth: usize,
    shorter: Option<u32>,
}

impl Builder {
    fn build(mut self, sorted: &[&[u8]]) -> Prefixes {
        let mut open = VecDeque::new();
        if !sorted.is_empty() {
            open.push_back(Open { strings: sorted, first: 0, depth: 0, shorter: None });
        }
        // Breadth first, so that children stand side by side: each entry of the queue becomes the
        // node whose index is its place in the order.
        let mut promised = open.len();
        while let Some(entry) = open.pop_front() {
            self.add(&entry, &mut promised, &mut open);
        }
        Prefixes {
            nodes: self.nodes.into(),
            labels: self.labels.into(),
            keys: self.keys.into(),
            len: sorted.len(),
        }
    }

    fn add<'s>(&mut self, entry: &Open<'s>, promised: &mut usize, open: &mut VecDeque<Open<'s>>) {
        let (Some(first), Some(last)) = (entry.strings.first(), entry.strings.last()) else {
            return;
        };
        // Sorted strings share what the first and the last share.
        let depth = first.iter().zip(*last).take_while(|(a, b)| a == b).count();
        let label = first.get(entry.depth..depth).unwrap_or_default();
        let label = span(&mut self.labels, label.iter().copied());
        let ends_here = first.len() == depth;
        let this = offset(self.nodes.len());
        let string = ends_here.then(|| (offset(entry.first), offset(depth)));
        let shorter = if ends_here { Some(this) } else { entry.shorter };
        let below = entry.strings.get(usize::from(ends_here)..).unwrap_or_default();
        let mut at = entry.first + usize::from(ends_here);
        let first_child = offset(*promised);
        let groups = below.chunk_by(|a, b| a.get(depth) == b.get(depth));
        let keys =
            span(&mut self.keys, groups.clone().filter_map(|g| g.first()?.get(depth).copied()));
        for group in groups {
            open.push_back(Open { strings: group, first: at, depth, shorter });
            at += group.len();
            *promised += 1;
        }
        self.nodes.push(Node { label, keys, first_child, string, shorter: entry.shorter });
    }
}

fn span(bytes: &mut Vec<u8>, more: impl Iterator<Item = u8>) -> Span {
    let start = offset(bytes.len());
    bytes.extend(more);
    Span { start, len: offset(bytes.len()) - start }
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
            prop_assert!(numbers.len() == strings.len() && prefixes.len() <= strings.len());
            prop_assert_eq!(prefixes.of(text.as_bytes()).collect::<Vec<_>>(), expected);
        }
    }
}
