//! The operator's tool: the configuration language, queries, start, stop, reload.
//!
//! Command lines and configuration files of Mongrel2's m2sh work unchanged. Where this one differs:
//!
//! - A configuration file with any error changes nothing in the database, and all its errors are
//!   reported with their places. That includes what only a server would refuse: a port out of range, a
//!   pattern that is malformed, a default host that is none. Mongrel2's m2sh drops the route or the
//!   filter concerned, or stores a NULL, and commits the rest.
//! - What Mongrel2's m2sh ignores in silence is a warning: unknown parameters, unused variables, a
//!   variable, parameter or key that is given twice (the last one counts).
//! - A variable may name another variable.
//! - `mimetypes` replace the content types of the extensions they name, or add them. Mongrel2's m2sh
//!   only deletes those extensions.
//! - `raw_payload` is 0 or 1; a backslash, a leading zero and everything else is kept as it is there.
//! - Exit codes: 0 done; 1 failed, with the reason on stderr; 255 a command line that cannot be carried
//!   out. A load, `start`, `stop` or `reload` that fails is not 0. `start` exits with the server's own
//!   code (128 and the signal, when a signal ended it). `running` is 0 only when every selected server
//!   runs.
//! - Options that a command does not have are refused, values keep their quotes, `--option=value` may be
//!   written, and then a value may begin with a dash.
//! - `-every`, `-name` and `-host` act on all servers they match; `control` needs exactly one.
//! - A pid file is read below the chroot, then where a server without root writes it. A process that was
//!   not started with the server's uuid is not signalled.
//! - `control` asks the port that the configuration names.
//! - `-url` and `-style` (configuration modules) are not supported.

pub mod arguments;
pub mod command;
pub mod failure;
pub mod language;
pub mod nearest;

use std::ffi::OsString;
use std::fmt;
use std::io::Write;

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

/// Says why, and returns the exit code.
fn report(failure: &Failure, terminal: &mut Terminal<'_>) -> u8 {
    if !failure.is_said() {
        // Nobody is left to tell when this fails.
        _ = writeln!(terminal.err, "m2sh: {}", failure.report());
    }
    failure.exit_code()
}
