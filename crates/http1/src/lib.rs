//! HTTP/1.x as a sans-I/O core: request heads, body framing, response tracking, limits.
//!
//! Bytes go in, facts come out; no socket, clock or task is known here. Every parser answers one of three ways:
//! a [`Refusal`] (or [`Broken`]) that names the rule that was broken, "not yet", or a value. The same bytes give
//! the same answer however they are split.
#![warn(clippy::indexing_slicing, clippy::string_slice)]

mod body;
mod chunk;
mod close_reason;
mod grammar;
mod head;
mod lifecycle;
mod limits;
mod refusal;
mod response;

pub use body::{BodyDecoder, Framing, Piece};
pub use chunk::{CONTINUE, CRLF, ChunkHeader, LAST_CHUNK, Span, encode_chunk_header};
pub use close_reason::{CloseReason, Deadline, Limit};
pub use head::{HeadReader, Method, RequestHead, Version};
pub use lifecycle::{Action, Event, State, diagram, step};
pub use limits::{CHUNK_EXTENSION_BYTES_MAX, Limits, METHOD_BYTES_MAX, RESPONSE_HEAD_BYTES_MAX};
pub use refusal::Refusal;
pub use response::{Broken, Ending, Progress, ResponseTracker};
