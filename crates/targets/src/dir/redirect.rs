//! The answer to a directory asked for without its slash: the same path with one.

use std::fmt::Write as _;

use edge::Response;
use http1::RequestHead;

/// 301 to the path with a slash at its end; the query stays.
pub(super) fn to_slash(head: &RequestHead) -> Response<'static> {
    let mut response = Response::new(301);
    response.fields.add("Location", location(head.path(), head.query()));
    response
}

/// A reference that stays on the host it was asked of: a path only, and never one that begins
/// with two slashes, which would name another host. A browser takes `\` for `/`, so that it is
/// escaped, as is what has no place in a URI.
fn location(path: &str, query: Option<&str>) -> String {
    let mut location = String::with_capacity(path.len() + query.map_or(0, str::len) + 3);
    location.push('/');
    let segments = path.trim_start_matches('/');
    if !segments.is_empty() {
        escape(segments, &mut location);
        location.push('/');
    }
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
            assert_eq!(location(path, query), expected, "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_names_another_host(path in "[/\\\\a.%:@ \t]{0,12}") {
            let location = location(&path, None);
            prop_assert!(location.starts_with('/') && location.ends_with('/'));
            prop_assert!(!location.starts_with("//"), "{location}");
            prop_assert!(!location.contains(['\\', '\t', ' ']));
        }
    }
}
