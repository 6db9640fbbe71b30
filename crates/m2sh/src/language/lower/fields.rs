//! The parameters of one class, checked against its schema.

use std::collections::HashMap;

use store::rows::Cell;

use super::origins::Origin;
use super::scope::Scope;
use crate::language::problem::{Problem, Problems};
use crate::language::schema::{Absence, ClassSchema, Kind};
use crate::language::source::Span;
use crate::language::syntax::{Assignment, Class, Value, ValueKind};
use crate::nearest::nearest;

/// The parameters that are there and of the right type.
pub(super) struct Fields<'a> {
    name: Span,
    values: HashMap<&'static str, (Span, &'a Value)>,
}

impl<'a> Fields<'a> {
    /// Reports every unknown, repeated, missing and mistyped parameter.
    pub(super) fn check(
        class: &'a Class,
        schema: &'static ClassSchema,
        scope: &mut Scope<'a>,
        problems: &mut Problems,
    ) -> Self {
        let given = given(class, schema, problems);
        let mut values = HashMap::new();
        for parameter in schema.parameters {
            let (name, kind) = (parameter.name, parameter.kind);
            let missing = || Problem::MissingParameter {
                class: schema.name,
                parameter: name,
                kind: kind.describe(),
            };
            match (given.get(name), parameter.absence) {
                (_, Absence::Ignored(_)) | (None, Absence::Allowed) => {}
                (None, Absence::Refused) => problems.error(class.name.span, missing()),
                (None, Absence::Warned) => problems.warning(class.name.span, missing()),
                (Some(assignment), _) => {
                    if let Some(value) = scope.resolve(&assignment.value, problems)
                        && has_kind(value, kind, (name, assignment.value.span), problems)
                    {
                        values.insert(name, (assignment.value.span, value));
                    }
                }
            }
        }
        Self { name: class.name.span, values }
    }

    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        match self.values.get(name)?.1.kind {
            ValueKind::Text(ref text) => Some(text),
            _ => None,
        }
    }

    /// The text as a column; NULL when it is not there.
    pub(super) fn text_cell(&self, name: &str) -> Cell {
        self.text(name).map_or(Cell::Null, |text| Cell::Text(text.to_owned()))
    }

    /// The text as a column, or the default that Mongrel2's m2sh writes.
    pub(super) fn text_or(&self, name: &str, default: &str) -> Cell {
        Cell::Text(self.text(name).unwrap_or(default).to_owned())
    }

    /// The number as a column; NULL when it is not there or too large, which is reported.
    pub(super) fn number_cell(&self, name: &str, problems: &mut Problems) -> Cell {
        let Some((span, Value { kind: ValueKind::Number(digits), .. })) = self.values.get(name)
        else {
            return Cell::Null;
        };
        match digits.parse() {
            Ok(number) => Cell::Integer(number),
            Err(_) => {
                let (what, digits) = (name.to_owned(), digits.clone());
                problems.error(*span, Problem::NumberTooLarge { what, digits });
                Cell::Null
            }
        }
    }

    pub(super) fn number_or(&self, name: &str, default: i64, problems: &mut Problems) -> Cell {
        match self.number_cell(name, problems) {
            Cell::Null => Cell::Integer(default),
            cell => cell,
        }
    }

    pub(super) fn value(&self, name: &str) -> Option<&'a Value> {
        self.values.get(name).map(|(_, value)| *value)
    }

    /// Where the value of a parameter was written, or the class when it was not.
    pub(super) fn span(&self, name: &str) -> Span {
        self.values.get(name).map_or(self.name, |(span, _)| *span)
    }

    /// The origin of the row that this class makes: parameters are named like their columns.
    pub(super) fn origin(&self) -> Origin {
        let columns = self.values.iter().map(|(name, (span, _))| (*name, *span)).collect();
        Origin { row: self.name, columns }
    }
}

/// The parameters by name, the last of several with the same name.
fn given<'a>(
    class: &'a Class,
    schema: &'static ClassSchema,
    problems: &mut Problems,
) -> HashMap<&'static str, &'a Assignment> {
    let mut given: HashMap<&'static str, &Assignment> = HashMap::new();
    for assignment in &class.parameters {
        let written = &assignment.name;
        let name = written.text.clone();
        let Some(parameter) = schema.parameter(&name) else {
            let nearest = nearest(&name, schema.names());
            let problem = Problem::UnknownParameter { class: schema.name, name, nearest };
            problems.warning(written.span, problem);
            continue;
        };
        if let Absence::Ignored(reason) = parameter.absence {
            problems.warning(written.span, Problem::NoEffect { name: name.clone(), reason });
        }
        if let Some(before) = given.insert(parameter.name, assignment) {
            problems.warning(before.name.span, Problem::Repeated { name });
        }
    }
    given
}

/// Whether `value` is of `kind`; reports it at the place of `what` when it is not.
pub(super) fn has_kind(
    value: &Value,
    kind: Kind,
    (what, span): (&str, Span),
    problems: &mut Problems,
) -> bool {
    let right = matches!(
        (kind, &value.kind),
        (Kind::Text, ValueKind::Text(_))
            | (Kind::Number, ValueKind::Number(_))
            | (Kind::List, ValueKind::List(_))
            | (Kind::Dict, ValueKind::Dict(_))
    );
    if !right {
        let (what, found, expected) = (what.to_owned(), value.kind.describe(), kind.describe());
        problems.error(span, Problem::WrongType { what, found, expected });
    }
    right
}
