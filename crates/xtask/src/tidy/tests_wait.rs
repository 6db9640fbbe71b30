//! Tests wait for events with a deadline, take the port they are given, and are run.

use super::Finding;
use super::source::has_word;
use super::tree::Tree;

/// Calls that take an address.
const OPENERS: &[&str] = &["bind(", "connect(", "listen("];

pub(super) fn never_sleep(tree: &Tree) -> Vec<Finding> {
    let message = "a test waits for the event with a deadline, it never sleeps";
    in_tests(tree, message, |code, _| code.contains("sleep(") && has_word(code, "sleep"))
}

pub(super) fn never_fix_a_port(tree: &Tree) -> Vec<Finding> {
    in_tests(tree, "bind port 0 and ask which one it was", |code, literals| {
        OPENERS.iter().any(|call| code.contains(call)) && names_a_port(literals)
    })
}

pub(super) fn never_ignore_without_a_reason(tree: &Tree) -> Vec<Finding> {
    let message = "write why: `#[ignore = \"...\"]`";
    in_tests(tree, message, |code, _| code.replace(' ', "").contains("#[ignore]"))
}

fn in_tests(tree: &Tree, message: &str, is_wrong: impl Fn(&str, &str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in tree.rust() {
        let lines = source.lines(&source.code).zip(source.literals.lines());
        for ((line, code, test), literals) in lines {
            if test && is_wrong(code, literals) {
                findings.push(Finding::new(&file.path, line, message));
            }
        }
    }
    findings
}

/// Whether a literal holds an address of this machine with a port other than 0.
fn names_a_port(literals: &str) -> bool {
    ["127.0.0.1:", "localhost:", "0.0.0.0:", "[::1]:", "[::]:"].iter().any(|host| {
        literals
            .match_indices(host)
            .filter_map(|(at, _)| literals.get(at + host.len()..)?.chars().next())
            .any(|first| ('1'..='9').contains(&first))
    })
}

#[cfg(test)]
mod tests {
    use super::super::finds;
    use super::*;

    #[test]
    fn sleeps() {
        let text = "sleep(a).await;\n#[cfg(test)]\nmod tests {\n    thread::sleep(b);\n    \
                    asleep(c);\n}\n";
        finds(never_sleep, &[("crates/a/src/a.rs", text)], &["crates/a/src/a.rs:4"]);
        finds(never_sleep, &[("tests/a.rs", "tokio::time::sleep(d)\n")], &["tests/a.rs:1"]);
    }

    #[test]
    fn ports() {
        let text = "TcpListener::bind(\"127.0.0.1:8080\")\nTcpListener::bind(\"127.0.0.1:0\")\n\
                    parse(\"127.0.0.1:8080\")\nconnect(\"tcp://[::1]:99\")\n";
        finds(never_fix_a_port, &[("tests/a.rs", text)], &["tests/a.rs:1", "tests/a.rs:4"]);
        finds(never_fix_a_port, &[("crates/a/src/a.rs", text)], &[]);
    }

    #[test]
    fn ignored() {
        let text = "#[ignore]\nfn a() {}\n#[ignore = \"takes an hour\"]\nfn b() {}\n";
        finds(never_ignore_without_a_reason, &[("tests/a.rs", text)], &["tests/a.rs:1"]);
    }
}
