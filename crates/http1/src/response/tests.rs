//! Tests of response tracking.
