//! The `log` table: who did what to a configuration and why.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::read::{self, OpenFault, open_fault};
use crate::rows::Cell;
use crate::write::{self, WriteFault, write_fault};

/// A row to add; the time is the database's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogEntry {
    pub who: String,
    pub what: String,
    pub location: String,
    pub how: String,
    pub why: String,
}

/// A row as it stands there; a NULL is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogRow {
    pub id: i64,
    /// `2026-11-21 15:44:01`, UTC.
    pub happened_at: String,
    pub entry: LogEntry,
}

/// The same as in schema.sql, for a database that lacks it.
const CREATE: &str = "CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY, who TEXT, what TEXT,
    location TEXT, happened_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, how TEXT, why TEXT)";

/// Adds a row; makes the table when it is missing.
///
/// # Errors
/// The file is missing, no database or locked.
pub fn append_log(path: &Path, entry: &LogEntry) -> Result<(), WriteFault> {
    if !path.exists() {
        return Err(WriteFault::Missing { path: path.into() });
    }
    let connection = write::open(path, OpenFlags::empty())?;
    connection
        .execute_batch(CREATE)
        .and_then(|()| insert_log(&connection, entry))
        .map_err(|source| write_fault(path, source))
}

/// All rows, oldest first; none when there is no such table.
///
/// # Errors
/// The file is missing, no database or locked.
pub fn read_log(path: &Path) -> Result<Vec<LogRow>, OpenFault> {
    let connection = read::open(path)?;
    rows(&connection).map_err(|source| open_fault(path, source))
}

pub(crate) fn insert_log(connection: &Connection, entry: &LogEntry) -> rusqlite::Result<()> {
    let LogEntry { who, what, location, how, why } = entry;
    connection.execute(
        "INSERT INTO log (who, what, location, how, why) VALUES (?1, ?2, ?3, ?4, ?5)",
        [who, what, location, how, why],
    )?;
    Ok(())
}

fn rows(connection: &Connection) -> rusqlite::Result<Vec<LogRow>> {
    if !read::exists(connection, "log")? {
        return Ok(Vec::new());
    }
    let mut select = connection
        .prepare("SELECT id, happened_at, who, what, location, how, why FROM log ORDER BY id")?;
    let rows = select.query_map([], |row| {
        let text = |at| {
            row.get_ref(at).map(|value| match read::cell(value) {
                Cell::Null => String::new(),
                Cell::Text(text) => text,
                other => other.to_string(),
            })
        };
        let (who, what, location) = (text(2)?, text(3)?, text(4)?);
        let entry = LogEntry { who, what, location, how: text(5)?, why: text(6)? };
        Ok(LogRow { id: row.get(0)?, happened_at: text(1)?, entry })
    })?;
    rows.collect()
}
