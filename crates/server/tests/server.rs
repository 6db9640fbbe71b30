//! The program as it is run, and what two of its parts must agree about.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "server/control.rs"]
mod control;
#[path = "server/endpoints.rs"]
mod endpoints;
#[path = "server/process.rs"]
mod process;
#[path = "server/rows.rs"]
mod rows;
