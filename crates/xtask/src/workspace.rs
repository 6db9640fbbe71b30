//! Where the repository is, and what cargo says about its packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::process;

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).map_or_else(|| own.to_path_buf(), Path::to_path_buf)
}

/// A cargo command that runs in the root.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root());
    command
}

/// What `cargo metadata --no-deps` prints.
pub(crate) fn metadata() -> Result<Value, String> {
    let text = process::capture(&mut cargo(&["metadata", "--no-deps", "--format-version", "1"]))?;
    serde_json::from_str(&text).map_err(|e| format!("cargo metadata printed no JSON: {e}"))
}

/// The directory that cargo builds into.
pub(crate) fn target() -> Result<PathBuf, String> {
    let metadata = metadata()?;
    let path = metadata.get("target_directory").and_then(Value::as_str);
    path.map(PathBuf::from).ok_or_else(|| "cargo metadata names no target_directory".to_owned())
}

/// Whether a missing tool is a failure (`CI=true`) or a warning.
pub(crate) fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|v| v == "true" || v == "1")
}
