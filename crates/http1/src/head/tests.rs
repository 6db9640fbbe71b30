//! Tests of request heads.
