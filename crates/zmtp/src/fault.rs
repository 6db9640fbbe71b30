//! What can be wrong with an endpoint.

use std::io;
use std::path::PathBuf;

/// Why an endpoint could not be bound or connected.
#[derive(Debug, thiserror::Error)]
pub enum EndpointFault {
    /// Not `tcp://` or `ipc://`.
    #[error("`{spec}` has no known transport; tcp://host:port and ipc://path are known")]
    Transport {
        /// The spec as given.
        spec: String,
    },
    /// The part after `tcp://` is no address.
    #[error("`{address}` is not host:port, *:port or [ipv6]:port with a port of 0 to 65535 or *")]
    Address {
        /// The part after `tcp://`.
        address: String,
    },
    /// A name that resolves to nothing.
    #[error("no address is known for the name `{host}`")]
    Unresolved {
        /// The host part.
        host: String,
    },
    /// Empty, or longer than a socket address holds.
    #[error("the socket path `{}` must have 1 to {max} bytes", path.display())]
    PathLength {
        /// The part after `ipc://`.
        path: PathBuf,
        /// What the system holds.
        max: usize,
    },
    /// A living process listens on the socket file.
    #[error("another process is listening on `{}`", path.display())]
    InUse {
        /// The socket file.
        path: PathBuf,
    },
    /// There is a file that is no socket.
    #[error("`{}` exists and is not a socket", path.display())]
    NotASocket {
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("the system refused to {doing}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// Its error.
        #[source]
        source: io::Error,
    },
}

/// How a peer broke the protocol. The connection ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolFault {
    /// The first bytes are no ZMTP signature; ZMTP 1.0 has none either.
    #[error("the peer does not speak ZMTP 2.0 or later (its first bytes are no signature)")]
    Signature,
    /// RFC 37 section "Version Negotiation".
    #[error("the peer speaks ZMTP revision {revision}; 1 (2.0), 3 and later are known")]
    Revision {
        /// The byte after the signature.
        revision: u8,
    },
    /// Both sides must name the same mechanism.
    #[error("the peer offers the security mechanism `{theirs}`; {ours} is accepted")]
    Mechanism {
        /// What its greeting says, escaped.
        theirs: String,
        /// What this endpoint was given.
        ours: &'static str,
    },
    /// RFC 37 section "The Socket Type Property".
    #[error("a {theirs} peer can't talk to this {ours} socket")]
    SocketType {
        /// What the peer says it is, escaped.
        theirs: String,
        /// What this endpoint is.
        ours: &'static str,
    },
    /// Bits 7 to 3 are reserved; a command has no successor.
    #[error("the frame flags {flags:#04x} are not allowed here")]
    Flags {
        /// The flag byte.
        flags: u8,
    },
    /// The announced size is over the limit.
    #[error("a frame of {size} bytes is over the limit of {max}")]
    TooLarge {
        /// What the frame header says.
        size: u64,
        /// The limit of this endpoint.
        max: usize,
    },
    /// A command's body does not follow its grammar.
    #[error("the {name} command is malformed")]
    Command {
        /// Which one.
        name: &'static str,
    },
    /// Both sides of a mechanism say that they are its server (RFC 37, "as-server").
    #[error("the peer is a {mechanism} server, and so is this socket; it takes clients")]
    BothServers {
        /// The mechanism.
        mechanism: &'static str,
    },
    /// A message before the handshake is over.
    #[error("expected a command in the handshake, not a message")]
    Message,
    /// A command after the last one of the handshake.
    #[error("expected no further command in the handshake")]
    HandshakeOver,
    /// Something else than the handshake command that is due.
    #[error("expected the {expected} command in the handshake")]
    Handshake {
        /// Which one is due.
        expected: &'static str,
    },
    /// PLAIN: no such user, or another password.
    #[error("the user `{user}` or the password is not in the list of users")]
    Credentials {
        /// As the peer sent it, escaped.
        user: String,
    },
    /// CURVE: the client has another key for the server.
    #[error("the peer's HELLO was made for another server key")]
    ServerKey,
    /// CURVE: the client is not in the list.
    #[error("the peer's public key `{key}` is not in the list of clients")]
    ClientKey {
        /// In Z85.
        key: String,
    },
    /// CURVE: a box that does not open, with the key that was agreed on.
    #[error("the {name} command can't be decrypted")]
    Sealed {
        /// Which one.
        name: &'static str,
    },
    /// CURVE: what was sent before, or is out of order.
    #[error("the {name} command's nonce is not greater than the last one")]
    Nonce {
        /// Which one.
        name: &'static str,
    },
    /// CURVE: a frame that is no MESSAGE.
    #[error("expected MESSAGE commands only after a CURVE handshake")]
    Unencrypted,
    /// The peer sent ERROR.
    #[error("the peer reports `{reason}`")]
    Reported {
        /// Its reason, escaped.
        reason: String,
    },
}
