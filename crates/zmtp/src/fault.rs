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
