//! The variables that make rows: `servers`, `settings`, `mimetypes`.

use store::rows::{Cell, MimetypeRow};

use super::fields::has_kind;
use super::{Lowering, Origin, next_id};
use crate::language::problem::{Problem, alternatives};
use crate::language::schema::{ClassSchema, Kind};
use crate::language::syntax::{Class, Value, ValueKind, Word};
use crate::nearest::nearest;

impl<'a> Lowering<'a> {
    pub(super) fn servers(&mut self) {
        let Some(assignment) = self.scope.top_level("servers") else {
            if !self.scope.incomplete() {
                self.problems.error(None, Problem::NoServers);
            }
            return;
        };
        let place = assignment.value.span;
        let Some(items) = self.list(&assignment.value, "servers") else { return };
        if items.is_empty() {
            self.problems.warning(place, Problem::EmptyServers);
        }
        for item in items {
            self.server(item);
        }
    }

    /// A setting is TEXT whatever it was written as, and keeps its leading zeros: modes are written so.
    pub(super) fn settings(&mut self) {
        for (key, value) in self.top_level_pairs("settings") {
            let Some(resolved) = self.scope.resolve(value, self.problems) else { continue };
            let (ValueKind::Text(text) | ValueKind::Number(text)) = &resolved.kind else {
                let (what, found) = (key.text.clone(), resolved.kind.describe());
                let expected = "a text in quotes or a number";
                self.problems.error(value.span, Problem::WrongType { what, found, expected });
                continue;
            };
            let id = next_id(self.rows.settings.len());
            let columns = vec![("key", key.span), ("value", value.span)];
            self.origins.insert("setting", id, Origin { row: key.span, columns });
            self.rows.set(&key.text, text);
        }
    }

    /// Mongrel2 only deletes the extensions that stand here, which is a bug: they are replaced or added.
    pub(super) fn mimetypes(&mut self) {
        for (key, value) in self.top_level_pairs("mimetypes") {
            let Some(resolved) = self.scope.resolve(value, self.problems) else { continue };
            if !has_kind(resolved, Kind::Text, (&key.text, value.span), self.problems) {
                continue;
            }
            let ValueKind::Text(mimetype) = &resolved.kind else { continue };
            if !key.text.starts_with('.') {
                let extension = key.text.clone();
                self.problems.error(key.span, Problem::ExtensionWithoutDot { extension });
                continue;
            }
            let extension = Cell::Text(key.text.clone());
            let mimetype = Cell::Text(mimetype.clone());
            let rows = &mut self.rows.mimetypes;
            let id = match rows.iter_mut().find(|row| row.extension == extension) {
                Some(row) => {
                    row.mimetype = mimetype;
                    row.id
                }
                None => {
                    let id = rows.iter().map(|row| row.id).max().unwrap_or_default() + 1;
                    rows.push(MimetypeRow { id, mimetype, extension });
                    id
                }
            };
            let columns = vec![("extension", key.span), ("mimetype", value.span)];
            self.origins.insert("mimetype", id, Origin { row: key.span, columns });
        }
    }

    pub(super) fn unused(&mut self) {
        self.scope.warn_unused(self.problems);
    }

    fn top_level_pairs(&mut self, name: &'static str) -> Vec<(&'a Word, &'a Value)> {
        match self.scope.top_level(name) {
            Some(assignment) => self.dict(&assignment.value, name),
            None => Vec::new(),
        }
    }

    /// The items of a list, or `None` when it is none, which is reported.
    pub(super) fn list(&mut self, value: &'a Value, what: &str) -> Option<&'a [Value]> {
        let resolved = self.scope.resolve(value, self.problems)?;
        has_kind(resolved, Kind::List, (what, value.span), self.problems);
        match &resolved.kind {
            ValueKind::List(items) => Some(items),
            _ => None,
        }
    }

    /// The pairs of a dictionary in file order; of several with the same key, the last.
    pub(super) fn dict(&mut self, value: &'a Value, what: &str) -> Vec<(&'a Word, &'a Value)> {
        let Some(resolved) = self.scope.resolve(value, self.problems) else { return Vec::new() };
        has_kind(resolved, Kind::Dict, (what, value.span), self.problems);
        match &resolved.kind {
            ValueKind::Dict(pairs) => self.distinct(pairs),
            _ => Vec::new(),
        }
    }

    pub(super) fn distinct(&mut self, pairs: &'a [(Word, Value)]) -> Vec<(&'a Word, &'a Value)> {
        let mut seen = std::collections::HashSet::new();
        let mut kept: Vec<_> = Vec::with_capacity(pairs.len());
        for (key, value) in pairs.iter().rev() {
            if seen.insert(key.text.as_str()) {
                kept.push((key, value));
            } else {
                let problem = Problem::Repeated { name: key.text.clone() };
                self.problems.warning(key.span, problem);
            }
        }
        kept.reverse();
        kept
    }

    /// The class that `value` is, when it is one of `accepted`.
    pub(super) fn class(
        &mut self,
        value: &'a Value,
        accepted: &[&'static ClassSchema],
    ) -> Option<(&'static ClassSchema, &'a Class)> {
        let resolved = self.scope.resolve(value, self.problems)?;
        let names: Vec<_> = accepted.iter().map(|schema| schema.name).collect();
        let ValueKind::Class(class) = &resolved.kind else {
            let (found, expected) = (resolved.kind.describe(), alternatives(&names));
            self.problems.error(value.span, Problem::WrongValue { found, expected });
            return None;
        };
        let found = accepted.iter().find(|schema| schema.name == class.name.text);
        if found.is_none() {
            let name = class.name.text.clone();
            let nearest = nearest(&name, names.iter().copied());
            let problem = if crate::language::schema::CLASS_NAMES.contains(&name.as_str()) {
                let (found, expected) = (resolved.kind.describe(), alternatives(&names));
                Problem::WrongValue { found, expected }
            } else {
                Problem::UnknownClass { name, nearest, accepted: alternatives(&names) }
            };
            self.problems.error(class.name.span, problem);
        }
        found.map(|schema| (*schema, class))
    }
}
