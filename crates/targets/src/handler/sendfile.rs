//! The filter `sendfile`: a handler names a file, and the client gets it.
//!
//! `[sendfile, {path, head, offset, length}]`; all but `path` may be left out.

use crate::dir::open::{Unopened, beneath};
use bytes::Bytes;
use edge::{Fault, FaultKind, FileReply, FileSlice};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wire::tnetstring::Value;

/// Why a `sendfile` message is not obeyed; it is logged and closes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SendfileFault {
    #[error("sendfile is off, the setting sendfile.base names no directory")]
    Off,
    #[error("arguments of sendfile are not a dictionary with a path")]
    Arguments,
    #[error("head of sendfile is not a string")]
    Head,
    #[error("{0} of sendfile is not a whole number")]
    Number(&'static str),
}

/// What a handler asks for.
#[derive(Clone, Debug)]
struct Asked {
    base: Arc<str>,
    path: PathBuf,
    offset: u64,
    length: Option<u64>,
}

pub(super) fn file_reply(
    base: Option<&Arc<str>>,
    args: &Value<'_>,
) -> Result<FileReply, SendfileFault> {
    let base = Arc::clone(base.ok_or(SendfileFault::Off)?);
    let path = args.get(b"path").and_then(Value::as_bytes).ok_or(SendfileFault::Arguments)?;
    let head = match args.get(b"head") {
        Some(head) => head.as_bytes().ok_or(SendfileFault::Head)?,
        None => &[],
    };
    let number = |name: &'static str| match args.get(name.as_bytes()) {
        Some(number) => number
            .as_integer()
            .and_then(|number| u64::try_from(number).ok())
            .map(Some)
            .ok_or(SendfileFault::Number(name)),
        None => Ok(None),
    };
    let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
    let path = Path::new(OsStr::from_bytes(path)).to_owned();
    let asked = Asked { base, path, offset, length };
    Ok(FileReply::new(Bytes::copy_from_slice(head), move || asked.open()))
}

impl Asked {
    fn open(&self) -> Result<FileSlice, Fault> {
        self.slice().map_err(|error| {
            let path = self.path.display();
            tracing::warn!(%path, base = %self.base, %error, "sendfile can't send a file");
            FaultKind::NotFound.into()
        })
    }

    fn slice(&self) -> io::Result<FileSlice> {
        let file = beneath(&self.base, &self.path).map_err(|unopened| match unopened {
            Unopened::Base(errno) | Unopened::Name(errno) => io::Error::from(errno),
        })?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let left = metadata.len().checked_sub(self.offset);
        let left = left.ok_or_else(|| io::Error::other("the offset lies behind its end"))?;
        let length = self.length.unwrap_or(left);
        if length > left {
            return Err(io::Error::other("it is shorter than offset and length say"));
        }
        Ok(FileSlice { file: Arc::new(file), offset: self.offset, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(base: &Path, path: &str, offset: u64, length: Option<u64>) -> Asked {
        let base = format!("{}/", base.display()).into();
        Asked { base, path: path.into(), offset, length }
    }

    #[test]
    fn only_files_below_the_base_are_sent() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("base");
        std::fs::create_dir(&base).unwrap();
        std::fs::write(base.join("a"), "0123456789").unwrap();
        std::fs::write(folder.path().join("secret"), "SECRET").unwrap();
        std::os::unix::fs::symlink("../secret", base.join("out")).unwrap();
        for (path, offset, length, want) in [
            ("a", 0, None, Some((0, 10))),
            ("a", 4, None, Some((4, 6))),
            ("a", 4, Some(3), Some((4, 3))),
            ("a", 10, None, Some((10, 0))),
            ("a", 11, None, None),
            ("a", 4, Some(7), None),
            (".", 0, None, None),
            ("../secret", 0, None, None),
            ("out", 0, None, None),
            ("/etc/passwd", 0, None, None),
            ("nothing", 0, None, None),
        ] {
            let opened = asked(&base, path, offset, length).open().ok();
            assert_eq!(opened.map(|slice| (slice.offset, slice.length)), want, "{path} {offset}");
        }
    }

    #[test]
    fn arguments_are_read_strictly() {
        let base = Arc::from("base/");
        let path = (&b"path"[..], Value::Bytes(b"ab"));
        for (args, want) in [
            (vec![path.clone()], None),
            (
                vec![path.clone(), (b"head", Value::Bytes(b"x")), (b"offset", Value::Integer(3))],
                None,
            ),
            (vec![], Some(SendfileFault::Arguments)),
            (vec![(b"path", Value::Null)], Some(SendfileFault::Arguments)),
            (vec![path.clone(), (b"head", Value::Integer(1))], Some(SendfileFault::Head)),
            (
                vec![path.clone(), (b"offset", Value::Integer(-1))],
                Some(SendfileFault::Number("offset")),
            ),
            (
                vec![path.clone(), (b"length", Value::Bytes(b"1"))],
                Some(SendfileFault::Number("length")),
            ),
        ] {
            let args = Value::Dict(args);
            assert_eq!(file_reply(Some(&base), &args).err(), want, "{args:?}");
        }
        let list = Value::List(vec![Value::Bytes(b"path")]);
        assert_eq!(file_reply(Some(&base), &list).err(), Some(SendfileFault::Arguments));
        assert_eq!(file_reply(None, &Value::Null).err(), Some(SendfileFault::Off));
    }
}
