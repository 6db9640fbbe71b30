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

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parses_each_type() {
        let check = |input: &[u8], want: Value<'_>| {
            assert_eq!(parse(input), Ok((want.clone(), b"".as_slice())), "{input:?}");
            let mut out = BytesMut::new();
            write_value(&mut out, &want);
            assert_eq!(out, input, "written back");
        };
        check(b"0:~", Value::Null);
        check(b"4:true!", Value::Bool(true));
        check(b"5:false!", Value::Bool(false));
        check(b"2:42#", Value::Integer(42));
        check(b"20:-9223372036854775808#", Value::Integer(i64::MIN));
        check(b"3:1.5^", Value::Float(1.5));
        check(b"0:,", Value::Bytes(b""));
        check(b"3:a\x00,,", Value::Bytes(b"a\x00,"));
        check(b"0:]", Value::List(vec![]));
        check(b"0:}", Value::Dict(vec![]));
        let items = Value::List(vec![Value::Null, Value::Integer(1)]);
        check(b"14:1:k,7:0:~1:1#]}", Value::Dict(vec![(b"k", items)]));
    }

    #[test]
    fn returns_what_follows() {
        assert_eq!(parse(b"1:a,\0"), Ok((Value::Bytes(b"a"), b"\0".as_slice())));
        assert_eq!(parse(b"002:ab,"), Ok((Value::Bytes(b"ab"), b"".as_slice())));
    }

    #[test]
    fn refuses_what_is_no_tnetstring() {
        let check = |input: &[u8], want| assert_eq!(parse(input), Err(want), "{input:?}");
        for partial in [b"".as_slice(), b"1", b"12:", b"2:ab", b"3:ab,", b"999999999:"] {
            check(partial, TnetError::Truncated);
        }
        check(b"hello", TnetError::LengthMissing(b'h'));
        check(b"-4:]", TnetError::LengthMissing(b'-'));
        check(b"7:1:a,-4:]", TnetError::LengthMissing(b'-'));
        check(b"1x", TnetError::ColonMissing(b'x'));
        check(b"0000000001:a,", TnetError::LengthTooLong);
        check(b"1:ax", TnetError::UnknownType(b'x'));
        check(b"1:a#", TnetError::BadInteger);
        check(b"19:9223372036854775808#", TnetError::BadInteger);
        check(b"0:#", TnetError::BadInteger);
        check(b"3:nan^", TnetError::BadFloat);
        check(b"5:1e999^", TnetError::BadFloat);
        check(b"3:yes!", TnetError::BadBool);
        check(b"1:x~", TnetError::BadNull);
        check(b"4:1:1#}", TnetError::BadKey);
        check(b"4:1:a,}", TnetError::ValueMissing);
        check(b"4:9:a,]", TnetError::ItemOverrun);
        check(b"3:1:a]", TnetError::ItemOverrun);
    }

    #[test]
    fn nests_to_the_limit_and_no_deeper() {
        let nested = |levels: usize| {
            let innermost = b"0:]".to_vec();
            (1..levels).fold(innermost, |inner, _| {
                [format!("{}:", inner.len()).as_bytes(), &inner, b"]"].concat()
            })
        };
        assert!(parse(&nested(DEPTH_MAX)).is_ok());
        assert_eq!(parse(&nested(DEPTH_MAX + 1)), Err(TnetError::TooDeep));
        assert_eq!(parse(&nested(2000)), Err(TnetError::TooDeep));
    }

    #[test]
    fn lengths_of_any_width_are_patched() {
        for payload in [0, 1, 6, 7, 8, 93, 94, 95, 992, 993, 9991, 9992, 100_000] {
            let text = vec![b'x'; payload];
            let mut out = BytesMut::from(b"before ".as_slice());
            write_list(&mut out, |out| write_bytes(out, &text));
            let (value, rest) = parse(&out[7..]).unwrap();
            assert_eq!(value, Value::List(vec![Value::Bytes(&text)]), "{payload}");
            assert_eq!((rest, &out[..7]), (b"".as_slice(), b"before ".as_slice()), "{payload}");
        }
    }

    #[derive(Debug, Clone)]
    enum Owned {
        Scalar(Option<bool>),
        Integer(i64),
        Float(f64),
        Bytes(Vec<u8>),
        List(Vec<Self>),
        Dict(Vec<(Vec<u8>, Self)>),
    }

    impl Owned {
        fn borrow(&self) -> Value<'_> {
            match self {
                Self::Scalar(None) => Value::Null,
                Self::Scalar(Some(value)) => Value::Bool(*value),
                Self::Integer(number) => Value::Integer(*number),
                Self::Float(number) => Value::Float(*number),
                Self::Bytes(bytes) => Value::Bytes(bytes),
                Self::List(items) => Value::List(items.iter().map(Self::borrow).collect()),
                Self::Dict(entries) => {
                    Value::Dict(entries.iter().map(|(k, v)| (k.as_slice(), v.borrow())).collect())
                }
            }
        }
    }

    fn any_value() -> impl Strategy<Value = Owned> {
        let leaf = prop_oneof![
            any::<Option<bool>>().prop_map(Owned::Scalar),
            any::<i64>().prop_map(Owned::Integer),
            (-1e300..1e300).prop_map(Owned::Float),
            any::<Vec<u8>>().prop_map(Owned::Bytes),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Owned::List),
                prop::collection::vec((any::<Vec<u8>>(), inner), 0..8).prop_map(Owned::Dict),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_value_is_read_back(value in any_value()) {
            let mut out = BytesMut::new();
            write_value(&mut out, &value.borrow());
            prop_assert_eq!(parse(&out), Ok((value.borrow(), b"".as_slice())));
            for cut in 0..out.len() {
                prop_assert_eq!(parse(&out[..cut]).err(), Some(TnetError::Truncated));
            }
        }

        #[test]
        fn no_input_panics(input in any::<Vec<u8>>(), tail in "[0-9:,#^!~\\]}a-]{0,40}") {
            drop(parse(&input));
            drop(parse(tail.as_bytes()));
        }
    }
}
