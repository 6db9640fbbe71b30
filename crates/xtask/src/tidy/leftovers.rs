//! Notes to oneself that must not be committed.

use super::Finding;
use super::source::has_word;
use super::tree::Tree;

const NOTES: &[&str] = &["TODO", "FIXME", "XXX", "HACK"];
const MACROS: &[&str] = &["dbg!", "todo!", "unimplemented!"];

pub(super) fn nothing_left_behind(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in tree.rust() {
        for (line, text, _) in source.lines(&source.comments) {
            for note in NOTES.iter().filter(|note| has_word(text, note)) {
                let message = format!("a leftover {note}; do it, or open an issue");
                findings.push(Finding::new(&file.path, line, message));
            }
        }
        for (line, text, _) in source.lines(&source.code) {
            for name in MACROS.iter().filter(|name| has_word(text, name)) {
                findings.push(Finding::new(&file.path, line, format!("a leftover `{name}`")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::finds;
    use super::*;

    #[test]
    fn leftovers() {
        let text = "// TODO: later\nlet a = dbg!(1);\nlet b = \"FIXME\"; // TODOS\ntodo!()\n";
        finds(nothing_left_behind, &[("a.rs", text)], &["a.rs:1", "a.rs:2", "a.rs:4"]);
    }
}
