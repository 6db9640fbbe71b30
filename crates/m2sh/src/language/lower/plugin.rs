//! Filters and xrequests, whose settings are stored as one tnetstring.

use bytes::BytesMut;
use store::rows::{Cell, PluginRow};
use wire::tnetstring;

use super::fields::Fields;
use super::{Lowering, next_id};
use crate::language::problem::Problem;
use crate::language::schema::{FILTER, XREQUEST};
use crate::language::source::Span;
use crate::language::syntax::{Value, ValueKind};

/// Lists and dictionaries may be nested this deep through variables; each level takes stack.
const DEPTH_MAX: usize = 64;

/// Values in the settings of one plugin: variables can be used twice at every level, so a short file
/// could mean an endless text.
const VALUES_MAX: usize = 1 << 16;

/// What is left for the settings of one plugin.
struct Room<'a> {
    values: usize,
    /// The values that the one at hand is in.
    within: Vec<&'a Value>,
}

impl<'a> Lowering<'a> {
    pub(super) fn plugins(&mut self, server: &Fields<'a>, server_id: i64) {
        for (list, table, schema) in
            [("filters", "filter", &FILTER), ("xrequests", "xrequest", &XREQUEST)]
        {
            let Some(value) = server.value(list) else { continue };
            for item in self.list(value, list).unwrap_or_default() {
                let Some((schema, class)) = self.class(item, &[schema]) else { continue };
                let fields = self.fields(class, schema);
                let settings = self.plugin_settings(&fields);
                let rows = match table {
                    "filter" => &mut self.rows.filters,
                    _ => &mut self.rows.xrequests,
                };
                let id = next_id(rows.len());
                rows.push(PluginRow {
                    id,
                    server_id: Cell::Integer(server_id),
                    name: fields.text_cell("name"),
                    settings,
                });
                self.origins.insert(table, id, fields.origin());
            }
        }
    }

    fn plugin_settings(&mut self, plugin: &Fields<'a>) -> Cell {
        let settings = plugin.value("settings");
        let mut room = Room { values: VALUES_MAX, within: Vec::new() };
        let Some(plain) = settings.and_then(|value| self.plain(value, &mut room)) else {
            return Cell::Null;
        };
        let mut out = BytesMut::new();
        tnetstring::write_value(&mut out, &plain);
        Cell::Text(String::from_utf8_lossy(&out).into_owned())
    }

    /// `value` as a tnetstring holds it; `None` when it cannot, which is reported.
    fn plain(&mut self, value: &'a Value, room: &mut Room<'a>) -> Option<tnetstring::Value<'a>> {
        let (place, written) = (value.span, &value.kind);
        let value = self.scope.resolve(value, self.problems)?;
        let Some(left) = room.values.checked_sub(1) else {
            self.problems.error(place, Problem::SettingsTooLong { max: VALUES_MAX });
            return None;
        };
        room.values = left;
        if let ValueKind::Variable(name) = written
            && room.within.iter().any(|outer| std::ptr::eq(*outer, value))
        {
            self.problems.error(place, Problem::CircularVariable { name: name.clone() });
            return None;
        }
        if room.within.len() == DEPTH_MAX {
            self.problems.error(place, Problem::TooDeep { max: DEPTH_MAX });
            return None;
        }
        room.within.push(value);
        let plain = self.plain_kind(value, place, room);
        room.within.pop();
        plain
    }

    fn plain_kind(
        &mut self,
        value: &'a Value,
        place: Span,
        room: &mut Room<'a>,
    ) -> Option<tnetstring::Value<'a>> {
        match &value.kind {
            ValueKind::Text(text) => Some(tnetstring::Value::Bytes(text.as_bytes())),
            ValueKind::Number(digits) => match digits.parse() {
                Ok(number) => Some(tnetstring::Value::Integer(number)),
                Err(_) => {
                    let (what, digits) = ("this number".to_owned(), digits.clone());
                    self.problems.error(place, Problem::NumberTooLarge { what, digits });
                    None
                }
            },
            ValueKind::List(items) => {
                let items: Option<_> = items.iter().map(|item| self.plain(item, room)).collect();
                items.map(tnetstring::Value::List)
            }
            ValueKind::Dict(pairs) => {
                let pairs = self.distinct(pairs).into_iter();
                let entries: Option<_> = pairs
                    .map(|(key, item)| Some((key.text.as_bytes(), self.plain(item, room)?)))
                    .collect();
                entries.map(tnetstring::Value::Dict)
            }
            ValueKind::Class(_) | ValueKind::Variable(_) | ValueKind::Broken => {
                let found = value.kind.describe();
                let expected = "a text, a number, a list or a dictionary".to_owned();
                self.problems.error(place, Problem::WrongValue { found, expected });
                None
            }
        }
    }
}
