//! `log` and `commit`: who did what to the configuration, and why.

use std::{env, fs};

use store::LogEntry;

use super::{database, list, or_default};
use crate::Terminal;
use crate::arguments::Options;
use crate::failure::Failure;

pub(super) fn run(options: &Options, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let rows = store::read_log(&database(options, terminal)?)?;
    writeln!(terminal.out, "LOG MESSAGES:\n------")?;
    let lines = rows.into_iter().map(|row| {
        let LogEntry { who, what, location, how, why } = row.entry;
        [row.happened_at, who, location, how, what, why]
    });
    list::print(lines, terminal)
}

pub(super) fn commit(options: &Options, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let database = database(options, terminal)?;
    let entry = LogEntry {
        who: who(),
        what: or_default(options, "what", "", terminal)?,
        location: options.get("where").map_or_else(location, str::to_owned),
        how: or_default(options, "how", "m2sh", terminal)?,
        why: options.get("why").unwrap_or_default().to_owned(),
    };
    Ok(store::append_log(&database, &entry)?)
}

/// The name of the person: the login name, also behind sudo; else that of the process's user.
pub(super) fn who() -> String {
    let given = env::var("LOGNAME").or_else(|_| env::var("USER")).ok();
    given.filter(|name| !name.is_empty()).unwrap_or_else(|| {
        let user = nix::unistd::User::from_uid(nix::unistd::getuid());
        user.ok().flatten().map_or_else(|| nix::unistd::getuid().to_string(), |user| user.name)
    })
}

/// The name of this machine.
pub(super) fn location() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    name.or_else(|| env::var("HOSTNAME").ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}
