//! The rules of RFC 9110, 9112 and 3986 for request heads, one case each.

use super::{read_every_way, shown};
use crate::limits::Limits;
use crate::refusal::Refusal as R;

/// How a case's input is made.
enum Input {
    /// These bytes.
    Raw(&'static [u8]),
    /// GET of this target, HTTP/1.1, `Host: h`.
    Target(&'static str),
    /// The same with `request.relaxed`.
    Relaxed(&'static str),
    /// `POST / HTTP/1.1`, `Host: h`, and these lines.
    Fields(&'static [u8]),
    /// `POST / HTTP/1.0` and these lines.
    Fields10(&'static [u8]),
    /// `GET / HTTP/1.1` with this value of Host.
    Host(&'static str),
    /// This request line, and `Host: h`.
    Line(&'static str),
}

use Input::{Fields, Fields10, Host, Line, Raw, Relaxed, Target};

type Case = (&'static str, &'static str, Input, Result<&'static str, R>);

impl Input {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Raw(bytes) => bytes.to_vec(),
            Target(target) | Relaxed(target) => {
                format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes()
            }
            Fields(lines) => [b"POST / HTTP/1.1\r\nHost: h\r\n", *lines, b"\r\n"].concat(),
            Fields10(lines) => [b"POST / HTTP/1.0\r\n", *lines, b"\r\n"].concat(),
            Host(host) => format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes(),
            Line(line) => format!("{line}\r\nHost: h\r\n\r\n").into_bytes(),
        }
    }
}

/// One case a line: section, what it shows, input, verdict.
fn check(cases: &[Case]) {
    for (section, what, input, expected) in cases {
        assert!(section.starts_with("RFC ") || section.starts_with("peers.md "), "{section}");
        let limits = Limits { relaxed_uri: matches!(input, Relaxed(_)), ..Limits::default() };
        let bytes = input.bytes();
        let verdict = read_every_way(&bytes, &limits);
        let expected = expected.map(str::to_owned);
        assert_eq!(verdict, Some(expected), "{section}, {what}: {}", shown(&bytes));
    }
}

#[rustfmt::skip]
const LINES: &[Case] = &[
    ("RFC 9112 2.1", "a plain request", Target("/"), Ok("GET / HTTP/1.1 host=h")),
    ("RFC 9112 2.2", "one empty line before it is ignored", Raw(b"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"), Ok("GET / HTTP/1.1 host=h")),
    ("RFC 9112 2.2", "two are not", Raw(b"\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"), Err(R::EmptyLines)),
    ("RFC 9112 2.2", "an empty line of LF alone", Raw(b"\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"), Err(R::BareLf)),
    ("RFC 9112 2.2", "CR alone before it", Raw(b"\rGET / HTTP/1.1\r\nHost: h\r\n\r\n"), Err(R::BareCr)),
    ("RFC 9112 2.2", "bare LF after the request line", Raw(b"GET / HTTP/1.1\nHost: h\r\n\r\n"), Err(R::BareLf)),
    ("RFC 9112 2.2", "bare LF after a field", Fields(b"X: a\nY: b\r\n"), Err(R::BareLf)),
    ("RFC 9112 2.2", "bare LF as the empty line", Raw(b"GET / HTTP/1.1\r\nHost: h\r\n\n"), Err(R::BareLf)),
    ("RFC 9112 2.2", "only bare LF", Raw(b"GET / HTTP/1.1\nHost: h\n\n"), Err(R::BareLf)),
    ("RFC 9112 2.2", "bare LF is seen before the head is whole", Raw(b"GET / HTTP/1.1\n"), Err(R::BareLf)),
    ("RFC 9112 2.2", "CR CR LF", Fields(b"X: a\r\r\n"), Err(R::BareCr)),
    ("RFC 9112 2.2", "bare CR in the request line", Raw(b"GET /\r HTTP/1.1\r\nHost: h\r\n\r\n"), Err(R::BareCr)),
    ("RFC 9112 2.2", "bare CR in a field name", Fields(b"X\rY: a\r\n"), Err(R::BareCr)),
    ("RFC 9112 2.2", "bare CR in a value", Fields(b"X: a\rb\r\n"), Err(R::BareCr)),
    ("RFC 9112 2.2", "bare CR as the line end", Raw(b"GET / HTTP/1.1\rHost: h\r\r"), Err(R::BareCr)),
    ("RFC 9112 2.2", "whitespace before the first field", Raw(b"GET / HTTP/1.1\r\n X: a\r\nHost: h\r\n\r\n"), Err(R::LeadingWhitespace)),
    ("RFC 9112 2.2", "tab before the first field", Raw(b"GET / HTTP/1.1\r\n\tX: a\r\nHost: h\r\n\r\n"), Err(R::LeadingWhitespace)),
    ("RFC 9112 2.2", "a line of spaces before the first field", Raw(b"GET / HTTP/1.1\r\n \r\nHost: h\r\n\r\n"), Err(R::LeadingWhitespace)),
    ("RFC 9112 3", "space before the method", Raw(b" GET / HTTP/1.1\r\nHost: h\r\n\r\n"), Err(R::LeadingWhitespace)),
    ("RFC 9112 3", "tab before the method", Raw(b"\tGET / HTTP/1.1\r\nHost: h\r\n\r\n"), Err(R::LeadingWhitespace)),
    ("RFC 9112 5.2", "obs-fold with a space", Fields(b"X: a\r\n b\r\n"), Err(R::ObsFold)),
    ("RFC 9112 5.2", "obs-fold with a tab", Fields(b"X: a\r\n\tb\r\n"), Err(R::ObsFold)),
    ("RFC 9112 5.2", "obs-fold of an empty value", Fields(b"X:\r\n v\r\n"), Err(R::ObsFold)),
    ("RFC 9112 5.2", "a folded Transfer-Encoding", Fields(b"Transfer-Encoding:\r\n chunked\r\n"), Err(R::ObsFold)),
    ("RFC 9112 5.2", "a line of one space", Fields(b"X: a\r\n \r\n"), Err(R::ObsFold)),
    ("RFC 9110 5.5", "NUL in a value", Fields(b"X: a\0b\r\n"), Err(R::Nul)),
    ("RFC 9110 5.5", "NUL in a name", Fields(b"X\0: a\r\n"), Err(R::Nul)),
    ("RFC 9110 5.5", "NUL in the request line", Raw(b"GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n"), Err(R::Nul)),
    ("RFC 9110 5.5", "NUL first of all", Raw(b"\0"), Err(R::Nul)),
    ("RFC 9110 5.5", "a control byte in a value", Fields(b"X: a\x01b\r\n"), Err(R::ControlByte)),
    ("RFC 9110 5.5", "vertical tab in a value", Fields(b"X: a\x0bb\r\n"), Err(R::ControlByte)),
    ("RFC 9110 5.5", "form feed after a value", Fields(b"Content-Length: 3\x0c\r\n"), Err(R::ControlByte)),
    ("RFC 9110 5.5", "escape in a value", Fields(b"X: \x1b[2J\r\n"), Err(R::ControlByte)),
    ("RFC 9110 5.5", "DEL in a value", Fields(b"X: a\x7fb\r\n"), Err(R::ControlByte)),
    ("RFC 9110 5.5", "a TLS hello on a plain port", Raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), Err(R::ControlByte)),
    ("RFC 9110 5.5", "tab in a value", Fields(b"X: a\tb\r\n"), Ok("POST / HTTP/1.1 host=h")),
    ("RFC 9110 5.5", "obs-text in a value", Fields(b"X: caf\xc3\xa9 \xff\r\n"), Ok("POST / HTTP/1.1 host=h")),
];

#[test]
fn lines() {
    check(LINES);
}

#[rustfmt::skip]
const REQUEST_LINES: &[Case] = &[
    ("RFC 9112 3", "two spaces after the method", Line("GET  / HTTP/1.1"), Err(R::RequestLine)),
    ("RFC 9112 3", "two spaces after the target", Line("GET /  HTTP/1.1"), Err(R::RequestLine)),
    ("RFC 9112 3", "space after the version", Line("GET / HTTP/1.1 "), Err(R::RequestLine)),
    ("RFC 9112 3", "tab for a space after the method", Line("GET\t/ HTTP/1.1"), Err(R::Method)),
    ("RFC 9112 3", "tab for a space after the target", Line("GET /\tHTTP/1.1"), Err(R::Http09)),
    ("RFC 9112 3", "tab in the target", Line("GET /\ta HTTP/1.1"), Err(R::TargetByte)),
    ("RFC 9112 3", "tab after the version", Line("GET / HTTP/1.1\t"), Err(R::VersionSyntax)),
    ("RFC 9112 3.2", "space in the target", Line("GET /a b HTTP/1.1"), Err(R::RequestLine)),
    ("RFC 9112 3.2", "an empty target", Line("GET  HTTP/1.1"), Err(R::RequestLine)),
    ("RFC 9112 3", "one word", Raw(b"GET\r\n"), Err(R::RequestLine)),
    ("RFC 9112 3", "a word and a space", Raw(b"GET \r\n"), Err(R::Http09)),
    ("RFC 9112 2.3", "no version", Raw(b"GET /\r\n"), Err(R::Http09)),
    ("RFC 9112 2.3", "no version, then fields", Line("GET /"), Err(R::Http09)),
    ("RFC 9112 2.3", "version 0.9", Line("GET / HTTP/0.9"), Err(R::Http09)),
    ("RFC 9112 2.3", "version 1.0", Line("GET / HTTP/1.0"), Ok("GET / HTTP/1.0 host=h close")),
    ("RFC 9110 6.2", "version 1.2 counts as 1.1", Line("GET / HTTP/1.2"), Ok("GET / HTTP/1.1 host=h")),
    ("RFC 9110 15.6.6", "version 2.0", Line("GET / HTTP/2.0"), Err(R::VersionUnsupported)),
    ("RFC 9110 15.6.6", "version 3.0", Line("GET / HTTP/3.0"), Err(R::VersionUnsupported)),
    ("RFC 9110 15.6.6", "version 9.9", Line("GET / HTTP/9.9"), Err(R::VersionUnsupported)),
    ("RFC 9113 3.4", "the preface of HTTP/2 where HTTP/1 is read", Raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Err(R::VersionUnsupported)),
    ("RFC 9112 2.3", "the name is case-sensitive", Line("GET / http/1.1"), Err(R::VersionSyntax)),
    ("RFC 9112 2.3", "mixed case", Line("GET / Http/1.1"), Err(R::VersionSyntax)),
    ("RFC 9112 2.3", "two digits after the dot", Line("GET / HTTP/1.10"), Err(R::VersionSyntax)),
    ("RFC 9112 2.3", "two digits before the dot", Line("GET / HTTP/11.1"), Err(R::VersionSyntax)),
    ("RFC 9112 2.3", "no minor version", Line("GET / HTTP/1"), Err(R::VersionSyntax)),
    ("RFC 9112 2.3", "a dot and nothing", Line("GET / HTTP/1."), Err(R::VersionSyntax)),
    ("RFC 9112 2.3", "another protocol", Line("GET / ICAP/1.0"), Err(R::VersionSyntax)),
    ("RFC 9112 2.3", "a sign in the version", Line("GET / HTTP/+1.1"), Err(R::VersionSyntax)),
    ("RFC 9110 9.1", "any token is a method", Line("M-SEARCH / HTTP/1.1"), Ok("M-SEARCH / HTTP/1.1 host=h")),
    ("RFC 9110 9.1", "methods are case-sensitive", Line("get / HTTP/1.1"), Ok("get / HTTP/1.1 host=h")),
    ("RFC 9110 9.1", "a method of odd token characters", Line("!#$%&'*+-.^_`|~0 / HTTP/1.1"), Ok("!#$%&'*+-.^_`|~0 / HTTP/1.1 host=h")),
    ("RFC 9110 9.1", "a colon in the method", Line("GE:T / HTTP/1.1"), Err(R::Method)),
    ("RFC 9110 9.1", "a parenthesis in the method", Line("GE(T / HTTP/1.1"), Err(R::Method)),
    ("RFC 9110 9.1", "a quote in the method", Line("\"GET\" / HTTP/1.1"), Err(R::Method)),
    ("RFC 9110 9.1", "a field line where the method belongs", Raw(b"Host: h\r\n\r\n"), Err(R::Method)),
    ("RFC 9110 9.1", "bytes beyond ASCII in the method", Raw(b"G\xc3\x89T / HTTP/1.1\r\nHost: h\r\n\r\n"), Err(R::Method)),
    ("RFC 9110 9.1", "a JSON message where HTTP is read", Raw(b"@chat {}\0"), Err(R::Method)),
    ("RFC 9112 3", "a method of 32 bytes", Line("AAAAAAAABBBBBBBBCCCCCCCCDDDDDDDD / HTTP/1.1"), Ok("AAAAAAAABBBBBBBBCCCCCCCCDDDDDDDD / HTTP/1.1 host=h")),
    ("RFC 9112 3", "a method of 33 bytes", Line("AAAAAAAABBBBBBBBCCCCCCCCDDDDDDDDE / HTTP/1.1"), Err(R::MethodTooLong)),
    ("RFC 9110 9.3.6", "CONNECT", Line("CONNECT h:443 HTTP/1.1"), Err(R::Connect)),
    ("RFC 9112 3.2.3", "CONNECT to an address", Line("CONNECT [::1]:443 HTTP/1.1"), Err(R::Connect)),
    ("RFC 9112 3.2.3", "CONNECT without a port", Line("CONNECT h HTTP/1.1"), Err(R::TargetForm)),
    ("RFC 9112 3.2.3", "CONNECT with an empty port", Line("CONNECT h: HTTP/1.1"), Err(R::TargetForm)),
    ("RFC 9112 3.2.3", "CONNECT with a path", Line("CONNECT /h:443 HTTP/1.1"), Err(R::TargetForm)),
    ("RFC 9112 3.2.3", "CONNECT with a URI", Line("CONNECT http://h:443 HTTP/1.1"), Err(R::TargetForm)),
];

#[test]
fn request_lines() {
    check(REQUEST_LINES);
}

#[rustfmt::skip]
const TARGETS: &[Case] = &[
    ("RFC 9112 3.2.1", "path and query", Target("/a/b?c=d&e"), Ok("GET /a/b?c=d&e HTTP/1.1 host=h")),
    ("RFC 9112 3.2.1", "an empty query", Target("/a?"), Ok("GET /a? HTTP/1.1 host=h")),
    ("RFC 3986 3.4", "? and / in a query", Target("/a?b?/c/../d"), Ok("GET /a?b?/c/../d HTTP/1.1 host=h")),
    ("RFC 3986 3.3", "two slashes first", Target("//evil.example/x"), Ok("GET //evil.example/x HTTP/1.1 host=h")),
    ("RFC 3986 3.3", "slashes in a row", Target("/h//x///y"), Ok("GET /h//x///y HTTP/1.1 host=h")),
    ("RFC 3986 3.3", "every byte a path may hold", Target("/!$&'()*+,-./:;=@_~09AZaz"), Ok("GET /!$&'()*+,-./:;=@_~09AZaz HTTP/1.1 host=h")),
    ("RFC 3986 2.1", "escapes stay as they are", Target("/a%2Fb%20%C3%a9?%3D"), Ok("GET /a%2Fb%20%C3%a9?%3D HTTP/1.1 host=h")),
    ("RFC 3986 2.1", "no hexadecimal digits", Target("/%zz"), Err(R::PercentEscape)),
    ("RFC 3986 2.1", "one digit and another letter", Target("/%1g"), Err(R::PercentEscape)),
    ("RFC 3986 2.1", "one digit at the end", Target("/%1"), Err(R::PercentEscape)),
    ("RFC 3986 2.1", "% at the end", Target("/%"), Err(R::PercentEscape)),
    ("RFC 3986 2.1", "a bad escape in the query", Target("/?%"), Err(R::PercentEscape)),
    ("RFC 3986 2.1", "the escape of another server", Target("/%u0041"), Err(R::PercentEscape)),
    ("RFC 3986 7.3", "%00 in the path", Target("/a%00.html"), Err(R::PercentNul)),
    ("RFC 3986 7.3", "%00 in the query", Target("/a?b=%00"), Err(R::PercentNul)),
    ("RFC 3986 7.3", "%2500 is %00 escaped", Target("/%2500"), Ok("GET /%2500 HTTP/1.1 host=h")),
    ("RFC 9112 3.2", "a fragment", Target("/a#b"), Err(R::TargetFragment)),
    ("RFC 9112 3.2", "an empty fragment", Target("/a#"), Err(R::TargetFragment)),
    ("RFC 9112 3.2", "a fragment after a query", Target("/a?b#c"), Err(R::TargetFragment)),
    ("RFC 3986 2", "less-than", Target("/<"), Err(R::TargetByte)),
    ("RFC 3986 2", "a quote", Target("/\""), Err(R::TargetByte)),
    ("RFC 3986 2", "brackets", Target("/h/[x]"), Err(R::TargetByte)),
    ("RFC 3986 2", "a backslash", Target("/a\\b"), Err(R::TargetByte)),
    ("RFC 3986 2", "a backquote", Target("/`"), Err(R::TargetByte)),
    ("RFC 3986 2", "a bar in the query", Target("/?a|b"), Err(R::TargetByte)),
    ("RFC 3986 2", "braces", Target("/{x}"), Err(R::TargetByte)),
    ("RFC 3986 2", "a caret", Target("/^"), Err(R::TargetByte)),
    ("RFC 3986 2", "UTF-8 unescaped", Target("/é"), Err(R::TargetByte)),
    ("RFC 3986 2", "braces and caret under request.relaxed", Relaxed("/{x}^?{}"), Ok("GET /{x}^?{} HTTP/1.1 host=h")),
    ("RFC 3986 2", "relaxed allows no bar", Relaxed("/|"), Err(R::TargetByte)),
    ("RFC 3986 2", "relaxed allows no dot segment", Relaxed("/../x"), Err(R::DotSegment)),
    ("RFC 3986 5.2.4", "..", Target("/a/../b"), Err(R::DotSegment)),
    ("RFC 3986 5.2.4", ".. at the end", Target("/a/.."), Err(R::DotSegment)),
    ("RFC 3986 5.2.4", ".. first", Target("/../a"), Err(R::DotSegment)),
    ("RFC 3986 5.2.4", ".. before a query", Target("/a/..?b"), Err(R::DotSegment)),
    ("RFC 3986 5.2.4", ".", Target("/a/./b"), Err(R::DotSegment)),
    ("RFC 3986 5.2.4", ". at the end", Target("/a/."), Err(R::DotSegment)),
    ("RFC 3986 6.2.2", "%2e%2e", Target("/%2e%2e/b"), Err(R::DotSegment)),
    ("RFC 3986 6.2.2", "%2E.", Target("/a/%2E./b"), Err(R::DotSegment)),
    ("RFC 3986 6.2.2", ".%2e at the end", Target("/a/.%2e"), Err(R::DotSegment)),
    ("RFC 3986 6.2.2", "%2e", Target("/a/%2e/b"), Err(R::DotSegment)),
    ("RFC 3986 6.2.2", "..%2f, which a decoder splits", Target("/a/..%2fb"), Err(R::DotSegment)),
    ("RFC 3986 6.2.2", "%2F.. in a segment", Target("/a%2F../b"), Err(R::DotSegment)),
    ("RFC 3986 6.2.2", "%2f%2e%2e%2F", Target("/a%2f%2e%2e%2Fb"), Err(R::DotSegment)),
    ("RFC 3986 6.2.2", "%252e is %2e escaped, a name", Target("/%252e%252e/b"), Ok("GET /%252e%252e/b HTTP/1.1 host=h")),
    ("RFC 3986 3.3", "three dots are a name", Target("/.../a"), Ok("GET /.../a HTTP/1.1 host=h")),
    ("RFC 3986 3.3", "dots with a letter are a name", Target("/..a/.b/c./d.."), Ok("GET /..a/.b/c./d.. HTTP/1.1 host=h")),
    ("RFC 3986 3.3", "dots with parameters are a name", Target("/..;a=b/c"), Ok("GET /..;a=b/c HTTP/1.1 host=h")),
    ("RFC 3986 3.3", "dots with an escaped letter are a name", Target("/..%41/%2e%2e%2e"), Ok("GET /..%41/%2e%2e%2e HTTP/1.1 host=h")),
    ("RFC 9112 3.2.2", "absolute form", Target("http://h/a?b"), Ok("GET /a?b HTTP/1.1 target=http://h/a?b host=h")),
    ("RFC 9112 3.2.2", "https", Target("https://h/a"), Ok("GET /a HTTP/1.1 target=https://h/a host=h")),
    ("RFC 9110 4.2.3", "the scheme in upper case", Target("HTTP://h/a"), Ok("GET /a HTTP/1.1 target=HTTP://h/a host=h")),
    ("RFC 9110 4.2.3", "the authority in upper case", Target("http://H/a"), Ok("GET /a HTTP/1.1 target=http://H/a host=H")),
    ("RFC 9110 4.2.3", "no path is /", Target("http://h"), Ok("GET / HTTP/1.1 target=http://h host=h")),
    ("RFC 9110 4.2.3", "no path, but a query", Target("http://h?a/b"), Ok("GET /?a/b HTTP/1.1 target=http://h?a/b host=h")),
    ("RFC 9112 3.2.2", "the default port is no difference", Target("http://h:80/"), Ok("GET / HTTP/1.1 target=http://h:80/ host=h:80")),
    ("RFC 9112 3.2.2", "nor an empty one", Target("http://h:/"), Ok("GET / HTTP/1.1 target=http://h:/ host=h:")),
    ("RFC 9112 3.2.2", "another port is", Target("http://h:81/"), Err(R::AuthorityDiffers)),
    ("RFC 9112 3.2.2", "the default port of the other scheme is", Target("http://h:443/"), Err(R::AuthorityDiffers)),
    ("RFC 9112 3.2.2", "port 80 of https is", Target("https://h:80/"), Err(R::AuthorityDiffers)),
    ("RFC 9112 3.2.2", "another host", Target("http://other/"), Err(R::AuthorityDiffers)),
    ("RFC 9112 3.2.2", "a dot segment in absolute form", Target("http://h/../a"), Err(R::DotSegment)),
    ("RFC 9112 3.2.2", "1.0 without Host", Raw(b"GET http://h:81/a HTTP/1.0\r\n\r\n"), Ok("GET /a HTTP/1.0 target=http://h:81/a host=h:81 close")),
    ("RFC 9112 3.2", "1.1 without Host, although absolute", Raw(b"GET http://h/ HTTP/1.1\r\n\r\n"), Err(R::HostMissing)),
    ("RFC 9110 4.2.4", "user information", Target("http://u:p@h/"), Err(R::TargetForm)),
    ("RFC 9110 4.2.1", "an empty authority", Target("http:///a"), Err(R::TargetForm)),
    ("RFC 9110 4.2.1", "only a port", Target("http://:80/a"), Err(R::TargetForm)),
    ("RFC 9112 3.2.2", "one slash", Target("http:/h/a"), Err(R::TargetForm)),
    ("RFC 9112 3.2.2", "another scheme", Target("ftp://h/a"), Err(R::TargetForm)),
    ("RFC 9112 3.2.2", "an unknown scheme and a path", Target("x:/h"), Err(R::TargetForm)),
    ("RFC 9112 3.2.2", "a name", Target("h"), Err(R::TargetForm)),
    ("RFC 9112 3.2.2", "a query", Target("?x"), Err(R::TargetForm)),
    ("RFC 9112 3.2.3", "authority form without CONNECT", Target("h:80"), Err(R::TargetForm)),
    ("RFC 9112 3.2.4", "OPTIONS *", Line("OPTIONS * HTTP/1.1"), Ok("OPTIONS * HTTP/1.1 host=h")),
    ("RFC 9112 3.2.4", "OPTIONS of a URI without a path is *", Line("OPTIONS http://h HTTP/1.1"), Ok("OPTIONS * HTTP/1.1 target=http://h host=h")),
    ("RFC 9112 3.2.4", "OPTIONS of a path", Line("OPTIONS /a HTTP/1.1"), Ok("OPTIONS /a HTTP/1.1 host=h")),
    ("RFC 9112 3.2.4", "* with GET", Target("*"), Err(R::TargetForm)),
    ("RFC 9112 3.2.4", "* and more", Line("OPTIONS *a HTTP/1.1"), Err(R::TargetForm)),
];

#[test]
fn targets() {
    check(TARGETS);
}

#[rustfmt::skip]
const HOSTS: &[Case] = &[
    ("RFC 9112 3.2", "none in 1.1", Raw(b"GET / HTTP/1.1\r\n\r\n"), Err(R::HostMissing)),
    ("RFC 9112 3.2", "none in 1.0", Raw(b"GET / HTTP/1.0\r\n\r\n"), Ok("GET / HTTP/1.0 close")),
    ("RFC 9112 3.2", "two", Fields(b"Host: i\r\n"), Err(R::HostRepeated)),
    ("RFC 9112 3.2", "two equal ones", Fields(b"host: h\r\n"), Err(R::HostRepeated)),
    ("RFC 9112 3.2", "two in 1.0", Fields10(b"Host: h\r\nHost: h\r\n"), Err(R::HostRepeated)),
    ("RFC 9110 7.2", "name and port", Host("a-b.example:8080"), Ok("GET / HTTP/1.1 host=a-b.example:8080")),
    ("RFC 9110 5.1", "the name in any case", Raw(b"GET / HTTP/1.1\r\nhOsT: h\r\n\r\n"), Ok("GET / HTTP/1.1 host=h")),
    ("RFC 3986 3.2.2", "an IPv4 address", Host("127.0.0.1"), Ok("GET / HTTP/1.1 host=127.0.0.1")),
    ("RFC 3986 3.2.2", "an IPv6 address", Host("[2001:db8::1]:80"), Ok("GET / HTTP/1.1 host=[2001:db8::1]:80")),
    ("RFC 3986 3.2.2", "an IPv6 address without brackets", Host("2001:db8::1"), Err(R::HostSyntax)),
    ("RFC 3986 3.2.2", "no IPv6 address in brackets", Host("[h]"), Err(R::HostSyntax)),
    ("RFC 3986 3.2.2", "an open bracket", Host("[::1"), Err(R::HostSyntax)),
    ("RFC 3986 3.2.2", "text after the bracket", Host("[::1]x"), Err(R::HostSyntax)),
    ("RFC 6874 2", "a zone id", Host("[fe80::1%25eth0]"), Err(R::HostSyntax)),
    ("RFC 3986 3.2.2", "an underscore", Host("a_b"), Ok("GET / HTTP/1.1 host=a_b")),
    ("RFC 3986 3.2.2", "a trailing dot", Host("h."), Ok("GET / HTTP/1.1 host=h.")),
    ("RFC 9110 4.2.1", "empty", Host(""), Err(R::HostSyntax)),
    ("RFC 9110 4.2.1", "only a port", Host(":80"), Err(R::HostSyntax)),
    ("RFC 3986 3.2.3", "an empty port", Host("h:"), Ok("GET / HTTP/1.1 host=h:")),
    ("RFC 3986 3.2.3", "letters for a port", Host("h:http"), Err(R::HostSyntax)),
    ("RFC 3986 3.2.3", "a port too large", Host("h:65536"), Err(R::HostSyntax)),
    ("RFC 3986 3.2.3", "the largest port", Host("h:65535"), Ok("GET / HTTP/1.1 host=h:65535")),
    ("RFC 3986 3.2.3", "two ports", Host("h:1:2"), Err(R::HostSyntax)),
    ("RFC 9110 7.2", "user information", Host("u@h"), Err(R::HostSyntax)),
    ("RFC 9110 7.2", "a path", Host("h/x"), Err(R::HostSyntax)),
    ("RFC 9110 7.2", "a URI", Host("http://h"), Err(R::HostSyntax)),
    ("RFC 9110 7.2", "a list", Host("a,b"), Err(R::HostSyntax)),
    ("RFC 9110 7.2", "two words", Host("a b"), Err(R::HostSyntax)),
    ("RFC 9110 7.2", "an escape", Host("%65xample"), Err(R::HostSyntax)),
    ("RFC 9110 7.2", "bytes beyond ASCII", Host("é"), Err(R::HostSyntax)),
];

#[test]
fn hosts() {
    check(HOSTS);
}

#[rustfmt::skip]
const FIELD_SYNTAX: &[Case] = &[
    ("RFC 9112 5.1", "space before the colon", Fields(b"X : a\r\n"), Err(R::SpaceBeforeColon)),
    ("RFC 9112 5.1", "tab before the colon", Fields(b"X\t: a\r\n"), Err(R::SpaceBeforeColon)),
    ("RFC 9112 5.1", "Transfer-Encoding with a space before the colon", Fields(b"Transfer-Encoding : chunked\r\n"), Err(R::SpaceBeforeColon)),
    ("RFC 9112 5", "no colon", Fields(b"foo\r\n"), Err(R::FieldNoColon)),
    ("RFC 9112 5", "no colon, and another field after it", Fields(b"foo\r\nBar: x\r\n"), Err(R::FieldNoColon)),
    ("RFC 9110 5.1", "an empty name", Fields(b": a\r\n"), Err(R::FieldNameEmpty)),
    ("RFC 9110 5.1", "a space in the name", Fields(b"X Y: a\r\n"), Err(R::FieldName)),
    ("RFC 9110 5.1", "a bracket in the name", Fields(b"X[]: a\r\n"), Err(R::FieldName)),
    ("RFC 9110 5.1", "a slash in the name", Fields(b"X/Y: a\r\n"), Err(R::FieldName)),
    ("RFC 9110 5.1", "a quote in the name", Fields(b"\"X\": a\r\n"), Err(R::FieldName)),
    ("RFC 9110 5.1", "bytes beyond ASCII in the name", Fields(b"X\xc3\xa9: a\r\n"), Err(R::FieldName)),
    ("RFC 9110 5.1", "a no-break space after the name", Fields(b"Content-Length\xa0: 3\r\n"), Err(R::FieldName)),
    ("RFC 9110 5.1", "every token character", Fields(b"!#$%&'*+-.^_`|~09AZaz: a\r\n"), Ok("POST / HTTP/1.1 host=h")),
    ("RFC 9110 5.1", "an underscore is read; who forwards it decides", Fields(b"X_Y: a\r\n"), Ok("POST / HTTP/1.1 host=h")),
    ("RFC 9112 5", "no space after the colon", Fields(b"Content-Length:3\r\n"), Ok("POST / HTTP/1.1 host=h Length(3)")),
    ("RFC 9112 5.1", "whitespace around the value", Fields(b"Content-Length: \t 3 \t\r\n"), Ok("POST / HTTP/1.1 host=h Length(3)")),
    ("RFC 9110 5.5", "an empty value", Fields(b"X:\r\n"), Ok("POST / HTTP/1.1 host=h")),
    ("RFC 9110 5.5", "a colon in the value", Fields(b"X: a:b\r\n"), Ok("POST / HTTP/1.1 host=h")),
];

#[test]
fn field_syntax() {
    check(FIELD_SYNTAX);
}

#[rustfmt::skip]
const FRAMING: &[Case] = &[
    ("RFC 9112 6.3", "no body", Fields(b""), Ok("POST / HTTP/1.1 host=h")),
    ("RFC 9112 6.2", "a length", Fields(b"Content-Length: 5\r\n"), Ok("POST / HTTP/1.1 host=h Length(5)")),
    ("RFC 9112 6.2", "0", Fields(b"Content-Length: 0\r\n"), Ok("POST / HTTP/1.1 host=h Length(0)")),
    ("RFC 9112 6.2", "leading zeros", Fields(b"Content-Length: 00005\r\n"), Ok("POST / HTTP/1.1 host=h Length(5)")),
    ("RFC 9112 6.2", "the largest", Fields(b"Content-Length: 18446744073709551615\r\n"), Ok("POST / HTTP/1.1 host=h Length(18446744073709551615)")),
    ("RFC 9112 6.2", "on 1.0", Fields10(b"Content-Length: 5\r\n"), Ok("POST / HTTP/1.0 Length(5) close")),
    ("RFC 9112 6.2", "on GET", Raw(b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"), Ok("GET / HTTP/1.1 host=h Length(5)")),
    ("RFC 9112 6.3", "too large by one", Fields(b"Content-Length: 18446744073709551616\r\n"), Err(R::ContentLength)),
    ("RFC 9112 6.3", "too large by far", Fields(b"Content-Length: 99999999999999999999999999999999\r\n"), Err(R::ContentLength)),
    ("RFC 9112 6.3", "empty", Fields(b"Content-Length:\r\n"), Err(R::ContentLength)),
    ("RFC 9112 6.3", "plus", Fields(b"Content-Length: +5\r\n"), Err(R::ContentLength)),
    ("RFC 9112 6.3", "minus", Fields(b"Content-Length: -1\r\n"), Err(R::ContentLength)),
    ("RFC 9112 6.3", "hexadecimal", Fields(b"Content-Length: 0x5\r\n"), Err(R::ContentLength)),
    ("RFC 9112 6.3", "a fraction", Fields(b"Content-Length: 5.0\r\n"), Err(R::ContentLength)),
    ("RFC 9112 6.3", "an exponent", Fields(b"Content-Length: 5e1\r\n"), Err(R::ContentLength)),
    ("RFC 9112 6.3", "an underscore", Fields(b"Content-Length: 1_0\r\n"), Err(R::ContentLength)),
    ("RFC 9112 6.3", "letters", Fields(b"Content-Length: abc\r\n"), Err(R::ContentLength)),
    ("RFC 9112 6.3", "letters after digits", Fields(b"Content-Length: 5abc\r\n"), Err(R::ContentLength)),
    ("RFC 9112 6.3", "a space inside", Fields(b"Content-Length: 5 5\r\n"), Err(R::ContentLength)),
    ("RFC 9112 6.3", "digits that are not ASCII", Fields("Content-Length: ５\r\n".as_bytes()), Err(R::ContentLength)),
    ("RFC 9112 6.3", "a list of equal values", Fields(b"Content-Length: 5, 5\r\n"), Err(R::ContentLength)),
    ("RFC 9112 6.3", "a list of different values", Fields(b"Content-Length: 5, 6\r\n"), Err(R::ContentLength)),
    ("RFC 9112 6.3", "two equal ones", Fields(b"Content-Length: 5\r\nContent-Length: 5\r\n"), Err(R::ContentLengthRepeated)),
    ("RFC 9112 6.3", "two that differ", Fields(b"Content-Length: 5\r\ncontent-length: 6\r\n"), Err(R::ContentLengthRepeated)),
    ("RFC 9112 6.1", "chunked", Fields(b"Transfer-Encoding: chunked\r\n"), Ok("POST / HTTP/1.1 host=h Chunked")),
    ("RFC 9112 7", "codings are case-insensitive", Fields(b"transfer-encoding: ChunKed\r\n"), Ok("POST / HTTP/1.1 host=h Chunked")),
    ("RFC 9112 6.1", "with a length", Fields(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), Err(R::LengthAndEncoding)),
    ("RFC 9112 6.1", "with a length after it", Fields(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), Err(R::LengthAndEncoding)),
    ("RFC 9112 6.1", "a bad length does not matter", Fields(b"Transfer-Encoding: chunked\r\nContent-Length: x\r\n"), Err(R::LengthAndEncoding)),
    ("RFC 9112 6.1", "nor an unknown coding", Fields(b"Transfer-Encoding: x\r\nContent-Length: 5\r\n"), Err(R::LengthAndEncoding)),
    ("RFC 9112 6.1", "on 1.0", Fields10(b"Transfer-Encoding: chunked\r\n"), Err(R::EncodingOnHttp10)),
    ("RFC 9112 6.1", "an unknown coding", Fields(b"Transfer-Encoding: xchunked\r\n"), Err(R::EncodingUnknown)),
    ("RFC 9112 6.1", "gzip", Fields(b"Transfer-Encoding: gzip\r\n"), Err(R::EncodingUnknown)),
    ("RFC 9112 6.1", "identity", Fields(b"Transfer-Encoding: identity\r\n"), Err(R::EncodingUnknown)),
    ("RFC 9112 6.1", "gzip, chunked", Fields(b"Transfer-Encoding: gzip, chunked\r\n"), Err(R::EncodingUnknown)),
    ("RFC 9112 6.1", "gzip and chunked in two fields", Fields(b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"), Err(R::EncodingUnknown)),
    ("RFC 9112 6.1", "an unknown coding with parameters", Fields(b"Transfer-Encoding: x;y=z\r\n"), Err(R::EncodingUnknown)),
    ("RFC 9112 6.3", "chunked is not last", Fields(b"Transfer-Encoding: chunked, identity\r\n"), Err(R::EncodingList)),
    ("RFC 9112 6.3", "chunked is not last, in two fields", Fields(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n"), Err(R::EncodingList)),
    ("RFC 9112 6.1", "chunked twice", Fields(b"Transfer-Encoding: chunked, chunked\r\n"), Err(R::EncodingList)),
    ("RFC 9112 6.1", "chunked in two fields", Fields(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), Err(R::EncodingList)),
    ("RFC 9112 6.1", "empty", Fields(b"Transfer-Encoding:\r\n"), Err(R::EncodingList)),
    ("RFC 9112 6.1", "an empty element", Fields(b"Transfer-Encoding: ,chunked\r\n"), Err(R::EncodingList)),
    ("RFC 9112 6.1", "a comma after it", Fields(b"Transfer-Encoding: chunked,\r\n"), Err(R::EncodingList)),
    ("RFC 9112 7.1", "chunked has no parameters", Fields(b"Transfer-Encoding: chunked;q=1\r\n"), Err(R::EncodingList)),
    ("RFC 9112 6.1", "quotes", Fields(b"Transfer-Encoding: \"chunked\"\r\n"), Err(R::EncodingList)),
    ("RFC 9112 6.1", "two words", Fields(b"Transfer-Encoding: chunked gzip\r\n"), Err(R::EncodingList)),
    ("RFC 9112 6.1", "a vertical tab", Fields(b"Transfer-Encoding: \x0bchunked\r\n"), Err(R::ControlByte)),
];

#[test]
fn framing() {
    check(FRAMING);
}

#[rustfmt::skip]
const CONNECTIONS: &[Case] = &[
    ("RFC 9112 9.3", "1.1 persists", Fields(b""), Ok("POST / HTTP/1.1 host=h")),
    ("RFC 9112 9.3", "close", Fields(b"Connection: close\r\n"), Ok("POST / HTTP/1.1 host=h close")),
    ("RFC 9110 7.6.1", "in any case", Fields(b"CONNECTION: CLOSE\r\n"), Ok("POST / HTTP/1.1 host=h close")),
    ("RFC 9110 7.6.1", "in a list", Fields(b"Connection: foo, close\r\n"), Ok("POST / HTTP/1.1 host=h close")),
    ("RFC 9110 7.6.1", "in the second field", Fields(b"Connection: foo\r\nConnection: ,close,\r\n"), Ok("POST / HTTP/1.1 host=h close")),
    ("RFC 9110 7.6.1", "another option", Fields(b"Connection: closed\r\n"), Ok("POST / HTTP/1.1 host=h")),
    ("RFC 9112 9.3", "1.0 does not persist", Fields10(b""), Ok("POST / HTTP/1.0 close")),
    ("RFC 9112 9.3", "1.0 with keep-alive", Fields10(b"Connection: Keep-Alive\r\n"), Ok("POST / HTTP/1.0")),
    ("RFC 9112 9.3", "close wins over keep-alive", Fields10(b"Connection: keep-alive, close\r\n"), Ok("POST / HTTP/1.0 close")),
    ("RFC 9112 9.3", "Keep-Alive without Connection", Fields10(b"Keep-Alive: timeout=5\r\n"), Ok("POST / HTTP/1.0 close")),
    ("RFC 9110 7.8", "an upgrade", Fields(b"Connection: Upgrade\r\nUpgrade: websocket\r\n"), Ok("POST / HTTP/1.1 host=h upgrade=websocket")),
    ("RFC 9110 7.8", "an upgrade in a list", Fields(b"Upgrade: websocket\r\nConnection: keep-alive, upgrade\r\n"), Ok("POST / HTTP/1.1 host=h upgrade=websocket")),
    ("RFC 9110 7.8", "Upgrade without the option", Fields(b"Upgrade: websocket\r\n"), Ok("POST / HTTP/1.1 host=h")),
    ("RFC 9110 7.8", "the option without Upgrade", Fields(b"Connection: upgrade\r\n"), Ok("POST / HTTP/1.1 host=h")),
    ("RFC 9110 7.8", "1.0 is not upgraded", Fields10(b"Connection: upgrade\r\nUpgrade: websocket\r\n"), Ok("POST / HTTP/1.0 close")),
    ("RFC 9110 10.1.1", "100-continue", Fields(b"Content-Length: 5\r\nExpect: 100-continue\r\n"), Ok("POST / HTTP/1.1 host=h Length(5) continue")),
    ("RFC 9110 10.1.1", "in any case", Fields(b"Transfer-Encoding: chunked\r\nExpect: 100-Continue\r\n"), Ok("POST / HTTP/1.1 host=h Chunked continue")),
    ("RFC 9110 10.1.1", "without a body there is nothing to wait for", Fields(b"Expect: 100-continue\r\n"), Ok("POST / HTTP/1.1 host=h")),
    ("RFC 9110 10.1.1", "with an empty body neither", Fields(b"Content-Length: 0\r\nExpect: 100-continue\r\n"), Ok("POST / HTTP/1.1 host=h Length(0)")),
    ("RFC 9110 10.1.1", "1.0 knows no interim responses", Fields10(b"Content-Length: 5\r\nExpect: 100-continue\r\n"), Ok("POST / HTTP/1.0 Length(5) close")),
    ("RFC 9110 10.1.1", "another expectation", Fields(b"Expect: more\r\n"), Err(R::Expectation)),
    ("RFC 9110 10.1.1", "another beside it", Fields(b"Content-Length: 5\r\nExpect: 100-continue, more\r\n"), Err(R::Expectation)),
    ("RFC 9110 10.1.1", "a parameter", Fields(b"Expect: 100-continue;q=1\r\n"), Err(R::Expectation)),
    ("RFC 9110 10.1.1", "another status", Fields(b"Expect: 200-ok\r\n"), Err(R::Expectation)),
];

#[test]
fn connections() {
    check(CONNECTIONS);
}

/// peers.md A.3, column `us`. The cases on chunk framing and on sizes stand with their tables.
#[rustfmt::skip]
const SMUGGLING: &[Case] = &[
    ("peers.md A.3", "CL and TE", Fields(b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"), Err(R::LengthAndEncoding)),
    ("peers.md A.3", "two CL, differ", Fields(b"Content-Length: 3\r\nContent-Length: 4\r\n"), Err(R::ContentLengthRepeated)),
    ("peers.md A.3", "two CL, same", Fields(b"Content-Length: 3\r\nContent-Length: 3\r\n"), Err(R::ContentLengthRepeated)),
    ("peers.md A.3", "CL `+3`", Fields(b"Content-Length: +3\r\n"), Err(R::ContentLength)),
    ("peers.md A.3", "no Host (1.1)", Raw(b"GET / HTTP/1.1\r\n\r\n"), Err(R::HostMissing)),
    ("peers.md A.3", "two Host", Fields(b"Host: h\r\n"), Err(R::HostRepeated)),
    ("peers.md A.3", "obs-fold", Fields(b"X: a\r\n b\r\n"), Err(R::ObsFold)),
    ("peers.md A.3", "bare LF in head", Raw(b"GET / HTTP/1.1\r\nHost: h\nX: a\r\n\r\n"), Err(R::BareLf)),
    ("peers.md A.3", "bare CR in value", Fields(b"X: a\rb\r\n"), Err(R::BareCr)),
    ("peers.md A.3", "space before colon", Fields(b"X : a\r\n"), Err(R::SpaceBeforeColon)),
    ("peers.md A.3", "NUL in value", Fields(b"X: a\0\r\n"), Err(R::Nul)),
    ("peers.md A.3", "TE `xchunked`", Fields(b"Transfer-Encoding: xchunked\r\n"), Err(R::EncodingUnknown)),
    ("peers.md A.3", "TE `chunked, identity`", Fields(b"Transfer-Encoding: chunked, identity\r\n"), Err(R::EncodingList)),
    ("peers.md A.3", "TE on 1.0", Fields10(b"Transfer-Encoding: chunked\r\n"), Err(R::EncodingOnHttp10)),
    ("peers.md A.3", "HTTP/0.9", Raw(b"GET /\r\n"), Err(R::Http09)),
    ("peers.md A.3", "version 1.9", Line("GET / HTTP/1.9"), Ok("GET / HTTP/1.1 host=h")),
    ("peers.md A.3", "version 2.0", Line("GET / HTTP/2.0"), Err(R::VersionUnsupported)),
    ("peers.md A.3", "`#` in target", Target("/a#b"), Err(R::TargetFragment)),
    ("peers.md A.3", "space in target", Target("/a b"), Err(R::RequestLine)),
    ("peers.md A.3", "absolute form, other Host", Target("http://other/"), Err(R::AuthorityDiffers)),
    ("peers.md A.3", "`_` in a name", Fields(b"X_Y: a\r\n"), Ok("POST / HTTP/1.1 host=h")),
    ("peers.md A.3", "`%2e%2e` climb", Target("/%2e%2e/%2e%2e/etc/passwd"), Err(R::DotSegment)),
    ("peers.md A.3", "`%2f`", Target("/a%2fb"), Ok("GET /a%2fb HTTP/1.1 host=h")),
    ("peers.md A.3", "`%00`", Target("/a%00"), Err(R::PercentNul)),
    ("peers.md A.3", "`..;a=b`", Target("/..;a=b/x"), Ok("GET /..;a=b/x HTTP/1.1 host=h")),
];

#[test]
fn smuggling() {
    check(SMUGGLING);
}

#[test]
fn statuses_of_the_smuggling_table() {
    let cases = [
        (R::LengthAndEncoding, 400),
        (R::ContentLengthRepeated, 400),
        (R::BareLf, 400),
        (R::EncodingUnknown, 501),
        (R::EncodingList, 400),
        (R::VersionUnsupported, 505),
        (R::TargetTooLong, 414),
        (R::TooManyFields, 431),
        (R::HeadTooLarge, 431),
        (R::Expectation, 417),
        (R::Connect, 501),
        (R::MethodTooLong, 501),
    ];
    for (refusal, status) in cases {
        assert_eq!(refusal.status(), status, "{refusal}");
    }
}
