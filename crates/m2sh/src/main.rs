//! The `m2sh` program.

use std::io;
use std::process::ExitCode;

use m2sh::Terminal;

fn main() -> ExitCode {
    let mut terminal = Terminal { out: &mut io::stdout(), err: &mut io::stderr() };
    ExitCode::from(m2sh::run(std::env::args_os().skip(1), &mut terminal))
}
