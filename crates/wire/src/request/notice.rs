//! Messages that are no request: disconnects, credits, and parts of a streamed upload.

use bytes::BytesMut;

use super::Protocol;
use super::encode::{self, decimal_text};
use crate::tnetstring;

/// Appends the notice that a connection is gone: path `@*`, body `{"type":"disconnect"}`.
pub fn encode_disconnect(sender: &str, conn: u64, protocol: Protocol, out: &mut BytesMut) {
    encode::envelope(sender, conn, b"@*", out);
    out.extend_from_slice(match protocol {
        Protocol::Json => b"17:{\"METHOD\":\"JSON\"},".as_slice(),
        Protocol::Tnetstring => b"16:6:METHOD,4:JSON,}".as_slice(),
    });
    tnetstring::write_bytes(out, b"{\"type\":\"disconnect\"}");
}

/// Appends the notice that a handler which asked for no more requests has had its last: connection
/// 0, path `@*`, body `{"type":"drained"}`.
pub fn encode_drained(sender: &str, protocol: Protocol, out: &mut BytesMut) {
    encode::envelope(sender, 0, b"@*", out);
    out.extend_from_slice(match protocol {
        Protocol::Json => b"17:{\"METHOD\":\"JSON\"},".as_slice(),
        Protocol::Tnetstring => b"16:6:METHOD,4:JSON,}".as_slice(),
    });
    tnetstring::write_bytes(out, b"{\"type\":\"drained\"}");
}

/// Appends the notice that `written` bytes of replies have reached the client
/// (`download.flow_control`): path `@*`, body `{"type":"credits"}`.
pub fn encode_credits(
    sender: &str,
    conn: u64,
    written: u64,
    protocol: Protocol,
    out: &mut BytesMut,
) {
    encode::envelope(sender, conn, b"@*", out);
    let mut digits = Default::default();
    let written = decimal_text(written, &mut digits);
    match protocol {
        Protocol::Json => encode::json_dict(out, |out| {
            out.extend_from_slice(b"{\"METHOD\":\"JSON\",\"DOWNLOAD_CREDITS\":\"");
            out.extend_from_slice(written);
            out.extend_from_slice(b"\"}");
        }),
        Protocol::Tnetstring => tnetstring::write_dict(out, |out| {
            tnetstring::write_bytes(out, b"DOWNLOAD_CREDITS");
            tnetstring::write_bytes(out, written);
            out.extend_from_slice(b"6:METHOD,4:JSON,");
        }),
    }
    tnetstring::write_bytes(out, b"{\"type\":\"credits\"}");
}

/// A later message of a streamed upload (`upload.stream`); the first is a whole request.
#[derive(Debug, Clone, Copy)]
pub struct UploadPart<'a> {
    /// The `send_ident` of the handler's row; holds no space.
    pub sender: &'a str,
    /// Connection id.
    pub conn: u64,
    /// Path of the request.
    pub path: &'a [u8],
    /// Offset of the first byte of `bytes` in the body.
    pub offset: u64,
    /// This is the last part.
    pub done: bool,
    /// Bytes of the body.
    pub bytes: &'a [u8],
}

impl UploadPart<'_> {
    /// Appends the whole message to `out`.
    pub fn encode(&self, protocol: Protocol, out: &mut BytesMut) {
        encode::envelope(self.sender, self.conn, self.path, out);
        let mut digits = Default::default();
        let offset = decimal_text(self.offset, &mut digits);
        match protocol {
            Protocol::Json => encode::json_dict(out, |out| {
                out.extend_from_slice(b"{\"UPLOAD_STREAM\":\"");
                out.extend_from_slice(offset);
                out.extend_from_slice(if self.done {
                    b"\",\"UPLOAD_STREAM_DONE\":\"1\"}"
                } else {
                    b"\"}"
                });
            }),
            Protocol::Tnetstring => tnetstring::write_dict(out, |out| {
                if self.done {
                    out.extend_from_slice(b"18:UPLOAD_STREAM_DONE,1:1,");
                }
                out.extend_from_slice(b"13:UPLOAD_STREAM,");
                tnetstring::write_bytes(out, offset);
            }),
        }
        tnetstring::write_bytes(out, self.bytes);
    }
}
