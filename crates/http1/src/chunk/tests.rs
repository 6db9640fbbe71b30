//! Tests of chunk headers.
