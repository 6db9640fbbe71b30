//! Bytes to tokens: what Mongrel2's configuration scanner accepts, with the place of each token.

use std::fmt;

use super::problem::{Problem, Problems};
use super::source::{Source, Span};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// A lower-case name, or one with a digit or an underscore: a variable or a parameter.
    Name(String),
    /// A capital followed by one or more letters, and nothing else.
    Class(String),
    /// Decimal digits as they stand; a setting keeps its leading zeros.
    Number(String),
    /// What stands between the quotes, backslashes included.
    Text(String),
    /// One of `= , : ( ) [ ] { }`.
    Sign(char),
    /// Bytes that begin no token; already reported.
    Bad,
    End,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "the name `{name}`"),
            Self::Class(name) => write!(f, "the class name `{name}`"),
            Self::Number(digits) => write!(f, "the number {digits}"),
            Self::Text(text) if text.chars().count() > 40 => {
                write!(f, "the text {:?}...", text.chars().take(40).collect::<String>())
            }
            Self::Text(text) => write!(f, "the text {text:?}"),
            Self::Sign(sign) => write!(f, "`{sign}`"),
            Self::Bad => f.write_str("a character that cannot stand here"),
            Self::End => f.write_str("the end of the file"),
        }
    }
}

/// Splits the whole file; the last token is always [`Token::End`].
pub(crate) fn tokens(source: &Source, problems: &mut Problems) -> Vec<(Token, Span)> {
    let mut scanner = Scanner { bytes: source.bytes(), at: 0, problems };
    let mut tokens = Vec::new();
    loop {
        scanner.skip_blanks();
        let start = scanner.at;
        let token = scanner.token();
        let done = token == Token::End;
        let span = Span::new(start, scanner.at);
        if token == Token::Bad
            && let Some((Token::Text(text), before)) = tokens.last()
            && (text.contains('=') || text.contains('\n'))
        {
            scanner.problems.error(*before, Problem::SuspectText);
        }
        tokens.push((token, span));
        if done {
            return tokens;
        }
    }
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    problems: &'a mut Problems,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Advances over the bytes that `accept` takes and returns them.
    fn take(&mut self, accept: impl Fn(u8) -> bool) -> &[u8] {
        let start = self.at;
        while self.peek().is_some_and(&accept) {
            self.at += 1;
        }
        &self.bytes[start..self.at]
    }

    fn skip_blanks(&mut self) {
        loop {
            self.take(is_blank);
            if self.peek() != Some(b'#') {
                return;
            }
            self.take(|byte| byte != b'\n');
        }
    }

    fn token(&mut self) -> Token {
        let Some(byte) = self.peek() else { return Token::End };
        match byte {
            b'\'' | b'"' => self.text(byte),
            b'0'..=b'9' => Token::Number(ascii(self.take(|byte| byte.is_ascii_digit()))),
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                let name = ascii(self.take(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
                if is_class(&name) { Token::Class(name) } else { Token::Name(name) }
            }
            _ if is_sign(byte) => {
                self.at += 1;
                Token::Sign(char::from(byte))
            }
            _ => self.bad(),
        }
    }

    /// A backslash keeps the next byte from ending the text; both stay in the value, because Mongrel2
    /// keeps them and route patterns are full of them.
    fn text(&mut self, quote: u8) -> Token {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                None => {
                    let span = Span::new(start, start + 1);
                    self.problems.error(span, Problem::UnclosedText { quote: char::from(quote) });
                    return Token::Bad;
                }
                Some(byte) if byte == quote => break,
                Some(b'\\') => self.at = (self.at + 2).min(self.bytes.len()),
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        let span = Span::new(start, self.at);
        let Ok(text) = std::str::from_utf8(&self.bytes[start + 1..self.at - 1]) else {
            self.problems.error(span, Problem::NotUtf8);
            return Token::Bad;
        };
        if text.contains('\0') {
            self.problems.error(span, Problem::NulInText);
            return Token::Bad;
        }
        Token::Text(text.to_owned())
    }

    /// A run of bytes that begin no token is one problem, however long it is.
    fn bad(&mut self) -> Token {
        let start = self.at;
        let found = String::from_utf8_lossy(self.take(begins_nothing)).chars().take(8).collect();
        self.problems.error(Span::new(start, self.at), Problem::InvalidCharacter { found });
        Token::Bad
    }
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

const fn is_sign(byte: u8) -> bool {
    matches!(byte, b'=' | b',' | b':' | b'(' | b')' | b'[' | b']' | b'{' | b'}')
}

const fn begins_nothing(byte: u8) -> bool {
    !(is_blank(byte)
        || is_sign(byte)
        || byte.is_ascii_alphanumeric()
        || matches!(byte, b'_' | b'\'' | b'"' | b'#'))
}

fn is_class(name: &str) -> bool {
    name.len() > 1
        && name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn ascii(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[Token]) {
        let mut problems = Problems::default();
        let mut found: Vec<_> = tokens(&Source::new("x", text), &mut problems)
            .into_iter()
            .map(|(token, _)| token)
            .collect();
        assert_eq!(found.pop(), Some(Token::End), "{text:?}");
        assert_eq!(found, expected, "{text:?}");
    }

    fn name(text: &str) -> Token {
        Token::Name(text.to_owned())
    }

    fn class(text: &str) -> Token {
        Token::Class(text.to_owned())
    }

    fn number(text: &str) -> Token {
        Token::Number(text.to_owned())
    }

    fn text(text: &str) -> Token {
        Token::Text(text.to_owned())
    }

    #[test]
    fn names_and_classes() {
        check("a_b9 _x mainServer", &[name("a_b9"), name("_x"), name("mainServer")]);
        check(
            "A A1 AB Ab Server",
            &[name("A"), name("A1"), class("AB"), class("Ab"), class("Server")],
        );
        check("Server_ Server2", &[name("Server_"), name("Server2")]);
    }

    #[test]
    fn numbers_are_digits_only_and_need_no_blank_after() {
        check("007", &[number("007")]);
        check("0x10", &[number("0"), name("x10")]);
        check("5name='x'", &[number("5"), name("name"), Token::Sign('='), text("x")]);
        check("67.67", &[number("67"), Token::Bad, number("67")]);
        check("-1", &[Token::Bad, number("1")]);
    }

    #[test]
    fn texts_take_either_quote_newlines_and_keep_backslashes() {
        check("'a' \"b\"", &[text("a"), text("b")]);
        check("'a\"b' \"c'd\"", &[text("a\"b"), text("c'd")]);
        check("'a\nb'", &[text("a\nb")]);
        check(r"'a\'b\\'", &[text(r"a\'b\\")]);
        check("''", &[text("")]);
        check("'(.*\\.json)'", &[text("(.*\\.json)")]);
        check("'# no comment'", &[text("# no comment")]);
    }

    #[test]
    fn comments_and_blanks_are_nothing() {
        check("# one\r\n\t a # two 'x'\n# three", &[name("a")]);
        check("", &[]);
    }

    #[test]
    fn what_begins_no_token_is_one_problem_with_a_place() {
        for (bytes, line, column, rule) in [
            (b"a=1\n  %%%b".as_slice(), 2, 3, "InvalidCharacter"),
            (b"a = 'x", 1, 5, "UnclosedText"),
            (b"a = 'x\\'", 1, 5, "UnclosedText"),
            (b"a = '\xff'", 1, 5, "NotUtf8"),
            (b"a = '\0'", 1, 5, "NulInText"),
            (b"a = 1\n\0", 2, 1, "InvalidCharacter"),
            (b"a = \xc3\xa9", 1, 5, "InvalidCharacter"),
        ] {
            let source = Source::new("x", bytes);
            let mut problems = Problems::default();
            tokens(&source, &mut problems);
            let found = problems.sorted();
            assert_eq!(found.len(), 1, "{bytes:?}: {found:?}");
            let place = source.place(found[0].span.unwrap().start);
            assert_eq!((place.line, place.column), (line, column), "{bytes:?}");
            assert!(format!("{:?}", found[0].problem).starts_with(rule), "{found:?}");
        }
    }

    #[test]
    fn a_comment_may_hold_any_byte() {
        let mut problems = Problems::default();
        let found = tokens(&Source::new("x", b"# \xff\0\na=1".as_slice()), &mut problems);
        assert_eq!(found.len(), 4);
        assert!(problems.sorted().is_empty());
    }

    #[test]
    fn a_text_that_swallowed_the_next_quote_is_suspected() {
        let source = Source::new("x", "name=\"test, pid=\"/run/x\"");
        let mut problems = Problems::default();
        tokens(&source, &mut problems);
        assert!(problems.sorted().iter().any(|found| found.problem == Problem::SuspectText));
    }
}
