//! A database that is held open, so that a server inside a chroot can read it again.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::lower::{LoadFault, Lowered, load_rows};
use crate::read::{OpenFault, open_fault, read_from};
use crate::rows::Rows;

/// Where SQLite's header says how a file is written; 2 is write-ahead logging.
const WRITE_VERSION_AT: usize = 18;
/// Where the header counts the changes of the file.
const CHANGE_COUNTER_AT: u64 = 24;
/// No configuration is larger; a database that is can't be meant.
const BYTES_MAX: u64 = 256 << 20;

/// An open database file. It is read through its descriptor, never by its path.
#[derive(Debug)]
pub struct HeldDatabase {
    path: PathBuf,
    // Never closed while the process lives: closing would drop locks that SQLite holds on it.
    file: File,
}

impl HeldDatabase {
    /// Opens an existing file.
    ///
    /// # Errors
    /// There is no such file, or it can't be opened.
    pub fn open(path: &Path) -> Result<Self, OpenFault> {
        match File::open(path) {
            Ok(file) => Ok(Self { path: path.into(), file }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(OpenFault::Missing { path: path.into() })
            }
            Err(source) => Err(OpenFault::Held { path: path.into(), source }),
        }
    }

    /// Checks one server of what the file holds now, as [`crate::load`] does.
    ///
    /// # Errors
    /// The file can't be read, has been replaced by another, has no such server, or the server has
    /// faults.
    pub fn load(&self, uuid: &str) -> Result<Lowered, LoadFault> {
        load_rows(&self.read()?, uuid)
    }

    fn read(&self) -> Result<Rows, OpenFault> {
        let bytes = self.snapshot().map_err(|source| {
            let path = self.path.clone();
            OpenFault::Held { path, source }
        })?;
        let fault = |source| open_fault(&self.path, source);
        let mut connection = Connection::open_in_memory().map_err(fault)?;
        connection
            .deserialize_read_exact("main", bytes.as_slice(), bytes.len(), true)
            .map_err(fault)?;
        read_from(&self.path, &connection)
    }

    /// The bytes of one moment: a change while they are read is seen by the counter.
    fn snapshot(&self) -> io::Result<Vec<u8>> {
        let metadata = self.file.metadata()?;
        if metadata.nlink() == 0 {
            return Err(io::Error::other(
                "the file was replaced by another; load into the same file, or restart",
            ));
        }
        if metadata.len() > BYTES_MAX {
            return Err(io::Error::other("the file is too large for a configuration"));
        }
        let mut bytes = vec![0; usize::try_from(metadata.len()).map_err(io::Error::other)?];
        let before = self.change_counter()?;
        self.file.read_exact_at(&mut bytes, 0)?;
        if self.change_counter()? != before {
            return Err(io::Error::other("the file was written to while it was read; try again"));
        }
        if bytes.get(WRITE_VERSION_AT) == Some(&2) {
            return Err(io::Error::other(
                "the file uses write-ahead logging, which can't be followed into a chroot; \
                 set PRAGMA journal_mode=DELETE",
            ));
        }
        Ok(bytes)
    }

    fn change_counter(&self) -> io::Result<[u8; 4]> {
        let mut counter = [0; 4];
        self.file.read_exact_at(&mut counter, CHANGE_COUNTER_AT)?;
        Ok(counter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Cell, SettingRow};

    fn rows(value: &str) -> Rows {
        let (key, value) = (Cell::Text("limits.header_count".into()), Cell::Text(value.into()));
        Rows { settings: vec![SettingRow { id: 1, key, value }], ..Rows::default() }
    }

    #[test]
    fn a_later_load_is_seen_through_the_descriptor() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.sqlite");
        crate::replace(&path, &rows("1"), None).unwrap();
        let held = HeldDatabase::open(&path).unwrap();
        assert_eq!(held.read().unwrap().settings, rows("1").settings);
        crate::replace(&path, &rows("2"), None).unwrap();
        assert_eq!(held.read().unwrap().settings, rows("2").settings);
    }

    #[test]
    fn what_cannot_be_followed_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.sqlite");
        assert!(matches!(HeldDatabase::open(&path), Err(OpenFault::Missing { .. })));
        crate::replace(&path, &rows("1"), None).unwrap();
        let held = HeldDatabase::open(&path).unwrap();
        Connection::open(&path).unwrap().pragma_update(None, "journal_mode", "WAL").unwrap();
        let fault = held.read().unwrap_err();
        assert!(
            matches!(&fault, OpenFault::Held { source, .. } if source.to_string().contains("write-ahead")),
            "{fault:?}"
        );
        std::fs::remove_file(&path).unwrap();
        let fault = held.read().unwrap_err();
        assert!(
            matches!(&fault, OpenFault::Held { source, .. } if source.to_string().contains("replaced")),
            "{fault:?}"
        );
    }
}
