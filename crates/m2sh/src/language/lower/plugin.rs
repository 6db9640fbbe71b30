//! Filters and xrequests, whose settings are stored as one tnetstring.

use store::rows::{Cell, PluginRow};

use super::fields::Fields;
use super::{Lowering, next_id};
use crate::language::problem::Problem;
use crate::language::schema::{FILTER, XREQUEST};
use crate::language::source::Span;
use crate::language::syntax::{Value, ValueKind};

/// Variables can be used twice at every level, so a short file can mean an endless text.
const SETTINGS_MAX: usize = 1 << 20;

impl<'a> Lowering<'a> {
    pub(super) fn plugins(&mut self, server: &Fields<'a>, server_id: i64) {
        for (list, table, schema) in
            [("filters", "filter", &FILTER), ("xrequests", "xrequest", &XREQUEST)]
        {
            let Some(value) = server.value(list) else { continue };
            for item in self.list(value, list).unwrap_or_default() {
                let Some((schema, class)) = self.class(item, &[schema]) else { continue };
                let fields = self.fields(class, schema);
                let settings = fields.value("settings").and_then(|settings| {
                    let mut text = String::new();
                    self.tnetstring(settings, &mut text)?;
                    Some(text)
                });
                let rows = match table {
                    "filter" => &mut self.rows.filters,
                    _ => &mut self.rows.xrequests,
                };
                let id = next_id(rows.len());
                rows.push(PluginRow {
                    id,
                    server_id: Cell::Integer(server_id),
                    name: fields.text_cell("name"),
                    settings: settings.map_or(Cell::Null, Cell::Text),
                });
                self.origins.insert(table, id, fields.origin());
            }
        }
    }

    /// Appends `value` as a tnetstring; `None` when it has none, which is reported.
    fn tnetstring(&mut self, value: &'a Value, out: &mut String) -> Option<()> {
        let place = value.span;
        let value = self.scope.resolve(value, self.problems)?;
        let (payload, kind) = match &value.kind {
            ValueKind::Text(text) => (text.clone(), ','),
            ValueKind::Number(digits) => (self.integer(digits, place)?, '#'),
            ValueKind::List(items) => {
                let mut inner = String::new();
                for item in items {
                    self.tnetstring(item, &mut inner)?;
                }
                (inner, ']')
            }
            ValueKind::Dict(pairs) => {
                let mut inner = String::new();
                for (key, item) in self.distinct(pairs) {
                    inner.push_str(&format!("{}:{},", key.text.len(), key.text));
                    self.tnetstring(item, &mut inner)?;
                }
                (inner, '}')
            }
            ValueKind::Class(_) | ValueKind::Variable(_) | ValueKind::Broken => {
                let found = value.kind.describe();
                let expected = "a text, a number, a list or a dictionary".to_owned();
                self.problems.error(place, Problem::WrongValue { found, expected });
                return None;
            }
        };
        if payload.len() > SETTINGS_MAX {
            self.problems.error(place, Problem::SettingsTooLong { max: SETTINGS_MAX });
            return None;
        }
        out.push_str(&format!("{}:{payload}{kind}", payload.len()));
        Some(())
    }

    /// Mongrel2 writes numbers here without their leading zeros.
    fn integer(&mut self, digits: &str, place: Span) -> Option<String> {
        match digits.parse::<i64>() {
            Ok(number) => Some(number.to_string()),
            Err(_) => {
                let (what, digits) = ("this number".to_owned(), digits.to_owned());
                self.problems.error(place, Problem::NumberTooLarge { what, digits });
                None
            }
        }
    }
}
