//! The program as it is run: golden configurations, Debian's m2sh beside ours, outputs and exit codes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "says what was not compared")]

#[path = "m2sh/commands.rs"]
mod commands;
#[path = "m2sh/examples.rs"]
mod examples;
#[path = "m2sh/golden.rs"]
mod golden;
#[path = "m2sh/program.rs"]
mod program;
#[path = "m2sh/servers.rs"]
mod servers;
#[path = "m2sh/shape.rs"]
mod shape;
