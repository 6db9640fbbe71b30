//! Who may connect to the sockets of handlers, and where that is written.

/// What `handler.security` asks of handlers. Paths are relative to the chroot or the working
/// directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HandlerSecurity {
    /// Whoever reaches the sockets may use them.
    #[default]
    Null,
    /// A user name and a password, in clear text on the wire.
    Plain {
        /// A file with a `user:password` on each line (`handler.plain_users`).
        users: String,
    },
    /// Keys; what is sent is encrypted.
    Curve {
        /// A file with the server's secret key in Z85 (`handler.curve_secret_key`).
        secret_key: String,
        /// A file with the public key of a permitted handler on each line
        /// (`handler.curve_clients`); none: whoever knows the server's public key.
        clients: Option<String>,
    },
}
