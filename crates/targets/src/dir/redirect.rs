//! Redirects to the one path of a file or directory: its slash, its plain spelling.

use std::fmt::Write as _;

use edge::Response;
use http1::RequestHead;

/// 301 to the path with a slash at its end; the query stays.
pub(super) fn to_slash(head: &RequestHead) -> Response<'static> {
    moved_to(&format!("{}/", head.path()), head.query())
}

/// 301 to the plain spelling of `path`, if it is spelt otherwise.
///
/// Routes match undecoded: without this, `/%61dmin` or `//admin` would reach the files of a
/// directory at `/` past a route `/admin`.
pub(super) fn to_plain(head: &RequestHead) -> Option<Response<'static>> {
    let plain = plain_spelling(head.path())?;
    Some(moved_to(&plain, head.query()))
}

fn moved_to(path: &str, query: Option<&str>) -> Response<'static> {
    let mut response = Response::new(301);
    response.fields.add("Location", location(path, query));
    response
}

/// Without empty segments and without escapes of characters that need none (RFC 3986 section
/// 6.2.2.2); `None` if `path` is spelt so already.
fn plain_spelling(path: &str) -> Option<String> {
    if !path.contains("//") && !path.contains('%') {
        return None;
    }
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(ch) = rest.chars().next() {
        let escaped = rest.get(1..3).filter(|_| ch == '%');
        let byte = escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                plain.push(char::from(byte));
                rest = rest.get(3..).unwrap_or_default();
            }
            _ => {
                if ch != '/' || !plain.ends_with('/') {
                    plain.push(ch);
                }
                rest = rest.get(ch.len_utf8()..).unwrap_or_default();
            }
        }
    }
    (plain != path).then_some(plain)
}

/// A reference that stays on the host it was asked of: a path only, and never one that begins
/// with two slashes, which would name another host. A browser takes `\` for `/`, so that it is
/// escaped, as is what has no place in a URI.
fn location(path: &str, query: Option<&str>) -> String {
    let mut location = String::with_capacity(path.len() + query.map_or(0, str::len) + 3);
    location.push('/');
    escape(path.trim_start_matches('/'), &mut location);
    if let Some(query) = query {
        location.push('?');
        escape(query, &mut location);
    }
    location
}

fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'\\' | b'"' | b'<' | b'>' => write!(out, "%{byte:02X}"),
            b'!'..=b'~' => {
                out.push(char::from(byte));
                Ok(())
            }
            _ => write!(out, "%{byte:02X}"),
        }
        .expect("a String takes all");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_file_has_one_path() {
        for (path, expected) in [
            ("/a.txt", None),
            ("/", None),
            ("/a%20b", None),
            ("/a%2Fb", None),
            ("/%25", None),
            ("/100%", None),
            ("//", Some("/")),
            ("//admin", Some("/admin")),
            ("/a//b/", Some("/a/b/")),
            ("/%61dmin", Some("/admin")),
            ("/%41%2D%5f%7e", Some("/A-_~")),
            ("/a%2etxt", Some("/a.txt")),
            ("/%2561", None),
        ] {
            let plain = plain_spelling(path);
            assert_eq!(plain.as_deref(), expected, "{path}");
            assert_eq!(plain.as_deref().and_then(plain_spelling), None, "{path}");
        }
    }

    #[test]
    fn a_redirect_stays_on_its_host() {
        for (path, query, expected) in [
            ("/d/sub", None, "/d/sub/"),
            ("/d/sub", Some("a=1&b=/"), "/d/sub/?a=1&b=/"),
            ("/d/sub", Some(""), "/d/sub/?"),
            ("/nd", None, "/nd/"),
            ("/", None, "/"),
            ("//", None, "/"),
            ("/d/s%75b", None, "/d/s%75b/"),
            ("//evil.com/sub", None, "/evil.com/sub/"),
            ("///evil.com/sub", None, "/evil.com/sub/"),
            ("/\\evil.com/sub", None, "/%5Cevil.com/sub/"),
            ("/\t/evil.com", None, "/%09/evil.com/"),
            ("/d/a b\r\nX: y", None, "/d/a%20b%0D%0AX:%20y/"),
            ("/d/\u{e9}", None, "/d/%C3%A9/"),
            ("/d/http://evil.com", None, "/d/http://evil.com/"),
        ] {
            assert_eq!(location(&format!("{path}/"), query), expected, "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_names_another_host(path in "[/\\\\a.%:@ \t]{0,12}") {
            let location = location(&format!("{path}/"), None);
            prop_assert!(location.starts_with('/') && location.ends_with('/'));
            prop_assert!(!location.starts_with("//"), "{location}");
            prop_assert!(!location.contains(['\\', '\t', ' ']));
        }
    }
}
