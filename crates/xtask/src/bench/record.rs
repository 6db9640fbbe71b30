//! A comparison's place in `benches/runs`: what was measured, of what, on what machine.

use std::fs;
use std::process::Command;

use crate::{process, workspace};

/// Writes `benches/runs/<date>-<name>/summary.md`. `how` is Markdown, as `table` is.
pub(super) fn write(
    name: &str,
    versions: &[(&str, String)],
    how: &str,
    table: &str,
) -> Result<(), String> {
    let date = process::capture(Command::new("date").args(["-u", "+%F"]))?;
    let directory = workspace::root().join("benches/runs").join(format!("{}-{name}", date.trim()));
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|l| l.strip_prefix("model name")?.split_once(": "));
    let machine = [
        ("commit", first_line("git", &["describe", "--always", "--dirty"])),
        ("processor", model.map(|(_, model)| model.to_owned()).unwrap_or_default()),
        ("cores", first_line("nproc", &[])),
        ("kernel", first_line("uname", &["-sr"])),
    ];
    let mut text = format!("# {name}, {}\n\n", date.trim());
    for (what, value) in machine.iter().chain(versions) {
        text.push_str(&format!("- {what}: {value}\n"));
    }
    text.push_str(&format!("{how}\n\n{table}"));
    let path = directory.join("summary.md");
    let written = fs::create_dir_all(&directory).and_then(|()| fs::write(&path, text));
    written.map_err(|e| format!("{}: {e}", path.display()))?;
    println!("recorded in {}", path.display());
    Ok(())
}

/// The first line that a program prints, nothing if it can't be asked.
pub(super) fn first_line(program: &str, args: &[&str]) -> String {
    let program = process::locate(program).unwrap_or_else(|| program.into());
    let output = Command::new(program).args(args).output();
    let text = output.map(|o| [o.stdout, o.stderr].concat()).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned()
}

/// The version of a Debian package.
pub(super) fn package(name: &str) -> String {
    first_line("dpkg-query", &["-W", "-f=${Version}", name])
}
