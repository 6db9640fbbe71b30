//! The message a handler sends: to one or many connections, bytes, a close, or an extended reply.
//!
//! ```text
//! SENDER SP LENGTH:ID SP ID, SP BODY
//! ```

mod encode;
mod parse;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::tnetstring::Value;

pub use encode::{encode, encode_ctl, encode_drain, encode_filter};
pub use parse::ReplyError;

/// Ids a reply may name by default, `limits.handler_targets`.
pub const TARGETS_MAX: usize = 128;

/// One reply of a handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Who sent it: letters, digits and `-`. Compared with nothing.
    pub sender: Bytes,
    /// The connections it is for, in order, duplicates kept: each occurrence is served.
    pub targets: SmallVec<[u64; 4]>,
    /// What to do with them.
    pub body: ReplyBody,
}

/// What a reply asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyBody {
    /// Close after what is queued has been written.
    Close,
    /// Write these bytes; a slice of the message, never empty.
    Data(Bytes),
    /// An extended reply, `X` before the ids.
    Extended(Extended),
}

/// An extended reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extended {
    /// `ctl`: keys that are absent or unknown do nothing.
    Ctl(Ctl),
    /// `ctl` with `drain`, which stands for all of it: the handler wants no more requests.
    Drain(Drain),
    /// Any other name: for the filter of that name.
    Filter {
        /// The filter's name.
        name: Bytes,
        /// Its arguments, a valid tnetstring; see [`Extended::args`].
        args: Bytes,
    },
}

/// Which handler wants no more requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drain {
    /// `true`: the one that has the unanswered requests of the connections the reply names.
    Holder,
    /// The one whose PULL socket announced this identity, 1 to 255 bytes.
    Named(Bytes),
}

/// The keys of a `ctl` reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ctl {
    /// `keep-alive` is there, with any value: restart the connection's ping clock.
    pub keep_alive: bool,
    /// `credits`: add this many bytes to the upload's credits.
    pub credits: Option<i64>,
    /// `cancel` is there and not `false`: close at once, send no notice.
    pub cancel: bool,
}

impl Reply {
    /// Reads a reply; bytes are slices of `message`, nothing is copied.
    ///
    /// # Errors
    ///
    /// A [`ReplyError`] that names the rule it breaks. Such a message concerns no connection:
    /// dropping it closes nothing.
    pub fn parse(message: &Bytes, targets_max: usize) -> Result<Self, ReplyError> {
        parse::parse(message, targets_max)
    }

    /// The connections that a reply is for, of which only the first bytes are known: those whose ids
    /// are whole.
    #[must_use]
    pub fn addressees(begins: &[u8]) -> SmallVec<[u64; 4]> {
        parse::addressees(begins)
    }
}

impl Extended {
    /// The arguments of a filter; [`Value::Null`] for `ctl`, whose keys are fields.
    #[must_use]
    pub fn args(&self) -> Value<'_> {
        match self {
            Self::Ctl(_) | Self::Drain(_) => Value::Null,
            Self::Filter { args, .. } => {
                crate::tnetstring::parse(args).map_or(Value::Null, |(value, _)| value)
            }
        }
    }
}

#[cfg(test)]
mod tests;
