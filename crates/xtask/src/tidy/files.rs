//! What a file is called, how it begins, how long it is.

use super::Finding;
use super::tree::Tree;

/// Lines of code a file may have, tests not counted.
const SIZE_MAX: usize = 600;

/// Names that invite everything, and so say nothing.
const BANNED: &[&str] =
    &["util", "utils", "helper", "helpers", "common", "misc", "manager", "stuff"];

pub(super) fn open_with_purpose(tree: &Tree) -> Vec<Finding> {
    let purpose = |text: &str| {
        let first = text.lines().next().unwrap_or_default();
        first.strip_prefix("//! ").is_some_and(|sentence| !sentence.trim().is_empty())
    };
    tree.rust()
        .filter(|(file, _)| !purpose(&file.text))
        .map(|(file, _)| Finding::new(&file.path, 1, "open with `//!` and one sentence of purpose"))
        .collect()
}

pub(super) fn have_a_bounded_size(tree: &Tree) -> Vec<Finding> {
    tree.rust()
        .map(|(file, source)| (file, source.size()))
        .filter(|(_, size)| *size > SIZE_MAX)
        .map(|(file, size)| {
            let message = format!("{size} lines of code, the most is {SIZE_MAX}; split by noun");
            Finding::new(&file.path, 0, message)
        })
        .collect()
}

pub(super) fn have_a_telling_name(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        let names = file.path.split('/').map(|part| part.split('.').next().unwrap_or(part));
        for name in names.filter(|name| BANNED.contains(&name.to_ascii_lowercase().as_str())) {
            let message = format!("`{name}` says nothing; name it by the noun it serves");
            findings.push(Finding::new(&file.path, 0, message));
        }
        if file.path.ends_with("/mod.rs") {
            let message = "`foo.rs` beside `foo/`, never `foo/mod.rs`";
            findings.push(Finding::new(&file.path, 0, message));
        }
    }
    findings
}

/// One line on how large the files are.
pub(super) fn sizes(tree: &Tree) -> String {
    let mut sizes: Vec<usize> = tree.rust().map(|(_, s)| s.size()).filter(|s| *s > 0).collect();
    sizes.sort_unstable();
    let at = |share: usize| sizes.get((sizes.len() * share / 100).min(sizes.len().max(1) - 1));
    let [median, p90, most] = [at(50), at(90), sizes.last()].map(|s| s.copied().unwrap_or(0));
    format!(
        "{} Rust files, lines of code: median {median}, 90th percentile {p90}, largest {most}",
        sizes.len()
    )
}

#[cfg(test)]
mod tests {
    use super::super::finds;
    use super::*;

    #[test]
    fn purpose() {
        let files = [
            ("crates/a/src/lib.rs", "//! Does a thing.\n"),
            ("crates/a/src/none.rs", "use std::fs;\n"),
            ("crates/a/src/empty.rs", "//!\n//! Late.\n"),
            ("crates/a/src/late.rs", "\n//! Late.\n"),
            ("docs/a.md", "# no\n"),
        ];
        finds(
            open_with_purpose,
            &files,
            &["crates/a/src/none.rs:1", "crates/a/src/empty.rs:1", "crates/a/src/late.rs:1"],
        );
    }

    #[test]
    fn size() {
        let code = "fn a() {}\n".repeat(600);
        let tests = format!("{code}#[cfg(test)]\nmod tests {{\n{code}}}\n");
        let long = format!("{code}fn b() {{}}\n");
        let files = [
            ("a.rs", code.as_str()),
            ("b.rs", tests.as_str()),
            ("c.rs", long.as_str()),
            ("tests/d.rs", long.as_str()),
            ("e/tests.rs", long.as_str()),
        ];
        finds(have_a_bounded_size, &files, &["c.rs:0"]);
    }

    #[test]
    fn names() {
        let files = [
            ("crates/a/src/utils.rs", ""),
            ("tests/Common/x.rs", ""),
            ("crates/a/src/b/mod.rs", ""),
            ("crates/a/src/commonplace.rs", ""),
            ("tests/interop/helpers.py", ""),
        ];
        let expected = [
            "crates/a/src/utils.rs:0",
            "tests/Common/x.rs:0",
            "crates/a/src/b/mod.rs:0",
            "tests/interop/helpers.py:0",
        ];
        finds(have_a_telling_name, &files, &expected);
    }

    #[test]
    fn statistics() {
        let lines = |n: usize| "x\n".repeat(n);
        let texts: Vec<(String, String)> =
            (1..=10).map(|n| (format!("{n}.rs"), lines(n))).collect();
        let files: Vec<(&str, &str)> =
            texts.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
        assert_eq!(
            sizes(&Tree::of(&files)),
            "10 Rust files, lines of code: median 6, 90th percentile 10, largest 10"
        );
    }
}
