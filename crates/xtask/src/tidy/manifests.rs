//! What every manifest of the workspace says.

use super::Finding;
use super::tree::Tree;

pub(super) fn inherit_the_lints(tree: &Tree) -> Vec<Finding> {
    tree.files
        .iter()
        .filter(|file| file.path.ends_with("Cargo.toml"))
        // A manifest with a workspace table of its own is a root.
        .filter(|file| !file.text.lines().any(|line| line.trim() == "[workspace]"))
        .filter(|file| {
            let mut lines = file.text.lines().map(str::trim).skip_while(|line| *line != "[lints]");
            lines.nth(1) != Some("workspace = true")
        })
        .map(|file| Finding::new(&file.path, 0, "add `[lints]` with `workspace = true` under it"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::finds;
    use super::*;

    #[test]
    fn lints() {
        let files = [
            ("Cargo.toml", "[workspace]\n"),
            ("crates/a/Cargo.toml", "[package]\n\n[lints]\nworkspace = true\n"),
            ("crates/b/Cargo.toml", "[package]\n[dependencies]\nworkspace = true\n"),
            ("crates/c/Cargo.toml", "[lints.rust]\nunsafe_code = \"allow\"\n"),
        ];
        finds(inherit_the_lints, &files, &["crates/b/Cargo.toml:0", "crates/c/Cargo.toml:0"]);
    }
}
