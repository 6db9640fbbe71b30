//! The files the rules look at, read once.

use std::path::Path;

use super::source::Source;

/// Directories that hold no source of ours, by their path from the root.
const SKIPPED: &[&str] = &["target", "tests/golden", "tests/corpus", "docs/book", "benches/runs"];
const READ: &[&str] = &["rs", "toml", "py", "md"];

/// A text file, by its path from the root.
#[derive(Debug)]
pub(super) struct TextFile {
    pub(super) path: String,
    pub(super) text: String,
    /// Present for Rust.
    pub(super) source: Option<Source>,
}

impl TextFile {
    fn new(path: String, text: String) -> Self {
        let source = path.ends_with(".rs").then(|| Source::new(&text, is_test_file(&path)));
        Self { path, text, source }
    }

    /// The name of the crate the file belongs to: `crates/<name>/...`.
    pub(super) fn crate_name(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }
}

#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) files: Vec<TextFile>,
}

impl Tree {
    pub(super) fn load(root: &Path) -> Result<Self, String> {
        let mut tree = Self::default();
        tree.add(root, root).map_err(|e| format!("{}: {e}", root.display()))?;
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    fn add(&mut self, root: &Path, directory: &Path) -> std::io::Result<()> {
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let path = entry.path();
            let inside = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
            if is_hidden || SKIPPED.contains(&inside.as_str()) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                self.add(root, &path)?;
            } else if path.extension().is_some_and(|e| READ.iter().any(|r| e == *r)) {
                let text = std::fs::read_to_string(&path)?;
                self.files.push(TextFile::new(inside, text));
            }
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| TextFile::new((*path).into(), (*text).into());
        Self { files: files.iter().map(file).collect() }
    }

    /// The Rust files, with their text as the rules see it.
    pub(super) fn rust(&self) -> impl Iterator<Item = (&TextFile, &Source)> {
        self.files.iter().filter_map(|file| Some((file, file.source.as_ref()?)))
    }

    pub(super) fn file(&self, path: &str) -> Option<&TextFile> {
        self.files.iter().find(|file| file.path == path)
    }
}

fn is_test_file(path: &str) -> bool {
    let is_named_so = path.ends_with("/tests.rs") || path.ends_with("_tests.rs");
    is_named_so || path.split('/').rev().skip(1).any(|part| part == "tests")
}
