//! A database that is held open, so that a server inside a chroot can read it again.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rusqlite::Connection;

use crate::lower::{LoadFault, Lowered, load_rows};
use crate::read::{LOCK_WAIT, OpenFault, open_fault, read_from};
use crate::rows::Rows;

/// Where SQLite's header says how a file is written; 2 is write-ahead logging.
const WRITE_VERSION_AT: usize = 18;
/// The bytes whose locks are SQLite's SHARED and EXCLUSIVE: a reader shares them, and whoever writes
/// into the file has them alone. <https://www.sqlite.org/src/file/src/os.h>
const SHARED_RANGE: (libc::off_t, libc::off_t) = (0x4000_0002, 510);
/// Between two tries to have that lock.
const LOCK_RETRY: Duration = Duration::from_millis(5);
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
        load_rows(&self.read(LOCK_WAIT)?, uuid)
    }

    fn read(&self, wait: Duration) -> Result<Rows, OpenFault> {
        let path = self.path.clone();
        let bytes = match self.snapshot(wait) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(OpenFault::Locked { path, waited: wait }),
            Err(source) => return Err(OpenFault::Held { path, source }),
        };
        let fault = |source| open_fault(&self.path, source);
        let mut connection = Connection::open_in_memory().map_err(fault)?;
        connection
            .deserialize_read_exact("main", bytes.as_slice(), bytes.len(), true)
            .map_err(fault)?;
        // A writer that died in the middle left a journal, which has no path in here.
        let check = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
        let found: String = check.map_err(fault)?;
        if found != "ok" {
            let source = io::Error::other("the file is damaged, or half written; load it again");
            return Err(OpenFault::Held { path, source });
        }
        read_from(&self.path, &connection)
    }

    /// The bytes of one moment: nobody writes while they are read. `None` when somebody does so for
    /// longer than `wait`.
    fn snapshot(&self, wait: Duration) -> io::Result<Option<Vec<u8>>> {
        let deadline = Instant::now() + wait;
        while !self.lock(libc::F_RDLCK)? {
            if Instant::now() >= deadline {
                return Ok(None);
            }
            #[expect(clippy::disallowed_methods, reason = "no event tells that a lock is free")]
            std::thread::sleep(LOCK_RETRY);
        }
        let bytes = self.bytes();
        self.lock(libc::F_UNLCK)?;
        bytes.map(Some)
    }

    /// False when another program's lock stands in the way. The lock is the descriptor's, not the
    /// process's: SQLite's own in this process know of it, and closing their files leaves it.
    fn lock(&self, kind: libc::c_int) -> io::Result<bool> {
        let (l_start, l_len) = SHARED_RANGE;
        let l_type = libc::c_short::try_from(kind).map_err(io::Error::other)?;
        let l_whence = libc::c_short::try_from(libc::SEEK_SET).map_err(io::Error::other)?;
        let lock = libc::flock { l_type, l_whence, l_start, l_len, l_pid: 0 };
        match fcntl(&self.file, FcntlArg::F_OFD_SETLK(&lock)) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    fn bytes(&self) -> io::Result<Vec<u8>> {
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
        self.file.read_exact_at(&mut bytes, 0)?;
        if bytes.get(WRITE_VERSION_AT) == Some(&2) {
            return Err(io::Error::other(
                "the file uses write-ahead logging, which can't be followed into a chroot; \
                 set PRAGMA journal_mode=DELETE",
            ));
        }
        Ok(bytes)
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
        assert_eq!(held.read(LOCK_WAIT).unwrap().settings, rows("1").settings);
        crate::replace(&path, &rows("2"), None).unwrap();
        assert_eq!(held.read(LOCK_WAIT).unwrap().settings, rows("2").settings);
    }

    #[test]
    fn a_write_is_seen_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.sqlite");
        crate::replace(&path, &rows("1"), None).unwrap();
        let held = HeldDatabase::open(&path).unwrap();
        let mut writer = Connection::open(&path).unwrap();
        // Pages go to the file long before the end of the transaction.
        writer.pragma_update(None, "cache_size", 1).unwrap();
        let transaction = writer.transaction().unwrap();
        transaction.execute("UPDATE setting SET value = '2'", []).unwrap();
        for _ in 0..200 {
            let row =
                "INSERT INTO mimetype (mimetype, extension) VALUES (hex(zeroblob(500)), '.x')";
            transaction.execute(row, []).unwrap();
        }
        let fault = held.read(Duration::ZERO).unwrap_err();
        assert!(matches!(fault, OpenFault::Locked { .. }), "{fault:?}");
        transaction.commit().unwrap();
        let read = held.read(LOCK_WAIT).unwrap();
        assert_eq!((read.settings, read.mimetypes.len()), (rows("2").settings, 200));

        // A reader lets go of its lock.
        crate::replace(&path, &rows("3"), None).unwrap();
        assert_eq!(held.read(LOCK_WAIT).unwrap().settings, rows("3").settings);
    }

    #[test]
    fn half_a_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.sqlite");
        crate::replace(&path, &rows("1"), None).unwrap();
        let whole = std::fs::read(&path).unwrap();
        // The root page of a table, with what another page held.
        let mut half = whole.clone();
        half.copy_within(..4096, 4096);
        assert_ne!(half, whole);
        std::fs::write(&path, half).unwrap();
        let fault = HeldDatabase::open(&path).unwrap().read(LOCK_WAIT).unwrap_err();
        assert!(matches!(fault, OpenFault::Held { .. } | OpenFault::Sqlite { .. }), "{fault:?}");
    }

    #[test]
    fn what_cannot_be_followed_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.sqlite");
        assert!(matches!(HeldDatabase::open(&path), Err(OpenFault::Missing { .. })));
        crate::replace(&path, &rows("1"), None).unwrap();
        let held = HeldDatabase::open(&path).unwrap();
        Connection::open(&path).unwrap().pragma_update(None, "journal_mode", "WAL").unwrap();
        let fault = held.read(LOCK_WAIT).unwrap_err();
        assert!(
            matches!(&fault, OpenFault::Held { source, .. } if source.to_string().contains("write-ahead")),
            "{fault:?}"
        );
        std::fs::remove_file(&path).unwrap();
        let fault = held.read(LOCK_WAIT).unwrap_err();
        assert!(
            matches!(&fault, OpenFault::Held { source, .. } if source.to_string().contains("replaced")),
            "{fault:?}"
        );
    }
}
