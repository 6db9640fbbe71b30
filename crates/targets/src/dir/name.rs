//! From the undecoded rest of a path to a file name below the base: decoded once, then checked.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

/// A name that can only mean something below the base, symbolic links aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// Relative, without `.`, `..`, empty segments or NUL; `.` for the base itself.
    pub(super) path: PathBuf,
    /// The last segment, for its extension.
    pub(super) last: String,
    /// The path ended in a slash, so that this is the index file of a directory.
    pub(super) is_index: bool,
}

impl Name {
    /// The base itself.
    pub(super) fn base() -> Self {
        Self { path: PathBuf::from("."), last: String::new(), is_index: false }
    }

    /// `None` for a rest that could be read two ways: a segment that decodes to `.` or `..`, or
    /// one that holds a slash or NUL when decoded.
    pub(super) fn parse(rest: &str, index_file: &str) -> Option<Self> {
        let mut path = Vec::with_capacity(rest.len() + index_file.len() + 1);
        let mut last_start = 0;
        for segment in rest.split('/').filter(|segment| !segment.is_empty()) {
            if !path.is_empty() {
                path.push(b'/');
            }
            last_start = path.len();
            path.extend(percent_decode_str(segment));
            let decoded = path.get(last_start..).unwrap_or_default();
            if matches!(decoded, b"." | b"..") || decoded.iter().any(|b| matches!(b, b'/' | 0)) {
                return None;
            }
        }
        let is_index = rest.is_empty() || rest.ends_with('/');
        if is_index {
            if !path.is_empty() {
                path.push(b'/');
            }
            last_start = path.len();
            path.extend_from_slice(index_file.as_bytes());
        }
        if path.is_empty() {
            path.push(b'.');
        }
        let last = String::from_utf8_lossy(path.get(last_start..).unwrap_or_default()).into_owned();
        Some(Self { path: PathBuf::from(OsString::from_vec(path)), last, is_index })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn names_are_decoded_once_and_stay_below() {
        for (rest, expected) in [
            ("a.txt", Some("a.txt")),
            ("/a.txt", Some("a.txt")),
            ("//sub//b.txt", Some("sub/b.txt")),
            ("", Some("index.html")),
            ("/", Some("index.html")),
            ("//", Some("index.html")),
            ("sub/", Some("sub/index.html")),
            ("sub//", Some("sub/index.html")),
            ("sub", Some("sub")),
            (".hidden", Some(".hidden")),
            ("...", Some("...")),
            ("..;a=b", Some("..;a=b")),
            ("..a/b..", Some("..a/b..")),
            ("sp%20ace.txt", Some("sp ace.txt")),
            ("plus+x.txt", Some("plus+x.txt")),
            ("per%2541.txt", Some("per%41.txt")),
            ("%252e%252e/x", Some("%2e%2e/x")),
            ("%61.txt", Some("a.txt")),
            ("100%", Some("100%")),
            ("a%5cb", Some("a\\b")),
            ("..%5cb", Some("..\\b")),
            ("%0d%0aSet-Cookie: x", Some("\r\nSet-Cookie: x")),
            (".", None),
            ("..", None),
            ("./a.txt", None),
            ("../a.txt", None),
            ("sub/..", None),
            ("sub/../", None),
            ("%2e%2e/a.txt", None),
            (".%2E/a.txt", None),
            ("sub/%2e", None),
            ("..%2fa.txt", None),
            ("sub%2fb.txt", None),
            ("sub%2Fb.txt", None),
            ("%2fetc/passwd", None),
            ("sub%2f", None),
            ("a.txt%00.html", None),
            ("%00", None),
        ] {
            let name = Name::parse(rest, "index.html");
            let path = name.as_ref().map(|name| name.path.as_os_str().as_bytes());
            assert_eq!(path, expected.map(str::as_bytes), "{rest}");
            let is_index = name.is_some_and(|name| name.is_index);
            assert_eq!(
                is_index,
                expected.is_some_and(|path| path.ends_with("index.html")),
                "{rest}"
            );
        }
    }

    #[test]
    fn a_name_that_is_not_text_is_still_a_name() {
        let name = Name::parse("%ff.html", "").unwrap();
        assert_eq!(name.path.as_os_str().as_bytes(), b"\xff.html");
        assert!(name.last.ends_with(".html"));
    }

    #[test]
    fn without_an_index_file_a_slash_names_a_directory() {
        let name = Name::parse("/", "").unwrap();
        assert_eq!((name.path, name.is_index), (PathBuf::from("."), true));
    }
}
