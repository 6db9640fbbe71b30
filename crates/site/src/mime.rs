//! File extensions to content types: the longest extension that ends the name wins.

use std::borrow::Cow;
use std::collections::HashMap;

/// Content types by extension.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MimeTypes {
    by_extension: HashMap<Box<str>, Box<str>>,
    extension_bytes_max: usize,
}

impl MimeTypes {
    /// Takes `(extension, type)` pairs; an extension begins with `.` and is compared without regard
    /// to case. Of two that are equal, the one written in lower case wins, else the first.
    pub fn new<'a>(types: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut mime = Self::default();
        let mut folded = Vec::new();
        for (extension, ctype) in types {
            if extension.bytes().any(|b| b.is_ascii_uppercase()) {
                folded.push((extension.to_ascii_lowercase(), ctype));
            } else {
                mime.insert(extension, ctype);
            }
        }
        for (extension, ctype) in folded {
            mime.insert(&extension, ctype);
        }
        mime
    }

    fn insert(&mut self, extension: &str, ctype: &str) {
        self.extension_bytes_max = self.extension_bytes_max.max(extension.len());
        self.by_extension.entry(extension.into()).or_insert_with(|| ctype.into());
    }

    /// The type of a file by its name or path; none when no extension ends it.
    pub fn of(&self, name: &str) -> Option<&str> {
        let tail = self.tail(name);
        let lower: Cow<'_, [u8]> = if tail.iter().any(u8::is_ascii_uppercase) {
            Cow::Owned(tail.to_ascii_lowercase())
        } else {
            Cow::Borrowed(tail)
        };
        memchr::memchr_iter(b'.', &lower).find_map(|dot| {
            let extension = std::str::from_utf8(lower.get(dot..)?).ok()?;
            self.by_extension.get(extension).map(AsRef::as_ref)
        })
    }

    /// How many extensions are known.
    pub fn len(&self) -> usize {
        self.by_extension.len()
    }

    /// Whether no extension is known.
    pub fn is_empty(&self) -> bool {
        self.by_extension.is_empty()
    }

    /// The end of the name that an extension could cover, which bounds the work on a long path.
    fn tail<'n>(&self, name: &'n str) -> &'n [u8] {
        let bytes = name.as_bytes();
        bytes.get(bytes.len().saturating_sub(self.extension_bytes_max)..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_extension_that_ends_the_name_wins() {
        let mime = MimeTypes::new([
            (".html", "text/html"),
            (".gz", "application/gzip"),
            (".tar.gz", "application/x-gtar"),
            (".C", "text/x-c++src"),
            (".c", "text/x-csrc"),
            (".ZZ", "x/zz"),
            (".c++", "text/x-c++"),
        ]);
        let check =
            |name: &str, expected: Option<&str>| assert_eq!(mime.of(name), expected, "{name}");
        check("/srv/index.html", Some("text/html"));
        check("INDEX.HTML", Some("text/html"));
        check("x.tar.gz", Some("application/x-gtar"));
        check("x.tar.gz.gz", Some("application/gzip"));
        check("xtar.gz", Some("application/gzip"));
        check("html", None);
        check(".html", Some("text/html"));
        check("x.htm", None);
        check("x.html/", None);
        check("a.c", Some("text/x-csrc"));
        check("a.zz", Some("x/zz"));
        check("a.c++", Some("text/x-c++"));
        check("é.html", Some("text/html"));
        check("ééééééé", None);
        check("", None);
        assert_eq!(MimeTypes::default().of("x.html"), None);
        assert_eq!(mime.len(), 6);
    }
}
