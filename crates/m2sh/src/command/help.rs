//! `help` and `version`.

use super::{COMMANDS, Command};
use crate::Terminal;
use crate::arguments::{OptionValue, Options};
use crate::failure::Failure;

pub(super) fn version(_: &Options, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    Ok(writeln!(terminal.out, "Lurcher/{}", env!("CARGO_PKG_VERSION"))?)
}

pub(super) fn run(options: &Options, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    match options.get("on") {
        None => {
            writeln!(terminal.out, "m2sh has these commands available:\n")?;
            for Command { name, summary, .. } in COMMANDS {
                writeln!(terminal.out, "{name:>8}  {summary}")?;
            }
            Ok(())
        }
        Some(name) => explain(super::find(name)?, terminal),
    }
}

fn explain(command: &Command, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    writeln!(terminal.out, "{}\t{}", command.name, command.summary)?;
    for option in command.options {
        let usage = match option.value {
            OptionValue::None => format!("-{}", option.name),
            OptionValue::Optional(value) => format!("-{} [{value}]", option.name),
            OptionValue::Needed(value) => format!("-{} {value}", option.name),
        };
        writeln!(terminal.out, "    {usage:16}  {}", option.summary)?;
    }
    Ok(())
}
