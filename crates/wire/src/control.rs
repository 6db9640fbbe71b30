//! The control port: one tnetstring request, one tnetstring reply.

mod call;
mod reply;

pub use call::{Call, Command, ControlError, StatusOf, encode_call};
pub use reply::{Cell, Reply, ReplySyntaxError, Table};
