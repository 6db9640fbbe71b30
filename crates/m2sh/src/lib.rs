//! The operator's tool: the configuration language, queries, start, stop, reload.

pub mod arguments;
pub mod command;
pub mod failure;
pub mod language;
pub mod nearest;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};

use failure::Failure;

/// Where a command writes: results to `out`, everything else to `err`.
pub struct Terminal<'a> {
    pub out: &'a mut dyn Write,
    pub err: &'a mut dyn Write,
}

impl fmt::Debug for Terminal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminal").finish_non_exhaustive()
    }
}

/// Runs the command that `arguments` (without the program's name) say and returns the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>, terminal: &mut Terminal<'_>) -> u8 {
    let done = arguments::words(arguments).and_then(|words| command::run(&words, terminal));
    let done = done.and_then(|()| terminal.out.flush().map_err(Failure::Output));
    match done {
        Ok(()) => 0,
        Err(failure) => report(&failure, terminal),
    }
}

/// Says why, and returns the exit code. A reader that went away needs no message.
fn report(failure: &Failure, terminal: &mut Terminal<'_>) -> u8 {
    let gone =
        matches!(failure, Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe);
    if !gone && !matches!(failure, Failure::Status(_)) {
        // Nobody is left to tell when this fails.
        _ = writeln!(terminal.err, "m2sh: {}", failure.report());
    }
    failure.exit_code()
}
