//! Which fields end at this hop and which a Connection field may not take away (RFC 9110 section 7.6.1).

use hyper::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    VIA,
};

/// Field names that a Connection field lists. Most list none, and then nothing is allocated.
#[derive(Debug, Default)]
pub(super) struct Named<'a>(Vec<&'a [u8]>);

impl<'a> Named<'a> {
    pub(super) fn by(options: impl Iterator<Item = &'a [u8]>) -> Self {
        let names = |option: &&[u8]| {
            !option.is_empty()
                && !option.eq_ignore_ascii_case(b"close")
                && !option.eq_ignore_ascii_case(b"keep-alive")
        };
        Self(options.filter(names).collect())
    }

    fn holds(&self, name: &str) -> bool {
        self.0.iter().any(|option| option.eq_ignore_ascii_case(name.as_bytes()))
    }
}

/// Whether a field is meant for us alone. `name` is in lower case, as HeaderName has it.
pub(super) fn ends_here(name: &HeaderName, named: &Named<'_>) -> bool {
    match *name {
        // No trailers are passed on, so we may not say that they are welcome (section 6.5.1).
        CONNECTION | TE | TRAILER | TRANSFER_ENCODING | UPGRADE | EXPECT => true,
        HOST | CONTENT_LENGTH | VIA => false,
        _ => {
            let name = name.as_str();
            matches!(name, "keep-alive" | "proxy-connection" | "http2-settings")
                || (named.holds(name) && !is_kept(name))
        }
    }
}

/// What a back end decides by, and what hops add, is not the client's to take away
/// (CVE-2026-105299).
fn is_kept(name: &str) -> bool {
    name == "forwarded" || name.starts_with("x-forwarded-") || name == "x-real-ip"
}

/// The elements of a comma-separated list, trimmed.
pub(super) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_ends_here_by_its_name_or_because_connection_names_it() {
        let options = "close, X-Own, Keep-Alive, host, Content-Length, X-Forwarded-For, via, , Te";
        let named = Named::by(list(options.as_bytes()));
        for (name, ends) in [
            ("Connection", true),
            ("Keep-Alive", true),
            ("Proxy-Connection", true),
            ("TE", true),
            ("Trailer", true),
            ("Transfer-Encoding", true),
            ("Upgrade", true),
            ("Expect", true),
            ("HTTP2-Settings", true),
            ("x-own", true),
            ("X-Owned", false),
            ("Close", false),
            ("Host", false),
            ("Content-Length", false),
            ("X-Forwarded-For", false),
            ("X-Forwarded-Proto", false),
            ("Forwarded", false),
            ("Via", false),
            ("Cookie", false),
            ("Authorization", false),
        ] {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            assert_eq!(ends_here(&name, &named), ends, "{name}");
        }
        let cookie = HeaderName::from_static("cookie");
        assert!(ends_here(&cookie, &Named::by(list(b"cookie"))));
    }
}
