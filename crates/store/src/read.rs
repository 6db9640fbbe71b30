//! Reads a configuration database into rows; never changes or creates one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::rows::{Cell, Rows};
use crate::tables::{Need, Row};

/// How long another program may hold its lock. A load takes milliseconds.
pub(crate) const LOCK_WAIT: Duration = Duration::from_secs(2);

/// Why a database can't be read.
#[derive(Debug, thiserror::Error)]
pub enum OpenFault {
    #[error("there is no configuration database {}: make it with `m2sh load`", path.display())]
    Missing { path: PathBuf },
    #[error("{} is not an SQLite database", path.display())]
    NotADatabase { path: PathBuf },
    #[error("{} was locked by another program for {} s", path.display(), waited.as_secs())]
    Locked { path: PathBuf, waited: Duration },
    #[error("{} lacks {}: fill it with `m2sh load`", path.display(), missing.join(", "))]
    Schema {
        path: PathBuf,
        /// `table host`, `column use_ssl of server` and the like.
        missing: Vec<String>,
    },
    #[error("{}: table {table} has a row whose id is {id}, it must be a number", path.display())]
    Id { path: PathBuf, table: &'static str, id: String },
    #[error("can't read {} again", path.display())]
    Held { path: PathBuf, source: std::io::Error },
    #[error("can't read {}", path.display())]
    Sqlite { path: PathBuf, source: rusqlite::Error },
}

/// Reads the whole database as one consistent snapshot.
///
/// # Errors
/// There is no such file, it is no database, tables or columns are missing, or another program
/// keeps it locked.
pub fn read(path: &Path) -> Result<Rows, OpenFault> {
    read_from(path, &open(path)?)
}

pub(crate) fn read_from(path: &Path, connection: &Connection) -> Result<Rows, OpenFault> {
    let fault = |source| open_fault(path, source);
    // A deferred transaction, so that all tables are of one moment.
    let snapshot = connection.unchecked_transaction().map_err(fault)?;
    let mut reader = Reader { path, connection: &snapshot, missing: Vec::new() };
    let rows = Rows {
        servers: reader.table("server", Need::Required)?,
        hosts: reader.table("host", Need::Required)?,
        routes: reader.table("route", Need::Optional)?,
        handlers: reader.table("handler", Need::Required)?,
        proxies: reader.table("proxy", Need::Required)?,
        directories: reader.table("directory", Need::Required)?,
        settings: reader.table("setting", Need::Required)?,
        mimetypes: reader.table("mimetype", Need::Required)?,
        filters: reader.table("filter", Need::Optional)?,
        xrequests: reader.table("xrequest", Need::Optional)?,
    };
    if reader.missing.is_empty() {
        Ok(rows)
    } else {
        Err(OpenFault::Schema { path: path.into(), missing: reader.missing })
    }
}

/// Opens an existing database for reading.
pub(crate) fn open(path: &Path) -> Result<Connection, OpenFault> {
    // Not opened and closed here: closing a file drops the locks that other connections of this
    // process hold on it.
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(OpenFault::Missing { path: path.into() });
        }
        Ok(metadata) if metadata.is_dir() => {
            return Err(OpenFault::NotADatabase { path: path.into() });
        }
        _ => {}
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
        .and_then(|connection| connection.busy_timeout(LOCK_WAIT).map(|()| connection))
        .map_err(|source| open_fault(path, source))
}

pub(crate) fn open_fault(path: &Path, source: rusqlite::Error) -> OpenFault {
    let path = path.into();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenFault::NotADatabase { path },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            OpenFault::Locked { path, waited: LOCK_WAIT }
        }
        _ => OpenFault::Sqlite { path, source },
    }
}

/// Reads table after table and collects what is missing.
struct Reader<'c> {
    path: &'c Path,
    connection: &'c Connection,
    missing: Vec<String>,
}

impl Reader<'_> {
    /// All rows of a table in row order, which is the order Mongrel2 sees too.
    fn table<R: Row>(&mut self, table: &'static str, need: Need) -> Result<Vec<R>, OpenFault> {
        let fault = |source| open_fault(self.path, source);
        if !exists(self.connection, table).map_err(fault)? {
            if need == Need::Required {
                self.missing.push(format!("table {table}"));
            }
            return Ok(Vec::new());
        }
        let mut select =
            self.connection.prepare(&format!("SELECT * FROM {table}")).map_err(fault)?;
        let id_at = select.column_index("id").ok();
        let columns: Vec<Option<usize>> =
            R::COLUMNS.iter().map(|column| select.column_index(column.name).ok()).collect();
        for (column, at) in R::COLUMNS.iter().zip(&columns) {
            if at.is_none() && column.need == Need::Required {
                self.missing.push(format!("column {} of {table}", column.name));
            }
        }
        let Some(id_at) = id_at else {
            self.missing.push(format!("column id of {table}"));
            return Ok(Vec::new());
        };
        let mut rows = Vec::new();
        let mut found = select.query([]).map_err(fault)?;
        while let Some(row) = found.next().map_err(fault)? {
            let id = match cell(row.get_ref(id_at).map_err(fault)?) {
                Cell::Integer(id) => id,
                other => {
                    let (path, id) = (self.path.into(), other.to_string());
                    return Err(OpenFault::Id { path, table, id });
                }
            };
            let mut cells = Vec::with_capacity(columns.len());
            for at in &columns {
                cells.push(match at {
                    Some(at) => cell(row.get_ref(*at).map_err(fault)?),
                    // Mongrel2 runs from databases older than server.control_port.
                    None => Cell::Text(String::new()),
                });
            }
            rows.push(R::from_cells(id, cells));
        }
        Ok(rows)
    }
}

pub(crate) fn exists(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    let count: i64 = connection.query_row(
        "SELECT count(*) FROM sqlite_master WHERE type IN ('table', 'view') AND name = ?1",
        [table],
        |row| row.get(0),
    )?;
    Ok(count > 0)
}

pub(crate) fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Integer(number),
        ValueRef::Real(number) => Cell::Other(number.to_string()),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Cell::Text(text.to_owned()),
            Err(_) => Cell::Other(hex(bytes)),
        },
        ValueRef::Blob(bytes) => Cell::Other(hex(bytes)),
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("X'{digits}'")
}
