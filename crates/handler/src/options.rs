//! Where a handler connects to, and why it could not.

use std::time::Duration;

/// How a handler reaches its server.
#[derive(Debug, Clone)]
pub struct HandlerOptions {
    /// Where requests come from: the `send_spec` of the handler's row, `tcp://HOST:PORT` or
    /// `ipc://PATH`.
    pub send_spec: String,
    /// Where replies go: the `recv_spec` of the handler's row.
    pub recv_spec: String,
    /// Stands before each reply: letters, digits and `-`. Must begin with the row's `recv_ident`
    /// if that is not empty.
    pub sender_id: String,
    /// How long [`crate::Handler::connect`] waits for the server.
    pub connect_timeout: Duration,
}

/// Why [`crate::Handler::connect`] gave up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// A sender id that replies cannot carry.
    #[error("sender id {0:?} is not made of letters, digits and '-'")]
    BadSender(String),
    /// A spec that names no address.
    #[error("spec {0:?} is neither tcp://HOST:PORT nor ipc://PATH")]
    BadSpec(String),
    /// Nothing that speaks ZeroMQ with a fitting socket type answers at the spec.
    #[error(
        "no server at {spec} within {waited:?}: {reason}; \
         expected the {binds} socket that the server binds as {row}"
    )]
    Unreachable {
        /// Where we tried.
        spec: String,
        /// How long.
        waited: Duration,
        /// What the last attempt ended with.
        reason: String,
        /// `PUSH` or `SUB`.
        binds: &'static str,
        /// `send_spec` or `recv_spec`.
        row: &'static str,
    },
    /// The server's SUB socket is there but does not want what we would send.
    #[error(
        "server at {spec} has not subscribed to {sender:?} within {waited:?}; \
         its recv_ident must be empty or the start of that sender id"
    )]
    NotSubscribed {
        /// The recv_spec.
        spec: String,
        /// Our sender id.
        sender: String,
        /// How long we waited.
        waited: Duration,
    },
}

impl HandlerOptions {
    /// Options with a sender id of this process and a minute to connect.
    pub fn new(send_spec: impl Into<String>, recv_spec: impl Into<String>) -> Self {
        Self {
            send_spec: send_spec.into(),
            recv_spec: recv_spec.into(),
            sender_id: format!("handler-{}", std::process::id()),
            connect_timeout: Duration::from_secs(60),
        }
    }

    /// With another sender id.
    #[must_use]
    pub fn sender_id(mut self, sender_id: impl Into<String>) -> Self {
        self.sender_id = sender_id.into();
        self
    }

    /// With another time to connect.
    #[must_use]
    pub fn connect_timeout(mut self, connect_timeout: Duration) -> Self {
        self.connect_timeout = connect_timeout;
        self
    }

    pub(crate) fn check(&self) -> Result<(), ConnectError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if self.sender_id.is_empty() || !self.sender_id.bytes().all(allowed) {
            return Err(ConnectError::BadSender(self.sender_id.clone()));
        }
        for spec in [&self.send_spec, &self.recv_spec] {
            if zeromq::TryIntoEndpoint::try_into(spec.as_str()).is_err() {
                return Err(ConnectError::BadSpec(spec.clone()));
            }
        }
        Ok(())
    }
}
