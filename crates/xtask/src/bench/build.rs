//! Builds what is measured, as it is shipped.

use std::path::PathBuf;

use crate::{process, workspace};

const PROFILE: &str = "dist";

/// Builds what `what` selects, in the manner of `cargo build`.
pub(super) fn build(what: &[&str]) -> Result<(), String> {
    process::run(workspace::cargo(&["build", "--profile", PROFILE]).args(what))
}

/// The server, its tool and the handler that is measured with it.
pub(super) fn servers() -> Result<(), String> {
    build(&["--package", "server", "--package", "m2sh"])?;
    handler()
}

pub(super) fn handler() -> Result<(), String> {
    build(&["--package", "benches", "--bin", "echo_handler"])
}

/// Where programs are then.
pub(super) fn programs() -> Result<PathBuf, String> {
    Ok(workspace::target()?.join(PROFILE))
}
