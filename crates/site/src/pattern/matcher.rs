//! Compares a text with a pattern: position sets, no recursion, no backtracking.

use super::{ByteSet, Item, Pattern, Steps, Verdict};

/// Words of a position set that live on the stack: texts of up to 255 bytes need no allocation.
const INLINE_WORDS: usize = 4;

impl Pattern {
    /// Compares `text` with the pattern from its first byte on; without `$` a beginning is enough.
    pub fn compare(&self, text: &[u8], steps: &mut Steps) -> Verdict {
        // Most patterns leave one position open until their last item: no set is needed for those.
        let mut at = 0;
        let mut items = self.items.iter();
        loop {
            let before = items.clone();
            let Some(item) = items.next() else { return self.ends_at(at, text) };
            let has = |set: &ByteSet, at: usize| text.get(at).is_some_and(|&b| set.contains(b));
            match item {
                Item::One(_) | Item::Many(_) | Item::Some(_) if !steps.take(1) => {
                    return Verdict::OutOfSteps;
                }
                Item::One(set) if has(set, at) => at += 1,
                Item::One(_) => return Verdict::Differs,
                Item::Some(set) if !has(set, at) => return Verdict::Differs,
                Item::Some(_) | Item::Many(_) if items.len() == 0 && !self.to_the_end => {
                    return Verdict::Matches;
                }
                Item::Some(set) | Item::Many(set) if items.len() == 0 => {
                    let rest = text.get(at..).unwrap_or_default();
                    let run = rest.iter().take_while(|&&b| set.contains(b)).count();
                    if !steps.take(run) {
                        return Verdict::OutOfSteps;
                    }
                    return self.ends_at(at + run, text);
                }
                _ => return self.compare_sets(before.as_slice(), at, (text, steps)),
            }
        }
    }

    fn ends_at(&self, at: usize, text: &[u8]) -> Verdict {
        if !self.to_the_end || at == text.len() { Verdict::Matches } else { Verdict::Differs }
    }

    /// Compares what follows position `at` with the last items of the pattern.
    fn compare_sets(
        &self,
        items: &[Item],
        at: usize,
        (text, steps): (&[u8], &mut Steps),
    ) -> Verdict {
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
        insert(reached, at);
        for item in items {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn verdict(pattern: &str, text: &[u8]) -> Verdict {
        Pattern::compile(pattern).unwrap().compare(text, &mut Steps::new(1_000_000))
    }

    #[test]
    fn each_part_of_the_language() {
        let check = |pattern: &str, matching: &[&str], differing: &[&str]| {
            for text in matching {
                let got = verdict(pattern, text.as_bytes());
                assert_eq!(got, Verdict::Matches, "{pattern} on {text}");
            }
            for text in differing {
                let got = verdict(pattern, text.as_bytes());
                assert_eq!(got, Verdict::Differs, "{pattern} on {text}");
            }
        };
        check("", &["", "x"], &[]);
        check("$", &[""], &["x"]);
        check("()$", &[""], &["x"]);
        check("a$b", &["a$b"], &["ab", "a"]);
        check("(a$)", &["a$"], &["a"]);
        check("a.c", &["abc", "a.cd"], &["ac", "xabc"]);
        check("a?b*c+$", &["c", "abbcc", "bc", "ac"], &["", "ab", "aac"]);
        check("([a-z]-)x$", &["x", "abx"], &["aXx", "abxy"]);
        check("**$", &["", "***"], &["a"]);
        check("(ab)+$", &["ab+"], &["abab", "ab"]);
        check("\\a\\d\\l\\u\\w\\x\\p\\s$", &["a1bC9f! "], &["", "a1bC9g! ", "a1bc9f! "]);
        check("\\A\\D\\W$", &["1a-", "-a "], &["aa-", "11-", "1aa"]);
        check("\\c\\z\\s$", &["\x01\0\x0b"], &["a\0 "]);
        check("\\.\\-\\(\\)\\\\$", &[".-()\\"], &["x-()\\"]);
        check("[]]$", &["]"], &["["]);
        check("[^]]$", &["a", "["], &["]"]);
        check("[a-]$", &["a", "-"], &["b"]);
        check("[-a]$", &["a", "-"], &["b"]);
        check("[\\d_]+$", &["1_2"], &["a"]);
        check("[\\]]$", &["]"], &["\\"]);
        check("[^\\D]$", &["1"], &["a"]);
        check("[z-a]$", &[], &["a", "z", "-"]);
        check("\\b()$", &["()", "(a(b)c)"], &["", "((a)", "()x", "x()"]);
        check("\\b''x", &["''x", "'a'x"], &["'x", "x"]);
        check(".*\\b()$", &["a(b)", "(a)(b)"], &["(a)b"]);
        check("\\f[a-z]x", &["x"], &["ax", ""]);
        check(".*\\f[\\d]1$", &["a1", "1"], &["11a", "21"]);
        check(".+\\f[^a]$", &["a"], &["b"]);
    }

    #[test]
    fn long_texts_cross_the_words_of_a_set() {
        let long = "a".repeat(8192);
        assert_eq!(verdict("(a*a*a*a*a*a*a*a*a*a*a*a*b)$", long.as_bytes()), Verdict::Differs);
        assert_eq!(verdict("(.*.*.*)$", long.as_bytes()), Verdict::Matches);
        let text = format!("{long}b");
        assert_eq!(verdict("a+b$", text.as_bytes()), Verdict::Matches);
    }

    #[test]
    fn a_budget_that_runs_out_is_neither_yes_nor_no() {
        let pattern = Pattern::compile("a*a*a*$").unwrap();
        let text = "a".repeat(1000);
        let mut steps = Steps::new(1500);
        assert_eq!(pattern.compare(text.as_bytes(), &mut steps), Verdict::OutOfSteps);
        assert_eq!(pattern.compare(b"", &mut steps), Verdict::OutOfSteps);
        assert_eq!(pattern.compare(text.as_bytes(), &mut Steps::new(4000)), Verdict::Matches);
    }

    /// What the language means, by trying everything; for short texts only.
    fn by_trying(items: &[Item], end: bool, text: &[u8], at: usize) -> bool {
        let Some((item, rest)) = items.split_first() else {
            return !end || at == text.len();
        };
        let has = |set: &ByteSet, at: usize| text.get(at).is_some_and(|&b| set.contains(b));
        let go = |at: usize| by_trying(rest, end, text, at);
        match item {
            Item::One(set) => has(set, at) && go(at + 1),
            Item::Optional(set) => (has(set, at) && go(at + 1)) || go(at),
            Item::Many(set) | Item::Some(set) => {
                let run = (at..).take_while(|&i| has(set, i)).count();
                let least = usize::from(matches!(item, Item::Some(_)));
                (least..=run).any(|n| go(at + n))
            }
            Item::Balanced(open, close) => {
                if text.get(at) != Some(open) {
                    return false;
                }
                let mut depth = 1;
                for (i, byte) in text.iter().enumerate().skip(at + 1) {
                    if byte == close {
                        depth -= 1;
                        if depth == 0 {
                            return go(i + 1);
                        }
                    } else if byte == open {
                        depth += 1;
                    }
                }
                false
            }
            Item::Frontier(set) => {
                let before = if at == 0 { 0 } else { text[at - 1] };
                let after = text.get(at).copied().unwrap_or(0);
                !set.contains(before) && set.contains(after) && go(at)
            }
        }
    }

    proptest! {
        #[test]
        fn finds_what_trying_everything_finds(
            pattern in prop::collection::vec(
                prop::sample::select(vec![
                    "a", "b", "a*", "b+", "a-", "b?", ".", ".*", "[ab]", "[^a]+", "\\d", "\\A*",
                    "\\bab", "\\baa", "\\f[a]", "\\f[^b]", "(", ")", "1",
                ]),
                0..7,
            ),
            end in any::<bool>(),
            text in "[ab1]{0,9}",
        ) {
            let mut pattern = pattern.concat();
            if end {
                pattern.push('$');
            }
            let compiled = Pattern::compile(&pattern).unwrap();
            let expected = by_trying(&compiled.items, compiled.to_the_end, text.as_bytes(), 0);
            let got = compiled.compare(text.as_bytes(), &mut Steps::new(1_000_000));
            prop_assert_eq!(got == Verdict::Matches, expected, "{} on {}", pattern, text);
        }

        #[test]
        fn any_pattern_and_text_end_within_the_budget(
            pattern in "[a-c\\\\(){}\\[\\]^$*+?.bfdA\\-]{0,40}",
            text in prop::collection::vec(any::<u8>(), 0..600),
            budget in 0u32..20_000,
        ) {
            if let Ok(pattern) = Pattern::compile(&pattern) {
                let items = pattern.items.len();
                let mut steps = Steps::new(budget);
                let got = pattern.compare(&text, &mut steps);
                // Every item costs at most two passes over the text and two over the words.
                let most = items * 2 * (text.len() + 1 + text.len() / 64 + 1);
                prop_assert!(got != Verdict::OutOfSteps || most > budget as usize);
            }
        }

        #[test]
        fn any_text_compiles_or_is_refused(pattern in any::<String>(), text in any::<String>()) {
            if let Ok(pattern) = Pattern::compile(&pattern) {
                let mut steps = Steps::new(100_000);
                let verdict = pattern.compare(text.as_bytes(), &mut steps);
                prop_assert_ne!(verdict, Verdict::OutOfSteps);
            }
        }
    }
}
