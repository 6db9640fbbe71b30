//! A message of the server, with names for what stands in it.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bytes::Bytes;
use wire::request::RequestError;
use wire::{ParsedRequest, Protocol};

/// A request, or a notice about a connection. Bytes are slices of the message.
#[derive(Debug, Clone)]
pub struct Request {
    sender: Bytes,
    conn: u64,
    path: Bytes,
    headers: Vec<(Bytes, Vec<Bytes>)>,
    body: Bytes,
    protocol: Protocol,
    notice: Option<Notice>,
    generation: u64,
}

/// A message that is no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// The client has left, or a reply named a connection that is not there.
    Disconnect,
    /// This many bytes of replies have reached the client (`download.flow_control`).
    Credits(u64),
    /// The last message after [`crate::Handler::drain`]: no request follows.
    Drained,
}

/// What a request says about a body that went to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upload<'a> {
    /// The body is on its way to this file. [`crate::Replies::close`] refuses it.
    Started(&'a Path),
    /// The whole body is in this file, and the file is the handler's now: nobody else removes it.
    Done(&'a Path),
}

/// Which part of a streamed upload the body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadStream {
    /// Offset of the first byte of this part.
    pub offset: u64,
    /// This is the last part.
    pub done: bool,
}

impl Request {
    pub(crate) fn parse(message: Bytes, generation: u64) -> Result<Self, RequestError> {
        let parsed = ParsedRequest::parse(&message)?;
        let notice = if parsed.is_disconnect() {
            Some(Notice::Disconnect)
        } else if parsed.is_drained() {
            Some(Notice::Drained)
        } else {
            parsed.credits().map(Notice::Credits)
        };
        let own = |bytes: &Cow<'_, [u8]>| match bytes {
            Cow::Borrowed(bytes) => message.slice_ref(bytes),
            Cow::Owned(bytes) => Bytes::copy_from_slice(bytes),
        };
        let headers = parsed.headers.0.iter();
        Ok(Self {
            sender: message.slice_ref(parsed.sender),
            conn: parsed.conn,
            path: message.slice_ref(parsed.path),
            headers: headers
                .map(|(name, value)| (own(name), value.as_slice().iter().map(own).collect()))
                .collect(),
            body: message.slice_ref(parsed.body),
            protocol: parsed.protocol,
            notice,
            generation,
        })
    }

    /// The `send_ident` of the server's handler row.
    #[must_use]
    pub fn sender(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.sender)
    }

    /// The connection id, to reply to.
    #[must_use]
    pub fn conn(&self) -> u64 {
        self.conn
    }

    /// The path: not decoded, without the query; `@name` or `<name` for message sockets.
    #[must_use]
    pub fn path(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.path)
    }

    /// The first value of a header that the client sent, or of one the server writes in lower
    /// case. The name's case does not matter.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers(name).next()
    }

    /// All values of a header in the order they came, at most five.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let name = name.to_ascii_lowercase();
        self.values(name.as_bytes())
    }

    /// `GET` and so on; `JSON`, `XML`, `WEBSOCKET_HANDSHAKE` or `WEBSOCKET` for what is no HTTP.
    #[must_use]
    pub fn method(&self) -> Cow<'_, str> {
        self.text("METHOD")
    }

    /// `HTTP/1.0` or `HTTP/1.1`; empty for what is no HTTP.
    #[must_use]
    pub fn version(&self) -> Cow<'_, str> {
        self.text("VERSION")
    }

    /// Path and query as sent; empty for what is no HTTP.
    #[must_use]
    pub fn uri(&self) -> Cow<'_, str> {
        self.text("URI")
    }

    /// What follows the `?` of the URI, `None` without one.
    #[must_use]
    pub fn query(&self) -> Option<Cow<'_, str>> {
        self.values(b"QUERY").next().map(String::from_utf8_lossy)
    }

    /// The path of the route that matched, as configured.
    #[must_use]
    pub fn pattern(&self) -> Cow<'_, str> {
        self.text("PATTERN")
    }

    /// `http` or `https`.
    #[must_use]
    pub fn url_scheme(&self) -> Cow<'_, str> {
        self.text("URL_SCHEME")
    }

    /// The client's address.
    #[must_use]
    pub fn remote_addr(&self) -> Cow<'_, str> {
        self.text("REMOTE_ADDR")
    }

    /// First byte of a WebSocket frame with FIN set: `0x81` text, `0x82` binary, `0x88` close,
    /// `0x89` ping, `0x8A` pong.
    #[must_use]
    pub fn flags(&self) -> Option<u8> {
        let flags = self.values(b"FLAGS").next()?;
        u8::from_str_radix(std::str::from_utf8(flags.strip_prefix(b"0x")?).ok()?, 16).ok()
    }

    /// The body; cheap to clone.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// How the headers were written.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// What this message says if it is no request.
    #[must_use]
    pub fn notice(&self) -> Option<Notice> {
        self.notice
    }

    /// There is nothing to answer.
    #[must_use]
    pub fn is_notice(&self) -> bool {
        self.notice.is_some()
    }

    /// The client has left: forget the connection, do not answer. No client can forge this.
    #[must_use]
    pub fn is_disconnect(&self) -> bool {
        self.notice == Some(Notice::Disconnect)
    }

    /// No request follows this message, as [`crate::Handler::drain`] asked.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.notice == Some(Notice::Drained)
    }

    /// Where the body is if it was too big for a message.
    ///
    /// `None` also when start and done disagree. This server drops what clients send under these
    /// names; Mongrel2 does not, so behind Mongrel2 a small request can pretend to be an upload,
    /// and a handler must check that the path lies where uploads go.
    #[must_use]
    pub fn upload(&self) -> Option<Upload<'_>> {
        let start = self.single("x-mongrel2-upload-start");
        let done = self.single("x-mongrel2-upload-done");
        match (start, done) {
            (Ok(Some(start)), Ok(None)) => Some(Upload::Started(start)),
            (Ok(Some(start)), Ok(Some(done))) if start == done => Some(Upload::Done(done)),
            _ => None,
        }
    }

    /// Which part of a streamed upload the body is; grant more by [`crate::Replies::credits`].
    #[must_use]
    pub fn upload_stream(&self) -> Option<UploadStream> {
        let offset = self.values(b"UPLOAD_STREAM").next()?;
        Some(UploadStream {
            offset: std::str::from_utf8(offset).ok()?.parse().ok()?,
            done: self.values(b"UPLOAD_STREAM_DONE").next().is_some(),
        })
    }

    pub(crate) fn conn_ref(&self) -> &u64 {
        &self.conn
    }

    /// Restarts of the server before this message came.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// A path from a header with one value; several are an error, none is `None`.
    fn single(&self, name: &str) -> Result<Option<&Path>, ()> {
        let mut values = self.values(name.as_bytes());
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(Some(Path::new(OsStr::from_bytes(value)))),
            (None, _) => Ok(None),
            (Some(_), Some(_)) => Err(()),
        }
    }

    fn text(&self, name: &str) -> Cow<'_, str> {
        String::from_utf8_lossy(self.values(name.as_bytes()).next().unwrap_or_default())
    }

    fn values(&self, name: &[u8]) -> impl Iterator<Item = &[u8]> + use<'_> {
        let entry = self.headers.iter().find(|(known, _)| *known == name);
        entry.into_iter().flat_map(|(_, values)| values).map(|value| &**value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &str, body: &str) -> Request {
        let (headers_len, body_len) = (headers.len(), body.len());
        let message = format!("ID 7 /p {headers_len}:{headers},{body_len}:{body},");
        Request::parse(Bytes::from(message), 0).expect(headers)
    }

    #[test]
    fn names_what_stands_in_a_request() {
        let request = request(
            r#"{"PATH":"/p","host":"h","method":"forged","cookie":["a","b"],"METHOD":"POST","VERSION":"HTTP/1.1","URI":"/p?q=1","QUERY":"q=1","PATTERN":"/","URL_SCHEME":"https","REMOTE_ADDR":"::1","FLAGS":"0x8A"}"#,
            "body",
        );
        assert_eq!((&*request.sender(), request.conn(), &*request.path()), ("ID", 7, "/p"));
        assert_eq!(request.header("Host"), Some(b"h".as_slice()));
        assert_eq!(request.header("Method"), Some(b"forged".as_slice()));
        assert_eq!(request.header("PATTERN"), None);
        assert_eq!(request.headers("COOKIE").collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!((&*request.method(), &*request.version()), ("POST", "HTTP/1.1"));
        assert_eq!((&*request.uri(), request.query().as_deref()), ("/p?q=1", Some("q=1")));
        assert_eq!((&*request.pattern(), &*request.url_scheme()), ("/", "https"));
        assert_eq!((&*request.remote_addr(), request.flags()), ("::1", Some(0x8a)));
        assert_eq!(request.body(), "body");
        assert!(!request.is_notice() && request.upload().is_none());
        assert_eq!(request.upload_stream(), None);
    }

    #[test]
    fn notices_are_no_requests() {
        let parse = |message: &'static str| Request::parse(message.into(), 0).unwrap();
        let gone = parse("ID 1 @* 17:{\"METHOD\":\"JSON\"},21:{\"type\":\"disconnect\"},");
        assert_eq!(gone.notice(), Some(Notice::Disconnect));
        assert!(gone.is_disconnect());
        let drained = parse("ID 0 @* 17:{\"METHOD\":\"JSON\"},18:{\"type\":\"drained\"},");
        assert!(drained.is_drained() && drained.is_notice());
        let credits = parse(
            "ID 2 @* 41:16:DOWNLOAD_CREDITS,2:40,6:METHOD,4:JSON,}18:{\"type\":\"credits\"},",
        );
        assert_eq!(credits.notice(), Some(Notice::Credits(40)));
    }

    #[test]
    fn uploads_are_believed_only_when_start_and_done_agree() {
        let check = |headers: &str, want: Option<Upload<'_>>| {
            assert_eq!(request(headers, "").upload(), want, "{headers}");
        };
        let path = Path::new("tmp/up.1");
        let start = r#""x-mongrel2-upload-start":"tmp/up.1""#;
        check(&format!("{{{start}}}"), Some(Upload::Started(path)));
        check(
            &format!(r#"{{{start},"x-mongrel2-upload-done":"tmp/up.1"}}"#),
            Some(Upload::Done(path)),
        );
        check(&format!(r#"{{{start},"x-mongrel2-upload-done":"/etc/passwd"}}"#), None);
        check(r#"{"x-mongrel2-upload-done":"/etc/passwd"}"#, None);
        check(r#"{"x-mongrel2-upload-start":["a","b"]}"#, None);
        check(&format!(r#"{{{start},"x-mongrel2-upload-done":["tmp/up.1","b"]}}"#), None);
    }

    #[test]
    fn upload_parts_have_an_offset() {
        let part = request(r#"{"UPLOAD_STREAM":"4000","UPLOAD_STREAM_DONE":"1"}"#, "x");
        assert_eq!(part.upload_stream(), Some(UploadStream { offset: 4000, done: true }));
        let part = request(r#"{"UPLOAD_STREAM":"0"}"#, "x");
        assert_eq!(part.upload_stream(), Some(UploadStream { offset: 0, done: false }));
    }
}
