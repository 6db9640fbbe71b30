//! The form of CHANGELOG.md: what is unreleased on top, then dated versions.

use super::Finding;
use super::tree::Tree;

const PATH: &str = "CHANGELOG.md";
const SECTIONS: &[&str] = &["Added", "Changed", "Fixed", "Removed", "Security", "You must"];

pub(super) fn has_its_form(tree: &Tree) -> Vec<Finding> {
    let Some(file) = tree.file(PATH) else {
        return vec![Finding::new(PATH, 0, "there is none")];
    };
    let mut findings = Vec::new();
    let mut versions = 0;
    for (number, line) in file.text.lines().enumerate().map(|(i, line)| (i + 1, line)) {
        if let Some(section) = line.strip_prefix("### ") {
            if !SECTIONS.contains(&section) {
                let message = format!("`{section}` is none of {}", SECTIONS.join(", "));
                findings.push(Finding::new(PATH, number, message));
            }
        } else if let Some(version) = line.strip_prefix("## ") {
            versions += 1;
            if versions == 1 && version != "Unreleased" {
                findings.push(Finding::new(PATH, number, "the first version is `Unreleased`"));
            } else if versions > 1 && !is_dated(version) {
                findings.push(Finding::new(PATH, number, "a version reads `1.2.3 - 2026-01-31`"));
            }
        }
    }
    if versions == 0 {
        findings.push(Finding::new(PATH, 0, "there is no `## Unreleased`"));
    }
    findings
}

/// `1.2.3 - 2026-01-31`
fn is_dated(version: &str) -> bool {
    let numbers = |text: &str, separator: char| {
        let parts = text.split(separator);
        parts.map(|part| part.parse::<u32>().ok()).collect::<Option<Vec<u32>>>()
    };
    version.split_once(" - ").is_some_and(|(number, date)| {
        numbers(number, '.').is_some_and(|n| n.len() == 3)
            && numbers(date, '-').is_some_and(|d| d.len() == 3)
    })
}

#[cfg(test)]
mod tests {
    use super::super::finds;
    use super::*;

    #[test]
    fn form() {
        let good = "# Changelog\n\n## Unreleased\n\n### Added\n\n- a\n\n## 0.1.0 - 2026-01-31\n";
        finds(has_its_form, &[(PATH, good)], &[]);
        finds(has_its_form, &[(PATH, "## 0.1.0 - 2026-01-31\n")], &["CHANGELOG.md:1"]);
        finds(
            has_its_form,
            &[(PATH, "## Unreleased\n### New\n## 0.1\n")],
            &["CHANGELOG.md:2", "CHANGELOG.md:3"],
        );
        finds(has_its_form, &[(PATH, "# Changelog\n")], &["CHANGELOG.md:0"]);
        finds(has_its_form, &[], &["CHANGELOG.md:0"]);
    }
}
