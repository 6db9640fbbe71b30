//! A Rust file taken apart into code, comments and literals, with its test code marked.

use std::ops::Range;

/// Three views of one file. Each keeps every line in its place and blanks what belongs to another.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) code: String,
    pub(super) comments: String,
    pub(super) literals: String,
    /// For each line, whether it is compiled for tests only.
    test: Vec<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

impl Source {
    pub(super) fn new(text: &str, is_test_file: bool) -> Self {
        let kinds = kinds(text.as_bytes());
        let view = |kind| {
            let bytes = text.bytes().zip(&kinds);
            let kept = bytes.map(|(b, k)| if *k == kind || b == b'\n' { b } else { b' ' });
            String::from_utf8_lossy(&kept.collect::<Vec<u8>>()).into_owned()
        };
        let code = view(Kind::Code);
        let test = if is_test_file {
            vec![true; text.lines().count()]
        } else {
            test_lines(&code, text.lines().count())
        };
        Self { comments: view(Kind::Comment), literals: view(Kind::Literal), code, test }
    }

    /// The lines of a view with their numbers, from 1, and whether they are test code.
    pub(super) fn lines<'a>(&self, view: &'a str) -> impl Iterator<Item = (usize, &'a str, bool)> {
        let marks = self.test.iter().copied().chain(std::iter::repeat(false));
        view.lines().zip(marks).enumerate().map(|(i, (line, test))| (i + 1, line, test))
    }

    /// How many lines are not test code.
    pub(super) fn size(&self) -> usize {
        self.test.iter().filter(|test| !**test).count()
    }
}

/// Whether `word` stands in `line` as a whole identifier.
pub(super) fn has_word(line: &str, word: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|s| s.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|s| s.chars().next());
        !before.is_some_and(inside) && !after.is_some_and(inside)
    })
}

/// What each byte of a Rust file belongs to.
fn kinds(text: &[u8]) -> Vec<Kind> {
    let mut kinds = vec![Kind::Code; text.len()];
    let mut at = 0;
    while at < text.len() {
        let rest = text.get(at..).unwrap_or_default();
        let (length, kind) = if rest.starts_with(b"//") {
            (position(rest, 0, b"\n"), Kind::Comment)
        } else if rest.starts_with(b"/*") {
            (block_comment(rest), Kind::Comment)
        } else if let Some(length) = literal(rest, at.checked_sub(1).and_then(|i| text.get(i))) {
            (length, Kind::Literal)
        } else {
            (1, Kind::Code)
        };
        kinds.iter_mut().skip(at).take(length).for_each(|k| *k = kind);
        at += length.max(1);
    }
    kinds
}

/// Where `needle` begins in `text`, searched from `from`; the end if it does not occur.
fn position(text: &[u8], from: usize, needle: &[u8]) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    rest.windows(needle.len()).position(|w| w == needle).map_or(text.len(), |i| from + i)
}

/// The length of a block comment; they nest.
fn block_comment(text: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        match text.get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of the string or character literal that begins here, if one does.
fn literal(text: &[u8], before: Option<&u8>) -> Option<usize> {
    if before.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_') {
        return None;
    }
    let prefix = text.iter().take_while(|b| matches!(**b, b'b' | b'c' | b'r')).count();
    let hashes = text.iter().skip(prefix).take_while(|b| **b == b'#').count();
    let raw = text.get(..prefix)?.contains(&b'r');
    let open = prefix + hashes;
    match text.get(open)? {
        b'"' if raw => {
            let close: Vec<u8> = std::iter::once(b'"').chain(vec![b'#'; hashes]).collect();
            Some((position(text, open + 1, &close) + close.len()).min(text.len()))
        }
        b'"' if hashes == 0 => Some(escaped(text, open + 1, b'"')),
        b'\'' if hashes == 0 && !raw => {
            if text.get(open + 1) == Some(&b'\\') {
                return Some(escaped(text, open + 1, b'\''));
            }
            // `'a'` is a literal, `'a` is a lifetime.
            let close = (open + 2..open + 6).find(|at| text.get(*at) == Some(&b'\''))?;
            let content = std::str::from_utf8(text.get(open + 1..close)?).ok()?;
            (content.chars().count() == 1).then_some(close + 1)
        }
        _ => None,
    }
}

/// Where a literal with escapes ends, closing quote included.
fn escaped(text: &[u8], from: usize, quote: u8) -> usize {
    let mut at = from;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' => at += 2,
            b if *b == quote => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// Marks the lines of every item under `#[cfg(test)]`.
fn test_lines(code: &str, lines: usize) -> Vec<bool> {
    let mut marks = vec![false; lines];
    for (start, attribute) in code.match_indices("#[cfg(test)]") {
        let end = item_end(code, start + attribute.len());
        mark(&mut marks, code, start..end);
    }
    marks
}

/// Where the item after an attribute ends: at its `;`, or at the brace that closes its first one.
fn item_end(code: &str, from: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b';' if depth == 0 => return offset,
            b'{' => depth += 1,
            b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return offset;
                }
            }
            _ => {}
        }
    }
    code.len()
}

fn mark(marks: &mut [bool], code: &str, range: Range<usize>) {
    let line_of = |offset| code.bytes().take(offset).filter(|b| *b == b'\n').count();
    let (first, last) = (line_of(range.start), line_of(range.end));
    marks.iter_mut().skip(first).take(last - first + 1).for_each(|mark| *mark = true);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_comments_and_literals_part() {
        let text = "let a = \"x // {\"; // why \"not\"\nlet b = '{'; /* a /* b */ c */ f::<'a>()\n\
                    r#\"raw \" \\ \"# b'\\'' br\"q\" '\\u{7f}' 'é' end\n";
        let source = Source::new(text, false);
        let words = |view: &str| view.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(&source.code), "let a = ; let b = ; f::<'a>() end");
        assert_eq!(words(&source.comments), "// why \"not\" /* a /* b */ c */");
        assert_eq!(
            words(&source.literals),
            "\"x // {\" '{' r#\"raw \" \\ \"# b'\\'' br\"q\" '\\u{7f}' 'é'"
        );
    }

    #[test]
    fn test_items_do_not_count() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { \"}\"; }\n}\nfn c() {}\n";
        let source = Source::new(text, false);
        assert_eq!(source.size(), 2);
        assert_eq!(Source::new("#[cfg(test)]\nmod tests;\nfn c() {}\n", false).size(), 1);
        assert_eq!(Source::new(text, true).size(), 0);
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("use hyper::Body;", "hyper"));
        assert!(!has_word("use hyper_util::rt;", "hyper"));
        assert!(!has_word("let shyper = 1;", "hyper"));
    }
}
