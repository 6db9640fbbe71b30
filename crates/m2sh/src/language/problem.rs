//! What can be wrong with a configuration file, and how it is shown.

use std::fmt;

use super::source::{Place, Source, Span};
use crate::nearest::hint;

/// Whether a [`Diagnostic`] stops the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

/// One problem, where it is, and whether it stops the load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// None when the problem is the whole file's.
    pub span: Option<Span>,
    pub severity: Severity,
    pub problem: Problem,
}

impl Diagnostic {
    /// `file:line:column: error: message`, the line, and carets under the place.
    pub fn render(&self, source: &Source) -> String {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let name = source.name();
        let Some(span) = self.span else {
            return format!("{name}: {severity}: {}\n", self.problem);
        };
        let Place { line, column } = source.place(span.start);
        let excerpt = source.excerpt(span);
        format!("{name}:{line}:{column}: {severity}: {}\n{excerpt}", self.problem)
    }
}

/// The rule that a piece of the file breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error(
        "{found:?} cannot stand here; outside of quotes there are names, digits and = , : ( ) [ ] {{ }}"
    )]
    InvalidCharacter { found: String },
    #[error("this {quote} is never closed; a text ends with the quote it began with")]
    UnclosedText { quote: char },
    #[error("this text ends where another one seems to begin; is its closing quote missing?")]
    SuspectText,
    #[error("this text is not UTF-8; save the file as UTF-8")]
    NotUtf8,
    #[error("this text holds a NUL byte; a text may hold anything else")]
    NulInText,
    #[error("found {found}, expected {expected}")]
    Unexpected { found: String, expected: String },
    #[error("found {found}, expected {expected} (the `{opener}` stands in line {line})")]
    UnexpectedInside { found: String, expected: String, opener: char, line: usize },
    #[error("this `{opener}` is never closed; expected a `{closer}` before the end of the file")]
    Unclosed { opener: char, closer: char },
    #[error("one comma too many; a comma may stand only before an item, and may be left out")]
    ExtraComma,
    #[error("nested deeper than {max} levels")]
    TooDeep { max: usize },
    #[error(
        "`{name}` is a class name, because it is a capital followed by letters only; \
         a variable has a small first letter, a digit or an underscore"
    )]
    ClassAsName { name: String },
    #[error("`{name}` is not a class{}; a class is one of {accepted}", hint(*.nearest))]
    LowercaseClass { name: String, nearest: Option<&'static str>, accepted: String },

    #[error("no `servers = [...]`: it lists the servers that the database shall hold")]
    NoServers,
    #[error("`servers` is empty: the database will hold no server")]
    EmptyServers,
    #[error("no variable is named `{name}`{}", hint(nearest.as_deref()))]
    UnknownVariable { name: String, nearest: Option<String> },
    #[error("the variable `{name}` is made of itself")]
    CircularVariable { name: String },
    #[error("nothing uses the variable `{name}`{}", hint(*.nearest))]
    UnusedVariable { name: String, nearest: Option<&'static str> },
    #[error("no class is named `{name}`{}; here stands {accepted}", hint(*.nearest))]
    UnknownClass { name: String, nearest: Option<&'static str>, accepted: String },
    #[error("found {found}, expected {expected}")]
    WrongValue { found: String, expected: String },
    #[error("`{what}` is {found}, expected {expected}")]
    WrongType { what: String, found: String, expected: &'static str },
    #[error("`{what}` is {digits}, expected at most {}", i64::MAX)]
    NumberTooLarge { what: String, digits: String },
    #[error("this `{class}` has no `{parameter}`, which is {kind}")]
    MissingParameter { class: &'static str, parameter: &'static str, kind: &'static str },
    #[error("`{class}` has no parameter `{name}`, so it is ignored{}", hint(*.nearest))]
    UnknownParameter { class: &'static str, name: String, nearest: Option<&'static str> },
    #[error("`{name}` has no effect: {reason}")]
    NoEffect { name: String, reason: &'static str },
    #[error("`{name}` is given again below; the last one counts")]
    Repeated { name: String },
    #[error("base is {base:?}, expected a directory with a `/` at its end: {:?}", format!("{base}/"))]
    BaseWithoutSlash { base: String },
    #[error("`{what}` is {digits}, expected 0 or 1")]
    NotAFlag { what: String, digits: String },
    #[error("the extension {extension:?} does not begin with a dot, expected {:?}", format!(".{extension}"))]
    ExtensionWithoutDot { extension: String },
    #[error("these settings hold more than {max} values")]
    SettingsTooLong { max: usize },
    /// Found by `store` in the rows that the file makes.
    #[error("{0}")]
    Fault(String),
}

/// Collects the problems of one file.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    found: Vec<Diagnostic>,
}

impl Problems {
    pub(crate) fn error(&mut self, span: impl Into<Option<Span>>, problem: Problem) {
        self.found.push(Diagnostic { span: span.into(), severity: Severity::Error, problem });
    }

    pub(crate) fn warning(&mut self, span: impl Into<Option<Span>>, problem: Problem) {
        self.found.push(Diagnostic { span: span.into(), severity: Severity::Warning, problem });
    }

    /// In file order, each once: a class in a variable is looked at as often as it is used.
    pub(crate) fn sorted(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|found| (found.span, found.severity));
        self.found.dedup();
        self.found
    }
}

/// "`a`, `b` or `c`".
pub(crate) fn alternatives(names: &[impl fmt::Display]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}
