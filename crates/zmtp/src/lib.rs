//! ZMTP, the ZeroMQ wire protocol: a sans-I/O codec and the server's own PUSH, SUB and REP endpoints on tokio.
//!
//! [`Session`] is one connection's protocol without any I/O. [`Endpoint`] binds `tcp://` or
//! `ipc://`, runs a task for each peer, and speaks to its owner through [`Traffic`].
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::string_slice))]

mod admission;
mod command;
mod endpoint;
mod fault;
mod frame;
mod greeting;
mod keys;
mod listener;
mod mechanism;
mod options;
mod outbox;
mod peer;
mod refusals;
mod seldom;
mod session;
mod socket;
mod spec;
mod stream;

pub use command::Command;
pub use endpoint::{Endpoint, connect};
pub use fault::{EndpointFault, ProtocolFault};
pub use frame::{Frame, FrameHeader};
pub use keys::{KEY_CHARS, KeyFault, PublicKey, SecretKey};
pub use mechanism::{Credential, CurveServer, PlainFault, PlainUsers, Security};
pub use options::{Heartbeat, Options};
pub use peer::{Departure, Peer, PeerId, Traffic};
pub use seldom::Seldom;
pub use session::{Event, Local, Oversized, PeerInfo, Session};
pub use socket::SocketType;
pub use spec::{Host, Spec};
