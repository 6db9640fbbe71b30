//! `server DATABASE UUID`: runs one server of a configuration database.

use clap::Parser;
use server::{Options, program};
use std::process::ExitCode;

fn main() -> ExitCode {
    program::main(Options::parse())
}
