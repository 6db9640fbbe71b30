//! Tokens to a syntax tree; every syntax error of a file is found in one pass.

use super::problem::{Problem, Problems, alternatives};
use super::schema;
use super::source::{Source, Span};
use super::syntax::{Assignment, Class, Config, Value, ValueKind, Word};
use super::token::{Token, tokens};
use crate::nearest::nearest;

/// Reads a whole file. Problems go to `problems`; what could not be read is [`ValueKind::Broken`].
pub(crate) fn parse(source: &Source, problems: &mut Problems) -> Config {
    let tokens = tokens(source, problems);
    let mut parser =
        Parser { source, tokens, at: 0, began: 0, open: Vec::new(), tainted: false, problems };
    parser.config()
}

/// Lists, dictionaries and classes may be nested this deep; each level takes stack.
const DEPTH_MAX: usize = 64;

/// A problem that was reported, or was suppressed because an earlier one explains it.
struct Reported;

struct Parser<'a> {
    source: &'a Source,
    tokens: Vec<(Token, Span)>,
    at: usize,
    /// Where the assignment that is being read began.
    began: usize,
    /// The brackets that are open here.
    open: Vec<(char, Span)>,
    /// A bad token was skipped in this assignment: what looks wrong after it is its echo.
    tainted: bool,
    problems: &'a mut Problems,
}

impl Parser<'_> {
    fn config(&mut self) -> Config {
        let mut config = Config::default();
        loop {
            self.tainted = false;
            self.open.clear();
            self.began = self.at;
            let (token, span) = self.next();
            let name = match token {
                Token::End => break,
                Token::Name(text) => Word { text, span },
                Token::Class(text) if self.looking_at('=') => {
                    self.problems.error(span, Problem::ClassAsName { name: text.clone() });
                    config.incomplete = true;
                    Word { text, span }
                }
                other => {
                    self.unexpected(&other, span, "`name = value`");
                    config.incomplete = true;
                    self.skip_to_assignment();
                    continue;
                }
            };
            let value = self.assigned().unwrap_or_else(|Reported| {
                self.skip_to_assignment();
                Value { span: name.span, kind: ValueKind::Broken }
            });
            config.incomplete |= self.tainted || matches!(value.kind, ValueKind::Broken);
            config.assignments.push(Assignment { name, value });
        }
        config.incomplete |= self.tainted;
        config
    }

    fn assigned(&mut self) -> Result<Value, Reported> {
        self.sign('=')?;
        self.value()
    }

    fn value(&mut self) -> Result<Value, Reported> {
        let (token, span) = self.next();
        match token {
            Token::Text(text) => Ok(Value { span, kind: ValueKind::Text(text) }),
            Token::Number(digits) => Ok(Value { span, kind: ValueKind::Number(digits) }),
            Token::Class(text) => self.class(Word { text, span }),
            Token::Name(text) if self.looking_at('(') => {
                let nearest = nearest(&text, schema::CLASS_NAMES.iter().copied());
                let accepted = alternatives(&schema::CLASS_NAMES);
                let problem = Problem::LowercaseClass { name: text.clone(), nearest, accepted };
                self.problems.error(span, problem);
                let value = self.class(Word { text, span })?;
                Ok(Value { span: value.span, kind: ValueKind::Broken })
            }
            Token::Name(text) => Ok(Value { span, kind: ValueKind::Variable(text) }),
            Token::Sign(opener @ '[') => {
                let mut items = Vec::new();
                let last = self.items(opener, span, |parser| {
                    items.push(parser.value()?);
                    Ok(())
                })?;
                Ok(Value { span: span.to(last), kind: ValueKind::List(items) })
            }
            Token::Sign(opener @ '{') => {
                let mut pairs = Vec::new();
                let last = self.items(opener, span, |parser| {
                    pairs.push(parser.pair()?);
                    Ok(())
                })?;
                Ok(Value { span: span.to(last), kind: ValueKind::Dict(pairs) })
            }
            other => Err(self.unexpected(
                &other,
                span,
                "a text, a number, a variable, a class, `[` or `{`",
            )),
        }
    }

    fn class(&mut self, name: Word) -> Result<Value, Reported> {
        let opener = self.sign('(')?;
        let mut parameters = Vec::new();
        let last = self.items('(', opener, |parser| {
            parameters.push(parser.parameter()?);
            Ok(())
        })?;
        let span = name.span.to(last);
        Ok(Value { span, kind: ValueKind::Class(Class { name, parameters }) })
    }

    fn parameter(&mut self) -> Result<Assignment, Reported> {
        let (token, span) = self.next();
        let name = match token {
            Token::Name(text) => Word { text, span },
            Token::Class(name) if self.looking_at('=') => {
                self.problems.error(span, Problem::ClassAsName { name: name.clone() });
                Word { text: name, span }
            }
            other => return Err(self.unexpected(&other, span, "`parameter = value` or `)`")),
        };
        Ok(Assignment { name, value: self.assigned()? })
    }

    fn pair(&mut self) -> Result<(Word, Value), Reported> {
        let (token, span) = self.next();
        let Token::Text(text) = token else {
            return Err(self.unexpected(&token, span, "a key in quotes or `}`"));
        };
        self.sign(':')?;
        Ok((Word { text, span }, self.value()?))
    }

    /// Items up to the bracket that closes `opener`; returns the place of that bracket.
    fn items(
        &mut self,
        opener: char,
        opened: Span,
        mut item: impl FnMut(&mut Self) -> Result<(), Reported>,
    ) -> Result<Span, Reported> {
        if self.open.len() == DEPTH_MAX {
            self.problems.error(opened, Problem::TooDeep { max: DEPTH_MAX });
            return Err(Reported);
        }
        self.open.push((opener, opened));
        let closer = closer(opener);
        loop {
            let comma = self.looking_at(',').then(|| self.next().1);
            match self.peek() {
                (Token::Sign(','), span) => self.problems.error(span, Problem::ExtraComma),
                (Token::Sign(sign), span) if *sign == closer => {
                    if let Some(comma) = comma {
                        self.problems.error(comma, Problem::ExtraComma);
                    }
                    self.next();
                    self.open.pop();
                    return Ok(span);
                }
                _ => item(self)?,
            }
        }
    }

    fn sign(&mut self, wanted: char) -> Result<Span, Reported> {
        let (token, span) = self.next();
        match token {
            Token::Sign(sign) if sign == wanted => Ok(span),
            other => Err(self.unexpected(&other, span, &format!("`{wanted}`"))),
        }
    }

    fn unexpected(&mut self, found: &Token, span: Span, expected: &str) -> Reported {
        if self.tainted {
            return Reported;
        }
        let (found_text, expected) = (found.to_string(), expected.to_owned());
        match self.open.last() {
            Some((opener, opened)) if *found == Token::End => {
                let problem = Problem::Unclosed { opener: *opener, closer: closer(*opener) };
                self.problems.error(*opened, problem);
            }
            Some((opener, opened)) => {
                let line = self.source.place(opened.start).line;
                let (found, opener) = (found_text, *opener);
                let problem = Problem::UnexpectedInside { found, expected, opener, line };
                self.problems.error(span, problem);
            }
            None => self.problems.error(span, Problem::Unexpected { found: found_text, expected }),
        }
        Reported
    }

    /// Goes to where the next assignment seems to begin: at the begin of a line, either a name that `=`
    /// follows, or anything once every bracket of this one is closed.
    fn skip_to_assignment(&mut self) {
        // An open bracket took the next assignment's name for an item, and its `=` was the surprise.
        if self.at > self.began + 2 && self.begins(self.at - 2) {
            self.at -= 2;
            return;
        }
        let mut depth = self.open.len();
        self.at = self.at.saturating_sub(1);
        loop {
            match &self.tokens[self.at].0 {
                Token::End => return,
                Token::Sign('(' | '[' | '{') => depth += 1,
                Token::Sign(')' | ']' | '}') => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.at += 1;
            let line = self.source.begins_line(self.tokens[self.at].1.start);
            if self.begins(self.at) || (depth == 0 && line) {
                return;
            }
        }
    }

    /// Whether a name at the begin of a line stands here, with `=` after it.
    fn begins(&self, at: usize) -> bool {
        match &self.tokens[at..] {
            [(Token::Name(_) | Token::Class(_), span), (Token::Sign('='), _), ..] => {
                self.source.begins_line(span.start)
            }
            _ => false,
        }
    }

    fn looking_at(&mut self, sign: char) -> bool {
        *self.peek().0 == Token::Sign(sign)
    }

    fn peek(&mut self) -> (&Token, Span) {
        while self.tokens[self.at].0 == Token::Bad {
            self.tainted = true;
            self.at += 1;
        }
        let (token, span) = &self.tokens[self.at];
        (token, *span)
    }

    /// The next token; the end of the file is never passed.
    fn next(&mut self) -> (Token, Span) {
        let (token, span) = self.peek();
        let token = token.clone();
        if token != Token::End {
            self.at += 1;
        }
        (token, span)
    }
}

const fn closer(opener: char) -> char {
    match opener {
        '(' => ')',
        '[' => ']',
        _ => '}',
    }
}
