//! Reads tnetstrings: one pass, no copies, bounded nesting.

use super::Value;

/// Lists and dictionaries may nest this deep. Messages of this protocol need four levels.
pub const DEPTH_MAX: usize = 16;

/// The specification ends lengths at nine digits.
const LENGTH_DIGITS_MAX: usize = 9;

/// Why bytes are not a tnetstring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TnetError {
    /// The bytes so far could begin a value; more are needed.
    #[error("tnetstring ends before its length is reached")]
    Truncated,
    /// The first byte is no digit.
    #[error("tnetstring starts with byte 0x{0:02x}, expected a decimal length")]
    LengthMissing(u8),
    /// The byte behind the length digits is no colon.
    #[error("byte 0x{0:02x} follows a tnetstring's length, expected ':'")]
    ColonMissing(u8),
    /// More than nine digits.
    #[error("tnetstring length has more than 9 digits, at most 999999999 is accepted")]
    LengthTooLong,
    /// The byte behind the payload names no type.
    #[error("tnetstring type 0x{0:02x} is unknown, expected one of , # ^ ! ~ ] }}")]
    UnknownType(u8),
    /// `#` with something other than a 64-bit decimal integer.
    #[error("tnetstring integer is not a decimal number of 64 bits")]
    BadInteger,
    /// `^` with something other than a finite decimal number.
    #[error("tnetstring float is not a finite decimal number")]
    BadFloat,
    /// `!` with something other than `true` or `false`.
    #[error("tnetstring boolean is neither 'true' nor 'false'")]
    BadBool,
    /// `~` with a payload.
    #[error("tnetstring null has a payload, expected length 0")]
    BadNull,
    /// A dictionary key that is not a string.
    #[error("tnetstring dictionary key is not a string")]
    BadKey,
    /// A dictionary that ends behind a key.
    #[error("tnetstring dictionary ends behind a key, expected a value")]
    ValueMissing,
    /// An item of a list or dictionary reaches over its end.
    #[error("tnetstring item reaches over the end of its list or dictionary")]
    ItemOverrun,
    /// Nested deeper than [`DEPTH_MAX`].
    #[error("tnetstring nests deeper than 16 levels")]
    TooDeep,
}

/// Reads one value from the start of `input`; also returns what follows it.
///
/// # Errors
///
/// [`TnetError::Truncated`] when more bytes could complete the value, any other when none can.
pub fn parse(input: &[u8]) -> Result<(Value<'_>, &[u8]), TnetError> {
    parse_nested(input, DEPTH_MAX)
}

/// Reads the payload of a dictionary whose length and type are known already.
pub(crate) fn parse_dict(payload: &[u8]) -> Result<Vec<(&[u8], Value<'_>)>, TnetError> {
    dict(payload, DEPTH_MAX)
}

fn parse_nested(input: &[u8], depth_left: usize) -> Result<(Value<'_>, &[u8]), TnetError> {
    let (payload, tag, rest) = split(input)?;
    let value = match tag {
        b',' => Value::Bytes(payload),
        b'#' => Value::Integer(integer(payload)?),
        b'^' => Value::Float(float(payload)?),
        b'!' => match payload {
            b"true" => Value::Bool(true),
            b"false" => Value::Bool(false),
            _ => return Err(TnetError::BadBool),
        },
        b'~' if payload.is_empty() => Value::Null,
        b'~' => return Err(TnetError::BadNull),
        b']' => Value::List(list(payload, depth_left)?),
        b'}' => Value::Dict(dict(payload, depth_left)?),
        other => return Err(TnetError::UnknownType(other)),
    };
    Ok((value, rest))
}

/// Cuts `LENGTH:payload TAG` off the front of `input`.
pub(crate) fn split(input: &[u8]) -> Result<(&[u8], u8, &[u8]), TnetError> {
    let digits = input.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits > LENGTH_DIGITS_MAX {
        return Err(TnetError::LengthTooLong);
    }
    let (length, rest) = input.split_at_checked(digits).ok_or(TnetError::Truncated)?;
    let (colon, rest) = rest.split_first().ok_or(TnetError::Truncated)?;
    if digits == 0 {
        return Err(TnetError::LengthMissing(*colon));
    }
    if *colon != b':' {
        return Err(TnetError::ColonMissing(*colon));
    }
    let length = length.iter().fold(0_usize, |sum, digit| {
        sum.saturating_mul(10).saturating_add(usize::from(digit.wrapping_sub(b'0')))
    });
    let (payload, rest) = rest.split_at_checked(length).ok_or(TnetError::Truncated)?;
    let (tag, rest) = rest.split_first().ok_or(TnetError::Truncated)?;
    Ok((payload, *tag, rest))
}

fn list(mut payload: &[u8], depth_left: usize) -> Result<Vec<Value<'_>>, TnetError> {
    let depth_left = depth_left.checked_sub(1).ok_or(TnetError::TooDeep)?;
    let mut items = Vec::new();
    while !payload.is_empty() {
        let (item, rest) = parse_nested(payload, depth_left).map_err(inner)?;
        items.push(item);
        payload = rest;
    }
    Ok(items)
}

fn dict(mut payload: &[u8], depth_left: usize) -> Result<Vec<(&[u8], Value<'_>)>, TnetError> {
    let depth_left = depth_left.checked_sub(1).ok_or(TnetError::TooDeep)?;
    let mut entries = Vec::new();
    while !payload.is_empty() {
        let (key, tag, rest) = split(payload).map_err(inner)?;
        if tag != b',' {
            return Err(TnetError::BadKey);
        }
        if rest.is_empty() {
            return Err(TnetError::ValueMissing);
        }
        let (value, rest) = parse_nested(rest, depth_left).map_err(inner)?;
        entries.push((key, value));
        payload = rest;
    }
    Ok(entries)
}

/// Inside a container all bytes are there already, so no further ones can help.
fn inner(error: TnetError) -> TnetError {
    match error {
        TnetError::Truncated => TnetError::ItemOverrun,
        other => other,
    }
}

fn integer(payload: &[u8]) -> Result<i64, TnetError> {
    std::str::from_utf8(payload)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(TnetError::BadInteger)
}

fn float(payload: &[u8]) -> Result<f64, TnetError> {
    std::str::from_utf8(payload)
        .ok()
        .and_then(|text| text.parse::<f64>().ok())
        .filter(|number| number.is_finite())
        .ok_or(TnetError::BadFloat)
}
