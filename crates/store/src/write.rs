//! Replaces the contents of a configuration database in one transaction.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use crate::log::{LogEntry, insert_log};
use crate::read::LOCK_WAIT;
use crate::rows::{Cell, Rows};
use crate::tables::{REPLACED, Row};

/// Makes an empty database, the same as Mongrel2 1.12's m2sh.
pub const SCHEMA: &str = include_str!("../../../schema.sql");

/// Why a database can't be written; what it held before is still there.
#[derive(Debug, thiserror::Error)]
pub enum WriteFault {
    #[error("there is no configuration database {}: make it with `m2sh load`", path.display())]
    Missing { path: PathBuf },
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
    if path.is_dir() {
        return Err(WriteFault::NotADatabase { path: path.into() });
    }
    let is_new = !path.exists();
    let done = open(path, OpenFlags::SQLITE_OPEN_CREATE)
        .and_then(|mut connection| replace_all(&mut connection, path, rows, log));
    if done.is_err() && is_new {
        // An empty database left behind would hide that there is none.
        std::fs::remove_file(path).ok();
    }
    done
}

/// Opens a database for writing; `more` may allow to create it.
pub(crate) fn open(path: &Path, more: OpenFlags) -> Result<Connection, WriteFault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    Connection::open_with_flags(path, flags)
        .and_then(|connection| connection.busy_timeout(LOCK_WAIT).map(|()| connection))
        .map_err(|source| write_fault(path, source))
}

pub(crate) fn write_fault(path: &Path, source: rusqlite::Error) -> WriteFault {
    let path = path.into();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => WriteFault::NotADatabase { path },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            WriteFault::Locked { path, waited: LOCK_WAIT }
        }
        _ => WriteFault::Sqlite { path, source },
    }
}

fn replace_all(
    connection: &mut Connection,
    path: &Path,
    rows: &Rows,
    log: Option<&LogEntry>,
) -> Result<(), WriteFault> {
    let fault = |source| write_fault(path, source);
    let transaction =
        Transaction::new(connection, TransactionBehavior::Immediate).map_err(fault)?;
    for table in REPLACED {
        transaction.execute_batch(&format!("DROP TABLE IF EXISTS {table}")).map_err(fault)?;
    }
    transaction.execute_batch(SCHEMA).map_err(fault)?;
    let writer = Writer { path, transaction: &transaction };
    writer.table("server", &rows.servers)?;
    writer.table("host", &rows.hosts)?;
    writer.table("route", &rows.routes)?;
    writer.table("handler", &rows.handlers)?;
    writer.table("proxy", &rows.proxies)?;
    writer.table("directory", &rows.directories)?;
    writer.table("setting", &rows.settings)?;
    writer.table("mimetype", &rows.mimetypes)?;
    writer.table("filter", &rows.filters)?;
    writer.table("xrequest", &rows.xrequests)?;
    if let Some(entry) = log {
        insert_log(&transaction, entry).map_err(fault)?;
    }
    transaction.commit().map_err(fault)
}

struct Writer<'c> {
    path: &'c Path,
    transaction: &'c Transaction<'c>,
}

impl Writer<'_> {
    fn table<R: Row>(&self, table: &'static str, rows: &[R]) -> Result<(), WriteFault> {
        let names: Vec<&str> = R::COLUMNS.iter().map(|column| column.name).collect();
        let marks = ", ?".repeat(names.len());
        let insert = format!("INSERT INTO {table} (id, {}) VALUES (?{marks})", names.join(", "));
        let fault = |source| write_fault(self.path, source);
        let mut insert = self.transaction.prepare(&insert).map_err(fault)?;
        for row in rows {
            let mut values = vec![Value::Integer(row.id())];
            for (cell, column) in row.cells().into_iter().zip(names.iter().copied()) {
                values.push(match cell {
                    Cell::Null => Value::Null,
                    Cell::Integer(number) => Value::Integer(*number),
                    Cell::Text(text) => Value::Text(text.clone()),
                    Cell::Other(value) => {
                        let (row, value) = (row.id(), value.clone());
                        return Err(WriteFault::Value { table, row, column, value });
                    }
                });
            }
            insert.execute(rusqlite::params_from_iter(values)).map_err(fault)?;
        }
        Ok(())
    }
}
