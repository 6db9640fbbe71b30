//! Where in the file a row, and each of its columns, was written.

use std::collections::HashMap;

use crate::language::source::Span;

/// The place of one row and of those columns that have a place of their own.
#[derive(Clone, Debug)]
pub struct Origin {
    pub row: Span,
    pub columns: Vec<(&'static str, Span)>,
}

/// The origin of each row by table and id.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    rows: HashMap<(&'static str, i64), Origin>,
}

impl Origins {
    pub(crate) fn insert(&mut self, table: &'static str, id: i64, origin: Origin) {
        self.rows.insert((table, id), origin);
    }

    /// The place of a column, or of its row when the column was not written.
    pub fn find(&self, table: &str, id: i64, column: &str) -> Option<Span> {
        // The key borrows a static name; the tables are ten, so a scan of the static names is enough.
        let table = TABLES.iter().find(|known| **known == table)?;
        let origin = self.rows.get(&(*table, id))?;
        let written = origin.columns.iter().find(|(name, _)| *name == column);
        Some(written.map_or(origin.row, |(_, span)| *span))
    }
}

const TABLES: [&str; 10] = [
    "server",
    "host",
    "route",
    "handler",
    "proxy",
    "directory",
    "setting",
    "mimetype",
    "filter",
    "xrequest",
];
