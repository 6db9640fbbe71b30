//! The `log` table: who did what to a configuration and why.

use std::path::Path;

use crate::read::OpenFault;
use crate::write::WriteFault;

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

/// Adds a row; makes the table when it is missing.
///
/// # Errors
/// The file is missing, no database or locked.
pub fn append_log(path: &Path, entry: &LogEntry) -> Result<(), WriteFault> {
    let _ = entry;
    Err(WriteFault::NotADatabase { path: path.into() })
}

/// All rows, oldest first; none when there is no such table.
///
/// # Errors
/// The file is missing, no database or locked.
pub fn read_log(path: &Path) -> Result<Vec<LogRow>, OpenFault> {
    Err(OpenFault::Missing { path: path.into() })
}
