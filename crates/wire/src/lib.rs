//! Bytes that cross a process boundary: tnetstrings, handler requests and replies, control messages.
//!
//! Everything here is pure: bytes in, values out, and back. No parser panics, allocates more than a
//! small multiple of its input, or takes more than linear time, whatever a peer sends.

#![warn(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::string_slice
)]
#![cfg_attr(
    test,
    expect(clippy::arithmetic_side_effects, reason = "tests may panic, that is how they fail")
)]

pub mod control;
pub mod json_text;
pub mod message_socket;
pub mod reply;
pub mod request;
pub mod tnetstring;
pub mod websocket;

pub use reply::{Extended, Reply, ReplyBody, ReplyError};
pub use request::{HandlerRequest, HeaderDict, ParsedRequest, Protocol};
