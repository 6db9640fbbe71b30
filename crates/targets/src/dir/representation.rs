//! A file as it was at one moment: the field lines and the content that belong together.

use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::entity_tag;

/// The last second that an HTTP date can name, at the end of the year 9999.
const DATE_MAX: u64 = 253_402_300_799;

/// How long a file must have been left alone for its times to tell that it was. Some file
/// systems count in steps of two seconds, others in ticks of a few milliseconds.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// One form of one file: today the file itself, in time also its precompressed neighbours.
#[derive(Debug)]
pub(super) struct Representation {
    /// Content-Type, Last-Modified, ETag, Accept-Ranges.
    pub(super) lines: Bytes,
    /// Where Last-Modified and ETag stand in `lines`.
    validators: Range<usize>,
    pub(super) metadata: Metadata,
    pub(super) content: Content,
    identity: Identity,
    /// Unless it is, the file may change again without a change of its times.
    is_settled: bool,
}

/// What conditions and ranges are decided by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Metadata {
    /// A strong tag, quotes included.
    pub(super) etag: Box<str>,
    /// Whole seconds, as Last-Modified says it.
    pub(super) modified: SystemTime,
    /// Bytes.
    pub(super) length: u64,
}

/// The bytes of a file.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Bytes(Bytes),
    File(Arc<File>),
}

/// What changes when a file is changed or replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Representation {
    /// `now` is when the file was looked at, before its content was read.
    pub(super) fn new(
        content: Content,
        file: &fs::Metadata,
        content_type: &str,
        now: SystemTime,
    ) -> Self {
        let metadata = Metadata::new(file, now);
        let mut lines = Vec::with_capacity(192);
        lines.extend_from_slice(b"Content-Type: ");
        // The type stands in the configuration; a line end in it must not start a field.
        lines.extend(content_type.bytes().map(|b| if b.is_ascii_control() { b' ' } else { b }));
        let content_type_end = lines.len() + 2;
        let date = httpdate::fmt_http_date(metadata.modified);
        for part in ["\r\nLast-Modified: ", &date, "\r\nETag: ", &metadata.etag, "\r\n"] {
            lines.extend_from_slice(part.as_bytes());
        }
        let validators = content_type_end..lines.len();
        lines.extend_from_slice(b"Accept-Ranges: bytes\r\n");
        let is_settled = changed_at(file) + SETTLED_AFTER <= now;
        let identity = Identity::of(file);
        Self { lines: Bytes::from(lines), validators, metadata, content, identity, is_settled }
    }

    /// Last-Modified and ETag alone, for 304.
    pub(super) fn validator_lines(&self) -> Bytes {
        self.lines.slice(self.validators.clone())
    }

    /// Whether this is the file with that metadata, unchanged beyond doubt.
    pub(super) fn describes(&self, file: &fs::Metadata) -> bool {
        let is_certain = self.is_settled || self.holds_descriptor();
        is_certain && self.identity == Identity::of(file)
    }

    /// Whether the lines still belong to the bytes. A file in memory keeps its bytes; an open one
    /// may have been written to since.
    pub(super) fn is_current(&self) -> bool {
        match &self.content {
            Content::Bytes(_) => true,
            Content::File(file) => file.metadata().is_ok_and(|now| self.describes(&now)),
        }
    }

    /// Whether it keeps a file open.
    pub(super) fn holds_descriptor(&self) -> bool {
        matches!(self.content, Content::File(_))
    }

    /// Bytes of memory it takes, about.
    pub(super) fn weight(&self) -> usize {
        let content = match &self.content {
            Content::Bytes(bytes) => bytes.len(),
            Content::File(_) => 0,
        };
        size_of::<Self>() + self.lines.len() + self.metadata.etag.len() + content
    }
}

impl Metadata {
    fn new(file: &fs::Metadata, now: SystemTime) -> Self {
        // A file from the future was modified now at the latest (RFC 9110 section 8.8.2.1).
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let modified = u64::try_from(file.mtime()).unwrap_or(0).min(now).min(DATE_MAX);
        Self {
            etag: entity_tag::of(file.mtime(), file.mtime_nsec(), file.size()),
            modified: SystemTime::UNIX_EPOCH + Duration::from_secs(modified),
            length: file.size(),
        }
    }
}

impl Identity {
    pub(super) fn of(file: &fs::Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            length: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

/// When content or attributes last changed; nobody can set this back, as they can the
/// modification time.
fn changed_at(file: &fs::Metadata) -> SystemTime {
    let seconds = u64::try_from(file.ctime()).unwrap_or(0).min(DATE_MAX);
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn file(modified: SystemTime) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"hello a\n").unwrap();
        file.set_modified(modified).unwrap();
        file
    }

    fn lines(modified: SystemTime, content_type: &str) -> (String, String) {
        let metadata = file(modified).metadata().unwrap();
        let content = Content::Bytes(Bytes::new());
        let at = Representation::new(content, &metadata, content_type, SystemTime::now());
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        (text(at.validator_lines()), text(at.lines))
    }

    #[test]
    fn the_lines_describe_the_file() {
        let modified = SystemTime::UNIX_EPOCH + Duration::new(0x5e0d_5da5, 0xff);
        let (validators, all) = lines(modified, "text/plain");
        assert_eq!(
            validators,
            "Last-Modified: Thu, 02 Jan 2020 03:04:05 GMT\r\nETag: \"5e0d5da5.ff-8\"\r\n"
        );
        assert_eq!(
            all,
            format!("Content-Type: text/plain\r\n{validators}Accept-Ranges: bytes\r\n")
        );
    }

    #[test]
    fn a_type_cannot_start_a_field() {
        let (_, all) = lines(SystemTime::UNIX_EPOCH, "text/plain\r\nSet-Cookie: x");
        assert!(all.starts_with("Content-Type: text/plain  Set-Cookie: x\r\n"), "{all}");
    }

    #[test]
    fn dates_stay_in_what_http_can_say() {
        let before = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        for modified in [
            SystemTime::UNIX_EPOCH - Duration::from_secs(100),
            SystemTime::now() + Duration::from_secs(100_000),
            SystemTime::UNIX_EPOCH + Duration::from_secs(DATE_MAX + 10),
        ] {
            let metadata = file(modified).metadata().unwrap();
            let at = Metadata::new(&metadata, SystemTime::now()).modified;
            let at = at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
            assert!(at == 0 || (before..=before + 100).contains(&at), "{at}");
        }
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(DATE_MAX + 1000);
        let metadata = file(far).metadata().unwrap();
        httpdate::fmt_http_date(Metadata::new(&metadata, far).modified);
    }

    #[test]
    fn a_file_just_written_is_not_settled() {
        let metadata = file(SystemTime::UNIX_EPOCH).metadata().unwrap();
        let at = |now| {
            let content = Content::Bytes(Bytes::new());
            Representation::new(content, &metadata, "x/y", now).describes(&metadata)
        };
        assert!(!at(SystemTime::now()));
        assert!(at(SystemTime::now() + SETTLED_AFTER + Duration::from_secs(1)));
    }
}
