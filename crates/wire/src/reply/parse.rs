//! Reads replies: strict grammar, slices instead of copies.

use bytes::Bytes;
use smallvec::SmallVec;

use super::{Ctl, Drain, Extended, Reply, ReplyBody};
use crate::tnetstring::{self, TnetError, Value};

/// Why a handler's message is not a reply. Each drops the message and closes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// The sender is empty, holds another byte, or no space follows it.
    #[error("sender of a reply is not letters, digits and '-' followed by a space")]
    BadSender,
    /// No decimal length and colon before the ids.
    #[error("id list of a reply has no decimal length with a colon")]
    BadLength,
    /// The ids do not end in a comma where the length says.
    #[error("id list of a reply is not as long as its length says, or no ',' follows it")]
    LengthMismatch,
    /// Something other than digits, each separated by one space.
    #[error("id list of a reply holds something other than digits separated by single spaces")]
    BadId,
    /// An id of more than 64 bits.
    #[error("id in a reply is over 18446744073709551615")]
    IdTooBig,
    /// No ids.
    #[error("reply names no connection, expected at least one id")]
    NoTargets,
    /// More ids than `limits.handler_targets`.
    #[error("reply names more connections than limits.handler_targets, {max}")]
    TooManyTargets {
        /// The limit in force.
        max: usize,
    },
    /// No space behind the comma.
    #[error("reply has no space between ids and body")]
    BodySeparator,
    /// The body of an extended reply is no tnetstring.
    #[error("body of an extended reply is not a tnetstring")]
    ExtendedSyntax(#[source] TnetError),
    /// The body of an extended reply is something other than a list of a string and arguments.
    #[error("body of an extended reply is not a list of two items, a name and its arguments")]
    ExtendedShape,
    /// Bytes follow the list.
    #[error("bytes follow the list of an extended reply")]
    ExtendedTrailing,
    /// `ctl` with something other than a dictionary.
    #[error("arguments of a ctl reply are not a dictionary")]
    CtlArgs,
    /// `credits` is not an integer.
    #[error("credits of a ctl reply are not an integer")]
    CtlCredits,
    /// `drain` is neither a boolean nor an identity.
    #[error("drain of a ctl reply is neither true nor an identity of 1 to 255 bytes")]
    CtlDrain,
}

/// Longest identity in ZMTP.
const IDENTITY_MAX: usize = 255;

pub(super) fn parse(message: &Bytes, targets_max: usize) -> Result<Reply, ReplyError> {
    let (sender, rest) = split_sender(message)?;
    let (length, rest) = list_length(rest)?;
    let (list, rest) = rest.split_at_checked(length).ok_or(ReplyError::LengthMismatch)?;
    let rest = rest.strip_prefix(b",").ok_or(ReplyError::LengthMismatch)?;
    let body = rest.strip_prefix(b" ").ok_or(ReplyError::BodySeparator)?;
    let (extended, list) = match list.strip_prefix(b"X") {
        Some([]) => return Err(ReplyError::NoTargets),
        Some(rest) => (true, rest.strip_prefix(b" ").ok_or(ReplyError::BadId)?),
        None => (false, list),
    };
    let targets = targets(list, targets_max)?;
    let body = message.slice_ref(body);
    let body = match (extended, body.is_empty()) {
        (true, _) => ReplyBody::Extended(parse_extended(&body)?),
        (false, true) => ReplyBody::Close,
        (false, false) => ReplyBody::Data(body),
    };
    Ok(Reply { sender: message.slice_ref(sender), targets, body })
}

/// The ids that stand whole in the first bytes of a reply; none if it does not begin as one.
pub(super) fn addressees(begins: &[u8]) -> SmallVec<[u64; 4]> {
    let Ok((length, rest)) = split_sender(begins).and_then(|(_, rest)| list_length(rest)) else {
        return SmallVec::new();
    };
    let list = match rest.get(..length) {
        Some(whole) => whole,
        // The last one may go on.
        None => rest.rsplitn(2, |byte| *byte == b' ').nth(1).unwrap_or_default(),
    };
    targets(list.strip_prefix(b"X ").unwrap_or(list), usize::MAX).unwrap_or_default()
}

/// The sender, and what follows the space behind it.
fn split_sender(message: &[u8]) -> Result<(&[u8], &[u8]), ReplyError> {
    let sender_len =
        message.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-').count();
    let (sender, rest) = message.split_at_checked(sender_len).ok_or(ReplyError::BadSender)?;
    let rest = rest.strip_prefix(b" ").ok_or(ReplyError::BadSender)?;
    if sender.is_empty() { Err(ReplyError::BadSender) } else { Ok((sender, rest)) }
}

/// Reads `LENGTH:`; leading zeros are fine.
fn list_length(input: &[u8]) -> Result<(usize, &[u8]), ReplyError> {
    let digits_len = input.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = input.split_at_checked(digits_len).ok_or(ReplyError::BadLength)?;
    let rest = rest.strip_prefix(b":").ok_or(ReplyError::BadLength)?;
    let length = decimal_u64(digits).ok_or(ReplyError::BadLength)?;
    let length = usize::try_from(length).map_err(|_| ReplyError::LengthMismatch)?;
    Ok((length, rest))
}

/// Digits separated by single spaces; one space may follow the last id.
fn targets(list: &[u8], targets_max: usize) -> Result<SmallVec<[u64; 4]>, ReplyError> {
    let list = list.strip_suffix(b" ").unwrap_or(list);
    if list.is_empty() {
        return Err(ReplyError::NoTargets);
    }
    let mut ids = SmallVec::new();
    for digits in list.split(|byte| *byte == b' ') {
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(ReplyError::BadId);
        }
        if ids.len() >= targets_max {
            return Err(ReplyError::TooManyTargets { max: targets_max });
        }
        ids.push(decimal_u64(digits).ok_or(ReplyError::IdTooBig)?);
    }
    Ok(ids)
}

/// `None` for no digits or more than 64 bits.
fn decimal_u64(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, digit| {
        sum.checked_mul(10)?.checked_add(u64::from(digit.wrapping_sub(b'0')))
    })
}

fn parse_extended(body: &Bytes) -> Result<Extended, ReplyError> {
    let (value, rest) = tnetstring::parse(body).map_err(ReplyError::ExtendedSyntax)?;
    if !rest.is_empty() {
        return Err(ReplyError::ExtendedTrailing);
    }
    let Value::List(items) = value else { return Err(ReplyError::ExtendedShape) };
    let [Value::Bytes(name), args] = items.as_slice() else {
        return Err(ReplyError::ExtendedShape);
    };
    if *name == b"ctl" {
        return ctl(args);
    }
    Ok(Extended::Filter { name: body.slice_ref(name), args: args_bytes(body, name)? })
}

/// The second item of a list of two as bytes: all of the payload behind the first.
fn args_bytes(body: &Bytes, name: &[u8]) -> Result<Bytes, ReplyError> {
    let (payload, _, _) = tnetstring::split(body).map_err(ReplyError::ExtendedSyntax)?;
    let (first, _, rest) = tnetstring::split(payload).map_err(ReplyError::ExtendedSyntax)?;
    debug_assert_eq!(first, name, "the payload was parsed before");
    Ok(body.slice_ref(rest))
}

fn ctl(args: &Value<'_>) -> Result<Extended, ReplyError> {
    if !matches!(args, Value::Dict(_)) {
        return Err(ReplyError::CtlArgs);
    }
    let credits = args
        .get(b"credits")
        .map(|credits| credits.as_integer().ok_or(ReplyError::CtlCredits))
        .transpose()?;
    match args.get(b"drain") {
        None | Some(Value::Bool(false)) => {}
        Some(Value::Bool(true)) => return Ok(Extended::Drain(Drain::Holder)),
        Some(Value::Bytes(name)) if (1..=IDENTITY_MAX).contains(&name.len()) => {
            return Ok(Extended::Drain(Drain::Named(Bytes::copy_from_slice(name))));
        }
        Some(_) => return Err(ReplyError::CtlDrain),
    }
    Ok(Extended::Ctl(Ctl {
        keep_alive: args.get(b"keep-alive").is_some(),
        credits,
        cancel: args.get(b"cancel").is_some_and(|cancel| *cancel != Value::Bool(false)),
    }))
}
