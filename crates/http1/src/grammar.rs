//! The character classes of RFC 9110 and RFC 3986 as tables.
