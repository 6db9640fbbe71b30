//! What a server and its workers have used, out of /proc.

use std::collections::BTreeMap;
use std::fs;

/// Clock ticks per second in /proc/PID/stat; fixed at 100 on Linux.
const TICK_MICROSECONDS: f64 = 10_000.0;

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Usage {
    /// CPU time in user and kernel mode, all threads, in microseconds.
    pub(super) cpu: f64,
    /// Resident memory in KiB.
    pub(super) resident: f64,
}

/// The sum over a process and all that descend from it.
pub(super) fn of_family(pid: u32) -> Usage {
    let stats: BTreeMap<u32, Stat> = numbers_in_proc()
        .filter_map(|pid| {
            let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, Stat::parse(&text)?))
        })
        .collect();
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        family.extend(stats.iter().filter(|(_, s)| s.parent == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    family.iter().fold(Usage::default(), |sum, pid| Usage {
        cpu: sum.cpu + stats.get(pid).map_or(0.0, |stat| stat.ticks * TICK_MICROSECONDS),
        resident: sum.resident + resident(*pid),
    })
}

fn numbers_in_proc() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

#[derive(Debug, PartialEq)]
struct Stat {
    parent: u32,
    ticks: f64,
}

impl Stat {
    /// proc(5): the name in parentheses may hold anything, the rest is counted from its end.
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<f64>().ok();
        // state is field 3 of the manual page and stands at index 0 here.
        Some(Self { parent: fields.get(1)?.parse().ok()?, ticks: number(11)? + number(12)? })
    }
}

fn resident(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_lines() {
        let text = "42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 150 50 9 9 20 0 1 0 5";
        assert_eq!(Stat::parse(text), Some(Stat { parent: 7, ticks: 200.0 }));
    }

    #[test]
    fn we_use_memory_ourselves() {
        assert!(of_family(std::process::id()).resident > 100.0);
    }
}
