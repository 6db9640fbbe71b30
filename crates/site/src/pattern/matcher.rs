//! Compares a text with a pattern: position sets, no recursion, no backtracking.

use super::{ByteSet, Item, Pattern, Steps, Verdict};

/// Words of a position set that live on the stack: texts of up to 255 bytes need no allocation.
const INLINE_WORDS: usize = 4;

impl Pattern {
    /// Compares `text` with the pattern from its first byte on; without `$` a beginning is enough.
    pub fn compare(&self, text: &[u8], steps: &mut Steps) -> Verdict {
        let words = text.len() / 64 + 1;
        let mut inline = [0; INLINE_WORDS];
        let mut heap = Vec::new();
        let reached = match inline.get_mut(..words) {
            Some(inline) => inline,
            None => {
                heap.resize(words, 0);
                heap.as_mut_slice()
            }
        };
        if let Some(first) = reached.first_mut() {
            *first = 1;
        }
        for item in &self.items {
            if !steps.take(words) || !advance(item, text, reached, steps) {
                return Verdict::OutOfSteps;
            }
            if reached.iter().all(|word| *word == 0) {
                return Verdict::Differs;
            }
        }
        if !self.to_the_end || contains(reached, text.len()) {
            Verdict::Matches
        } else {
            Verdict::Differs
        }
    }
}

/// Replaces the positions before `item` by those after it; false when the steps run out.
fn advance(item: &Item, text: &[u8], reached: &mut [u64], steps: &mut Steps) -> bool {
    match item {
        Item::One(set) => step(set, text, reached, steps, Keep::No),
        Item::Optional(set) => step(set, text, reached, steps, Keep::Yes),
        Item::Many(set) => spread(set, text, reached, steps),
        Item::Some(set) => {
            step(set, text, reached, steps, Keep::No) && spread(set, text, reached, steps)
        }
        Item::Balanced(open, close) => balance((*open, *close), text, reached, steps),
        Item::Frontier(set) => frontier(set, text, reached, steps),
    }
}

/// Whether the positions before an item are also positions after it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    No,
    Yes,
}

/// One byte of `set`.
fn step(set: &ByteSet, text: &[u8], reached: &mut [u64], steps: &mut Steps, keep: Keep) -> bool {
    let mut carry = 0;
    for (index, word) in reached.iter_mut().enumerate() {
        if !steps.take(word.count_ones() as usize) {
            return false;
        }
        let mut matched = 0;
        for bit in bits(*word) {
            if text.get(index * 64 + bit as usize).is_some_and(|&b| set.contains(b)) {
                matched |= 1 << bit;
            }
        }
        let kept = if keep == Keep::Yes { *word } else { 0 };
        *word = kept | matched << 1 | carry;
        carry = matched >> 63;
    }
    true
}

/// Any number of bytes of `set`.
fn spread(set: &ByteSet, text: &[u8], reached: &mut [u64], steps: &mut Steps) -> bool {
    let mut carry = 0;
    for (index, word) in reached.iter_mut().enumerate() {
        let mut pending = *word | carry;
        let mut after = pending;
        carry = 0;
        while pending != 0 {
            let bit = pending.trailing_zeros();
            pending &= pending - 1;
            if !text.get(index * 64 + bit as usize).is_some_and(|&b| set.contains(b)) {
                continue;
            }
            if bit == 63 {
                carry = 1;
            } else {
                pending |= 2 << bit;
                after |= 2 << bit;
            }
        }
        if !steps.take(after.count_ones() as usize) {
            return false;
        }
        *word = after;
    }
    true
}

/// From an opening byte to just after the closing byte that balances it.
fn balance(pair: (u8, u8), text: &[u8], reached: &mut [u64], steps: &mut Steps) -> bool {
    if !steps.take(text.len()) {
        return false;
    }
    let (open, close) = pair;
    let mut after = vec![0; reached.len()];
    let mut opened: Vec<usize> = Vec::new();
    for (at, &byte) in text.iter().enumerate() {
        // The closing byte is looked for first, so that a pair of equal bytes ends at the next one.
        if byte == close
            && let Some(start) = opened.pop()
            && contains(reached, start)
        {
            insert(&mut after, at + 1);
        }
        if byte == open {
            opened.push(at);
        }
    }
    reached.copy_from_slice(&after);
    true
}

/// Positions where `set` begins: the byte before is not in it, the byte after is. Beyond both ends
/// of the text stands NUL.
fn frontier(set: &ByteSet, text: &[u8], reached: &mut [u64], steps: &mut Steps) -> bool {
    for (index, word) in reached.iter_mut().enumerate() {
        if !steps.take(word.count_ones() as usize) {
            return false;
        }
        for bit in bits(*word) {
            let at = index * 64 + bit as usize;
            let before = at.checked_sub(1).and_then(|at| text.get(at)).copied().unwrap_or(0);
            let after = text.get(at).copied().unwrap_or(0);
            if set.contains(before) || !set.contains(after) {
                *word &= !(1 << bit);
            }
        }
    }
    true
}

/// The set bits of a word, lowest first.
fn bits(mut word: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        (word != 0).then(|| {
            let bit = word.trailing_zeros();
            word &= word - 1;
            bit
        })
    })
}

fn contains(words: &[u64], at: usize) -> bool {
    words.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
}

fn insert(words: &mut [u64], at: usize) {
    if let Some(word) = words.get_mut(at / 64) {
        *word |= 1 << (at % 64);
    }
}
