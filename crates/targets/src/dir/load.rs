//! Reading a file so that its field lines and its content are of the same moment.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::representation::{Content, Identity, Representation};

/// Files up to this size, in bytes, are kept in memory and leave with their head in one system
/// call. From here on sendfile saves more than its extra call costs.
pub(super) const IN_MEMORY_MAX: u64 = 64 * 1024;

/// Tries to read a small file that is being written.
const TRIES_MAX: usize = 3;

/// A file that has been read or opened.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) file: Representation,
    /// It did not change while it was read; only then it is worth keeping.
    pub(super) settled_while_read: bool,
}

/// Takes a small file into memory, and a large one as it is.
pub(super) fn load(file: File, content_type: &str, now: SystemTime) -> io::Result<Loaded> {
    let mut metadata = file.metadata()?;
    for _ in 0..TRIES_MAX {
        if metadata.len() > IN_MEMORY_MAX {
            break;
        }
        let bytes = read(&file, metadata.len())?;
        let after = file.metadata()?;
        if let Some(bytes) = bytes.filter(|_| Identity::of(&after) == Identity::of(&metadata)) {
            let file = Representation::new(Content::Bytes(bytes), &metadata, content_type, now);
            return Ok(Loaded { file, settled_while_read: true });
        }
        metadata = after;
    }
    let settled_while_read = metadata.len() > IN_MEMORY_MAX;
    let content = Content::File(Arc::new(file));
    let file = Representation::new(content, &metadata, content_type, now);
    Ok(Loaded { file, settled_while_read })
}

/// The content, if it is `length` bytes long.
fn read(file: &File, length: u64) -> io::Result<Option<Bytes>> {
    let length = usize::try_from(length).map_err(io::Error::other)?;
    let mut content = vec![0; length + 1];
    let mut filled = 0;
    while let Some(room) = content.get_mut(filled..).filter(|room| !room.is_empty()) {
        match file.read_at(room, filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    content.truncate(length);
    Ok((filled == length).then(|| Bytes::from(content.into_boxed_slice())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn loaded(length: u64) -> Loaded {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![b'x'; usize::try_from(length).unwrap()]).unwrap();
        load(file, "x/y", SystemTime::now()).unwrap()
    }

    #[test]
    fn small_files_are_in_memory_and_large_ones_are_not() {
        for (length, in_memory) in
            [(0, true), (1, true), (IN_MEMORY_MAX, true), (IN_MEMORY_MAX + 1, false)]
        {
            let Loaded { file, settled_while_read } = loaded(length);
            assert!(settled_while_read);
            assert_eq!(file.metadata.length, length);
            match file.content {
                Content::Bytes(bytes) => assert!(in_memory && bytes.len() as u64 == length),
                Content::File(_) => assert!(!in_memory, "{length}"),
            }
        }
    }

    #[test]
    fn a_file_that_is_not_as_long_as_it_said_is_not_taken() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"12345").unwrap();
        assert_eq!(read(&file, 4).unwrap(), None);
        assert_eq!(read(&file, 6).unwrap(), None);
        assert_eq!(read(&file, 5).unwrap(), Some(Bytes::from_static(b"12345")));
    }
}
