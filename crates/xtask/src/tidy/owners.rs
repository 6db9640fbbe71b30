//! Who may name what: one crate per outside world, one place that tells the targets apart.

use super::Finding;
use super::source::has_word;
use super::tree::Tree;

/// A library, and the paths under which its name may stand outside tests.
const OWNERS: &[(&str, &[&str])] = &[
    ("rusqlite", &["crates/store/"]),
    ("zeromq", &["crates/bus/", "crates/zmtp/", "crates/handler/"]),
    ("hyper", &["crates/edge/", "crates/targets/src/proxy"]),
    ("hyper_util", &["crates/edge/", "crates/targets/src/proxy"]),
];

/// The one file that matches over the variants of `Target`.
const DISPATCH: &str = "crates/server/src/dispatch.rs";

pub(super) fn one_crate_per_library(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in tree.rust() {
        for (library, owners) in OWNERS {
            if owners.iter().any(|owner| file.path.starts_with(owner)) {
                continue;
            }
            let lines = source.lines(&source.code).filter(|(_, _, test)| !test);
            for (line, _, _) in lines.filter(|(_, code, _)| has_word(code, library)) {
                let message = format!("`{library}` belongs to {}", owners.join(", "));
                findings.push(Finding::new(&file.path, line, message));
            }
        }
    }
    findings
}

pub(super) fn one_match_over_target(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in tree.rust().filter(|(file, _)| file.crate_name().is_some()) {
        if file.path == DISPATCH {
            continue;
        }
        let lines = source.lines(&source.code).filter(|(_, _, test)| !test);
        for (line, _, _) in lines.filter(|(_, code, _)| takes_target_apart(code)) {
            let message = format!("`Target` is matched in {DISPATCH} alone; ask it there");
            findings.push(Finding::new(&file.path, line, message));
        }
    }
    findings
}

/// Whether a variant of `Target` stands where a pattern stands: before `=>` or after `let`.
fn takes_target_apart(code: &str) -> bool {
    let pattern = match code.split_once("=>") {
        Some((pattern, _)) => pattern,
        None => {
            let tail = code.split_once("let ").map_or(code, |(_, tail)| tail);
            let is_let = tail.len() < code.len() && tail.contains('=');
            let is_arm = code.trim_start().starts_with("| ");
            match () {
                () if is_let => tail.split('=').next().unwrap_or_default(),
                () if is_arm => code,
                () => code.split_once("matches!(").map_or("", |(_, inside)| inside),
            }
        }
    };
    has_word(pattern, "Target") && pattern.contains("Target::")
}

#[cfg(test)]
mod tests {
    use super::super::finds;
    use super::*;

    #[test]
    fn libraries() {
        let files = [
            ("crates/store/src/open.rs", "use rusqlite::Connection;\n"),
            ("crates/server/src/boot.rs", "use rusqlite::Connection;\n// rusqlite is not ours\n"),
            (
                "crates/m2sh/src/a.rs",
                "let s = \"rusqlite\";\n#[cfg(test)]\nmod tests { use rusqlite::x; }\n",
            ),
            ("crates/targets/src/proxy/pool.rs", "use hyper_util::rt;\n"),
            ("crates/targets/src/dir.rs", "use hyper_util::rt;\n"),
            ("tests/handlers.rs", "use zeromq::PullSocket;\n"),
            ("crates/wire/src/a.rs", "use zeromq::PullSocket;\n"),
        ];
        let expected = [
            "crates/server/src/boot.rs:1",
            "crates/targets/src/dir.rs:1",
            "crates/wire/src/a.rs:1",
        ];
        finds(one_crate_per_library, &files, &expected);
    }

    #[test]
    fn targets() {
        let arms = "match target {\n    Target::Dir(d) => a(d),\n    \"x\" => Target::Dir(d),\n}\n\
                    if let Target::Proxy(p) = t {}\nlet t = Target::Dir(d);\n\
                    matches!(t, Target::Handler(_));\n    | Target::Handler(_)\n\
                    ProxyTarget::A => 1,\nSome(site::Target::Dir { .. }) => 1,\n";
        let path = "crates/store/src/lower.rs";
        let expected = [2, 5, 7, 8, 10].map(|line| format!("{path}:{line}"));
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        finds(one_match_over_target, &[(path, arms)], &expected);
        finds(one_match_over_target, &[(DISPATCH, arms)], &[]);
    }
}
