//! The client side of a connection: accept, first bytes, HTTP, registry, deadlines, drain.

mod alarm;
mod answer;
mod audience;
mod backlog;
mod connection;
mod conversation;
mod date;
mod exchange;
mod fault;
mod file_reply;
mod framing;
mod life;
mod line;
mod listener;
mod message_socket;
mod peer;
mod reader;
mod registry;
mod response;
mod seldom;
mod sender;
mod socket;
mod turned_away;
mod vitals;
mod writer;

pub use answer::reason;
pub use audience::Audience;
pub use backlog::{Backlog, Place};
pub use conversation::{Conversation, Reading, Relayed, Spoken, Turn};
pub use exchange::{AccessRecord, Answer, Exchange, Rules, Service};
pub use fault::{Fault, FaultKind, Verdict, Whose};
pub use file_reply::FileReply;
pub use line::{AudienceId, DOWNLOAD_CREDITS, Delivered, Delivery, Failure, Line, Speaks};
pub use listener::{Edge, bind};
pub use message_socket::{NO_EXCHANGE, Replies, SocketMessage};
pub use peer::{ConnId, Peer};
pub use reader::{Lent, Poured, RequestBody};
pub use registry::Registry;
pub use response::{Body, BodySource, Fields, FileSlice, Response};
pub use vitals::Seen;

#[cfg(test)]
mod simulation;
