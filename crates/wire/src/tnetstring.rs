//! Tagged netstrings: typed values as `LENGTH:payload` and one type byte.

mod parse;
mod write;

pub use parse::{DEPTH_MAX, TnetError, parse};
pub(crate) use parse::{parse_dict, split};
pub(crate) use write::{DECIMAL_MAX, decimal, patch_length, reserve_length};
pub use write::{
    write_bool, write_bytes, write_dict, write_float, write_integer, write_list, write_null,
    write_value,
};

/// A parsed value that borrows its strings from the input.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// `0:~`
    Null,
    /// `4:true!` or `5:false!`
    Bool(bool),
    /// `2:42#`
    Integer(i64),
    /// `3:1.5^`, always finite when parsed
    Float(f64),
    /// `5:hello,`
    Bytes(&'a [u8]),
    /// Values one after the other, closed by `]`.
    List(Vec<Self>),
    /// Keys and values in turn, closed by `}`. Order and duplicate keys are kept.
    Dict(Vec<(&'a [u8], Self)>),
}

impl<'a> Value<'a> {
    /// The value of the first entry with this key, `None` if there is none or this is no dictionary.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&Self> {
        let Self::Dict(entries) = self else { return None };
        entries.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// The bytes of a string value.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The number of an integer value.
    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }
}
