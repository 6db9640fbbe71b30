//! `shell`: commands line by line.

use std::env;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::process::Command;

use crate::Terminal;
use crate::arguments::Options;
use crate::failure::Failure;

const PROMPT: &str = "mongrel2> ";

/// Reads commands from stdin until its end; one that fails does not end the shell.
pub(super) fn run(_: &Options, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let stdin = io::stdin();
    let prompt = if stdin.is_terminal() { PROMPT } else { "" };
    let mut line = String::new();
    loop {
        write!(terminal.out, "{prompt}")?;
        terminal.out.flush()?;
        line.clear();
        if stdin.lock().read_line(&mut line).map_err(Failure::Input)? == 0 {
            return Ok(());
        }
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        match words.first().map(String::as_str) {
            None | Some("shell") => {}
            Some("quit" | "exit") => return Ok(()),
            Some("start") => start(&words)?,
            Some(_) => {
                if let Err(failure) = super::run(&words, terminal)
                    && !failure.is_said()
                {
                    writeln!(terminal.err, "m2sh: {}", failure.report())?;
                }
            }
        }
    }
}

/// `start` changes what signals do to its process, so it has one of its own.
fn start(words: &[String]) -> Result<(), Failure> {
    let failed = |source| Failure::Spawn { program: "m2sh".into(), source };
    let program = env::current_exe().map_err(failed)?;
    Command::new(program).args(words).status().map_err(failed)?;
    Ok(())
}
