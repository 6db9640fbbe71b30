//! The syntax tree of a configuration file, as it was written.

use super::source::Span;

/// A whole file: its assignments in file order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    pub(crate) assignments: Vec<Assignment>,
    /// True when a part could not be read, so that a name that is missing may be in that part.
    pub(crate) incomplete: bool,
}

/// `name = value`, at the top of the file or among the parameters of a class.
#[derive(Clone, Debug)]
pub(crate) struct Assignment {
    pub(crate) name: Word,
    pub(crate) value: Value,
}

/// A name or a dictionary key, with its place.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) span: Span,
    pub(crate) kind: ValueKind,
}

#[derive(Clone, Debug)]
pub(crate) enum ValueKind {
    Text(String),
    /// Decimal digits as they stand.
    Number(String),
    Class(Class),
    List(Vec<Value>),
    Dict(Vec<(Word, Value)>),
    Variable(String),
    /// Could not be read; reported already.
    Broken,
}

#[derive(Clone, Debug)]
pub(crate) struct Class {
    pub(crate) name: Word,
    pub(crate) parameters: Vec<Assignment>,
}

impl ValueKind {
    /// What a message calls this value.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Text(text) if text.chars().count() > 40 => "a text".to_owned(),
            Self::Text(text) => format!("the text {text:?}"),
            Self::Number(digits) => format!("the number {digits}"),
            Self::Class(class) => format!("a `{}(...)`", class.name.text),
            Self::List(_) => "a list".to_owned(),
            Self::Dict(_) => "a dictionary".to_owned(),
            Self::Variable(name) => format!("the variable `{name}`"),
            Self::Broken => "something unreadable".to_owned(),
        }
    }
}
