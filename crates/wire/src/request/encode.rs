//! Writes requests: headers to the tail of the buffer, lengths patched in behind them.

use bytes::{BufMut, BytesMut};

use super::fields::NamedField;
use super::{HandlerRequest, HeaderDict, Protocol};
use crate::json_text;
use crate::tnetstring::{self, DECIMAL_MAX, decimal, patch_length, reserve_length};

/// Header values the server makes; absent ones are not written.
#[derive(Debug, Clone, Default)]
pub struct ServerFields<'a> {
    /// `FLAGS`: first byte of a WebSocket frame with FIN set, written as `0x81`.
    pub flags: Option<u8>,
    /// `PEER_CERT_SHA1`: fingerprint of a verified client certificate.
    pub peer_cert_sha1: Option<&'a str>,
    /// `UPLOAD_STREAM`: offset of the first byte of the body.
    pub upload_stream: Option<u64>,
    /// `UPLOAD_STREAM_DONE`, written as `1`.
    pub upload_stream_done: bool,
    /// `DOWNLOAD_CREDITS`: bytes of replies that may be outstanding.
    pub download_credits: Option<u64>,
    /// `x-mongrel2-upload-start`: name of the file the body goes to.
    pub upload_start: Option<&'a [u8]>,
    /// `x-mongrel2-upload-done`: the same name, when the whole body is in the file.
    pub upload_done: Option<&'a [u8]>,
    /// Further pairs, in this order. Names are lower case and begin with `x-mongrel2-`.
    pub more: &'a [(&'a str, &'a [u8])],
}

pub(super) fn request(request: &HandlerRequest<'_, '_>, protocol: Protocol, out: &mut BytesMut) {
    envelope(request.sender, request.conn, request.path, out);
    match protocol {
        Protocol::Json => json_dict(out, |out| {
            out.put_u8(b'{');
            write_dict(request.path, request.headers, &mut Json { out, first: true });
            out.put_u8(b'}');
        }),
        Protocol::Tnetstring => tnetstring::write_dict(out, |out| {
            write_dict(request.path, request.headers, &mut Tnet { out });
        }),
    }
    tnetstring::write_bytes(out, request.body);
}

/// Appends `SENDER SP CONN SP PATH SP`.
pub(super) fn envelope(sender: &str, conn: u64, path: &[u8], out: &mut BytesMut) {
    debug_assert!(!sender.contains(' '), "a send_ident with a space breaks the message's framing");
    debug_assert!(!path.contains(&b' '), "a path with a space breaks the message's framing");
    let mut digits = [0; DECIMAL_MAX];
    out.extend_from_slice(sender.as_bytes());
    out.put_u8(b' ');
    out.extend_from_slice(decimal(conn, &mut digits));
    out.put_u8(b' ');
    out.extend_from_slice(path);
    out.put_u8(b' ');
}

/// Appends `LENGTH:…,` around the JSON text that `text` writes.
pub(super) fn json_dict(out: &mut BytesMut, text: impl FnOnce(&mut BytesMut)) {
    let payload_start = reserve_length(out);
    text(out);
    patch_length(out, payload_start);
    out.put_u8(b',');
}

pub(super) fn decimal_text(number: u64, digits: &mut [u8; DECIMAL_MAX]) -> &[u8] {
    decimal(number, digits)
}

/// One syntax of the dictionary.
trait DictWriter {
    fn pair(&mut self, name: &str, value: &[u8]);
    fn client(&mut self, field: &NamedField<'_, '_>);

    fn optional(&mut self, name: &str, value: Option<&[u8]>) {
        if let Some(value) = value {
            self.pair(name, value);
        }
    }

    fn number(&mut self, name: &str, number: Option<u64>) {
        if let Some(number) = number {
            self.pair(name, decimal(number, &mut [0; DECIMAL_MAX]));
        }
    }
}

fn write_dict(path: &[u8], headers: &HeaderDict<'_>, to: &mut impl DictWriter) {
    to.pair("PATH", path);
    headers.client.names().for_each(|field| to.client(&field));
    to.optional("x-forwarded-for", headers.forwarded_for.map(str::as_bytes));
    write_server_fields(&headers.server, to);
    to.pair("METHOD", headers.method);
    to.optional("VERSION", headers.version.map(str::as_bytes));
    to.optional("URI", headers.uri);
    to.optional("QUERY", headers.query);
    to.optional("FRAGMENT", headers.fragment);
    to.pair("PATTERN", headers.pattern);
    to.pair("URL_SCHEME", headers.url_scheme.as_bytes());
    to.pair("REMOTE_ADDR", headers.remote_addr.as_bytes());
}

fn write_server_fields(server: &ServerFields<'_>, to: &mut impl DictWriter) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    if let Some(flags) = server.flags {
        let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
        to.pair("FLAGS", &[b'0', b'x', digit(flags >> 4), digit(flags & 0xf)]);
    }
    to.optional("PEER_CERT_SHA1", server.peer_cert_sha1.map(str::as_bytes));
    to.number("UPLOAD_STREAM", server.upload_stream);
    to.optional("UPLOAD_STREAM_DONE", server.upload_stream_done.then_some(b"1"));
    to.number("DOWNLOAD_CREDITS", server.download_credits);
    to.optional("x-mongrel2-upload-start", server.upload_start);
    to.optional("x-mongrel2-upload-done", server.upload_done);
    server.more.iter().for_each(|(name, value)| to.pair(name, value));
}

struct Json<'o> {
    out: &'o mut BytesMut,
    first: bool,
}

impl Json<'_> {
    /// Opens a string, behind a comma if this is not the first pair.
    fn open(&mut self) {
        self.out.extend_from_slice(if self.first { b"\"" } else { b",\"" });
        self.first = false;
    }
}

impl DictWriter for Json<'_> {
    fn pair(&mut self, name: &str, value: &[u8]) {
        self.open();
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":\"");
        json_text::escape(value, self.out);
        self.out.put_u8(b'"');
    }

    fn client(&mut self, field: &NamedField<'_, '_>) {
        self.open();
        let name_start = self.out.len();
        json_text::escape(field.name, self.out);
        lower_case(self.out, name_start);
        if let Some(value) = field.single() {
            self.out.extend_from_slice(b"\":\"");
            json_text::escape(value, self.out);
            self.out.put_u8(b'"');
            return;
        }
        self.out.extend_from_slice(b"\":");
        let mut separator = b"[\"".as_slice();
        for value in field.values() {
            self.out.extend_from_slice(separator);
            json_text::escape(value, self.out);
            self.out.put_u8(b'"');
            separator = b",\"";
        }
        self.out.put_u8(b']');
    }
}

struct Tnet<'o> {
    out: &'o mut BytesMut,
}

impl DictWriter for Tnet<'_> {
    fn pair(&mut self, name: &str, value: &[u8]) {
        tnetstring::write_bytes(self.out, name.as_bytes());
        tnetstring::write_bytes(self.out, value);
    }

    fn client(&mut self, field: &NamedField<'_, '_>) {
        let name_start = self.out.len();
        tnetstring::write_bytes(self.out, field.name);
        lower_case(self.out, name_start);
        match field.single() {
            Some(value) => tnetstring::write_bytes(self.out, value),
            None => tnetstring::write_list(self.out, |out| {
                field.values().for_each(|value| tnetstring::write_bytes(out, value));
            }),
        }
    }
}

/// Lower-cases ASCII letters from `start` on; digits, separators and JSON escapes have none in
/// upper case.
fn lower_case(out: &mut BytesMut, start: usize) {
    out.get_mut(start..).unwrap_or_default().make_ascii_lowercase();
}
