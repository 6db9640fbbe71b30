//! The valid word that looks most like the one given.

/// The candidate with the least edits from `word`, if that is few enough to be a slip of the hand:
/// a third of the word, at least two.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let most = (word.chars().count() / 3).max(2);
    candidates
        .into_iter()
        .map(|candidate| (edits(word, candidate), candidate))
        .filter(|(edits, candidate)| *edits <= most && *edits < candidate.chars().count())
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions and replacements from one word to the other; letter case is free.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().map(|c| c.to_ascii_lowercase()).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().map(|c| c.to_ascii_lowercase()).enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        row[0] = left;
        for (cell, to) in row.iter_mut().skip(1).zip(&b) {
            left = (diagonal + usize::from(from != *to)).min(left + 1).min(*cell + 1);
            diagonal = std::mem::replace(cell, left);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_corrected_and_a_stranger_is_not() {
        let words = ["handler", "proxy", "dir"];
        let check = |word: &str, expected: Option<&str>| {
            assert_eq!(nearest(word, words), expected, "{word}");
        };
        check("handlr", Some("handler"));
        check("Handler", Some("handler"));
        check("prxoy", Some("proxy"));
        check("Dir", Some("dir"));
        check("dri", Some("dir"));
        check("zzz", None);
        check("", None);
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(nearest("x", []), None);
    }
}
