//! Switches that are not limits: how uploads are kept and what is spoken.

/// What happens to a request body larger than `Limits::content_length`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploads {
    /// mkstemp template, ends in `XXXXXX`; none: such a body is refused with 413 (unless streamed).
    pub temp_store: Option<String>,
    /// Permission bits of an upload's file.
    pub mode: u32,
    /// Bodies go to the handler in parts as it grants credits (`upload.stream`).
    pub stream: bool,
    /// Most bytes that unfinished uploads may hold on disk together; none: no bound.
    pub store_max: Option<u64>,
    /// What a handler is told of the file's content (`upload.digest`).
    pub digest: Option<UploadDigest>,
}

/// How an upload's file is summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadDigest {
    Sha256,
}

/// Which handler of a row gets the next request (`handler.balance`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// Each in turn: Mongrel2's.
    #[default]
    RoundRobin,
    /// The one with the fewest unanswered requests.
    LeastPending,
}

/// Independent switches of a server.
#[expect(clippy::struct_excessive_bools, reason = "each is one on/off setting of its own")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `request.relaxed`: `{`, `}` and `^` are allowed in a request target.
    pub relaxed_uri: bool,
    /// `no_clobber_xff`: a client's X-Forwarded-For is kept and added to.
    pub no_clobber_xff: bool,
    /// `handler.underscore_headers`: fields with `_` in their names reach handlers. Off: behind one
    /// that makes variables of them they can't be told from those with `-`.
    pub underscore_headers: bool,
    /// `net.tcp_keepalive`: SO_KEEPALIVE on client connections.
    pub tcp_keepalive: bool,
    /// Opposite of `disable.access_logging`.
    pub access_logging: bool,
    /// `handler.balance`: which handler gets the next request.
    pub handler_balance: Balance,
    /// `download.flow_control`: handlers are told what has reached the client.
    pub download_flow_control: bool,
    /// Directory whose files handlers may have sent (`sendfile.base`), relative to the chroot or
    /// the working directory; none: no file.
    pub sendfile_base: Option<String>,
    /// Directory of the operator's error pages (`errors.dir`), relative to the chroot or the working
    /// directory; none: errors are answered in plain text.
    pub errors_dir: Option<String>,
    /// Directory of certificates; file names are appended as they are, so it ends in `/`.
    pub certdir: Option<String>,
}

impl Default for Uploads {
    fn default() -> Self {
        Self { temp_store: None, mode: 0o600, stream: false, store_max: None, digest: None }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            relaxed_uri: false,
            no_clobber_xff: false,
            underscore_headers: false,
            tcp_keepalive: false,
            access_logging: true,
            handler_balance: Balance::RoundRobin,
            download_flow_control: false,
            sendfile_base: None,
            errors_dir: None,
            certdir: None,
        }
    }
}
