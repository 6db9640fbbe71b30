//! The text of one configuration file, and the places in it that a message points at.

use std::ops::Range;

/// A half-open range of byte offsets into a [`Source`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// From the start of `self` to the end of `last`.
    pub const fn to(self, last: Self) -> Self {
        Self { start: self.start, end: last.end }
    }
}

/// Line and column as an editor counts them: from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

/// A configuration file: its name for messages, its bytes, and where its lines begin.
///
/// The bytes need not be UTF-8, since Mongrel2 lets a comment hold anything.
#[derive(Clone, Debug)]
pub struct Source {
    name: String,
    bytes: Vec<u8>,
    line_starts: Vec<usize>,
}

impl Source {
    pub fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        let newlines = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let line_starts = std::iter::once(0).chain(newlines.map(|(at, _)| at + 1)).collect();
        Self { name: name.into(), bytes, line_starts }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn place(&self, offset: usize) -> Place {
        let offset = offset.min(self.bytes.len());
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts[line - 1];
        let column = String::from_utf8_lossy(&self.bytes[start..offset]).chars().count() + 1;
        Place { line, column }
    }

    /// Whether `offset` is the first byte of its line.
    pub fn begins_line(&self, offset: usize) -> bool {
        self.line_starts.binary_search(&offset).is_ok()
    }

    /// The line that holds `offset`, without its line end.
    fn line(&self, offset: usize) -> Range<usize> {
        let number = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts[number - 1];
        let mut end = self.line_starts.get(number).map_or(self.bytes.len(), |next| next - 1);
        if end > start && self.bytes[end - 1] == b'\r' {
            end -= 1;
        }
        start..end
    }

    /// The offending line and a line of carets under `span`, ready to print.
    ///
    /// A long line is cut to `SHOWN_MAX` characters around the span; a tab is shown as one blank, so
    /// that the carets stand where they should on every terminal.
    pub fn excerpt(&self, span: Span) -> String {
        let line = self.line(span.start.min(self.bytes.len()));
        let text: Vec<char> = String::from_utf8_lossy(&self.bytes[line.clone()])
            .chars()
            .map(|shown| if shown.is_control() { ' ' } else { shown })
            .collect();
        let place = self.place(span.start);
        let first = place.column - 1;
        let last = self.place(span.end.clamp(span.start, line.end.max(span.start))).column - 1;
        let width = last.saturating_sub(first).max(1);

        let from = if text.len() > SHOWN_MAX { first.saturating_sub(SHOWN_MAX / 2) } else { 0 };
        let to = text.len().min(from + SHOWN_MAX);
        let head = if from > 0 { "..." } else { "" };
        let tail = if to < text.len() { "..." } else { "" };
        let shown: String = text.get(from..to).unwrap_or_default().iter().collect();
        let indent = " ".repeat(head.len() + first - from);
        let carets = "^".repeat(width.min(SHOWN_MAX.saturating_sub(first - from).max(1)));
        let number = place.line.to_string();
        let margin = " ".repeat(number.len());
        format!(" {number} | {head}{shown}{tail}\n {margin} | {indent}{carets}\n")
    }
}

/// Longest piece of a line that is shown, in characters.
const SHOWN_MAX: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let source = Source::new("x", "ab\nçd\r\n\nz");
        for (offset, line, column) in [(0, 1, 1), (2, 1, 3), (3, 2, 1), (5, 2, 2), (9, 4, 1)] {
            assert_eq!(source.place(offset), Place { line, column }, "offset {offset}");
        }
        assert_eq!(source.place(1000), Place { line: 4, column: 2 }, "past the end");
    }

    #[test]
    fn an_excerpt_points_at_its_span() {
        let source = Source::new("x", "one\n\tport=x\r\nend");
        assert_eq!(source.excerpt(Span::new(10, 11)), " 2 |  port=x\n   |       ^\n");
        assert_eq!(source.excerpt(Span::new(5, 9)), " 2 |  port=x\n   |  ^^^^\n");
        assert_eq!(source.excerpt(Span::new(16, 16)), " 3 | end\n   |    ^\n", "end of file");
        assert_eq!(source.excerpt(Span::new(0, 16)), " 1 | one\n   | ^^^\n", "several lines");
    }

    #[test]
    fn a_long_line_is_cut_around_the_span() {
        let text = format!("{}@{}", "a".repeat(500), "b".repeat(500));
        let excerpt = Source::new("x", text).excerpt(Span::new(500, 501));
        let lines: Vec<_> = excerpt.lines().collect();
        assert_eq!(lines[0].len(), " 1 | ".len() + SHOWN_MAX + 6);
        assert_eq!(lines[0].find('@'), lines[1].find('^'));
    }
}
