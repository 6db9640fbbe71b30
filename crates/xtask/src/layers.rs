//! `layers`: which crate may depend on which, proved from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::workspace;

/// Each crate and what it may depend on. DESIGN of the workspace: arrows point one way.
const ARROWS: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("http1", &[]),
    ("site", &[]),
    ("zmtp", &[]),
    ("store", &["site"]),
    ("bus", &["wire", "zmtp"]),
    ("edge", &["site", "wire", "http1"]),
    ("targets", &["edge", "bus", "site", "wire", "http1"]),
    ("server", &["wire", "http1", "site", "store", "bus", "edge", "targets"]),
    ("m2sh", &["store", "site", "bus", "wire"]),
    ("handler", &["wire"]),
    ("xtask", &[]),
];

/// Packages that watch from outside: they may use every crate, and no crate may use them.
const OUTSIDERS: &[&str] = &["e2e", "benches"];

/// Crates without I/O, and what would end that.
const PURE: &[&str] = &["wire", "http1", "site"];
const IMPURE: &[&str] = &["tokio", "hyper", "hyper-util", "zeromq", "rusqlite", "rustix", "nix"];

/// One owner for each outside world.
const OWNERS: &[(&str, &[&str])] = &[
    ("rusqlite", &["store"]),
    ("zeromq", &["bus", "zmtp", "handler"]),
    ("hyper", &["edge", "targets"]),
    ("hyper-util", &["edge", "targets"]),
];

pub(crate) fn run() -> Result<(), String> {
    let packages = packages(&workspace::metadata()?)?;
    let wrong = check(&packages);
    for arrow in &wrong {
        println!("layers: {arrow}");
    }
    if wrong.is_empty() {
        println!("layers: {} packages, every arrow points down", packages.len());
        Ok(())
    } else {
        Err(format!("{} wrong arrows", wrong.len()))
    }
}

/// A workspace member and the names in its dependency tables.
#[derive(Debug, Default)]
struct Package {
    normal: BTreeSet<String>,
    dev: BTreeSet<String>,
}

fn packages(metadata: &Value) -> Result<BTreeMap<String, Package>, String> {
    let list = metadata.get("packages").and_then(Value::as_array);
    let list = list.ok_or("cargo metadata lists no packages")?;
    let mut packages = BTreeMap::new();
    for entry in list {
        let name = entry.get("name").and_then(Value::as_str).ok_or("a package has no name")?;
        let mut package = Package::default();
        for dependency in entry.get("dependencies").and_then(Value::as_array).into_iter().flatten()
        {
            let on = dependency.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            match dependency.get("kind").and_then(Value::as_str) {
                Some("dev") => package.dev.insert(on),
                _ => package.normal.insert(on),
            };
        }
        packages.insert(name.to_owned(), package);
    }
    Ok(packages)
}

fn check(packages: &BTreeMap<String, Package>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, package) in packages {
        if OUTSIDERS.contains(&name.as_str()) {
            continue;
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| known == name) else {
            wrong.push(format!("{name} is not in the table; add it to crates/xtask/src/layers.rs"));
            continue;
        };
        for on in &package.normal {
            if packages.contains_key(on) && !allowed.contains(&on.as_str()) {
                let allowed =
                    if allowed.is_empty() { "none of ours".to_owned() } else { allowed.join(", ") };
                wrong.push(format!("{name} -> {on}: {name} may depend on {allowed}"));
            }
            if PURE.contains(&name.as_str()) && IMPURE.contains(&on.as_str()) {
                wrong.push(format!("{name} -> {on}: {name} is pure, it knows no outside world"));
            }
            if let Some((_, owners)) = OWNERS.iter().find(|(library, _)| library == on)
                && !owners.contains(&name.as_str())
            {
                wrong.push(format!("{name} -> {on}: only {} may use it", owners.join(", ")));
            }
        }
        for on in &package.dev {
            if OUTSIDERS.contains(&on.as_str()) || reaches(packages, on, name) {
                wrong.push(format!("{name} -> {on} (dev): a test may only look down"));
            }
        }
    }
    wrong
}

/// Whether `from` depends on `to`, through any number of normal dependencies.
fn reaches(packages: &BTreeMap<String, Package>, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(name) = open.pop() {
        let Some(package) = packages.get(name) else { continue };
        if package.normal.contains(to) {
            return true;
        }
        if seen.insert(name) {
            open.extend(package.normal.iter().map(String::as_str));
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `"bus: wire tokio | tempfile"`: a package, its dependencies, its dev-dependencies.
    fn tree(lines: &[&str]) -> BTreeMap<String, Package> {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        lines
            .iter()
            .map(|line| {
                let (name, rest) = line.split_once(':').unwrap();
                let (normal, dev) = rest.split_once('|').unwrap_or((rest, ""));
                (name.to_owned(), Package { normal: words(normal), dev: words(dev) })
            })
            .collect()
    }

    fn says(lines: &[&str], expected: &[&str]) {
        assert_eq!(check(&tree(lines)), expected, "for {lines:?}");
    }

    #[test]
    fn arrows() {
        says(&["wire: bytes", "bus: wire tokio", "handler: wire zeromq"], &[]);
        says(&["bus:", "wire: bus"], &["wire -> bus: wire may depend on none of ours"]);
        says(&["site:", "edge:", "store: edge site"], &["store -> edge: store may depend on site"]);
        says(&["lib:"], &["lib is not in the table; add it to crates/xtask/src/layers.rs"]);
    }

    #[test]
    fn pure_crates_and_owners() {
        says(&["http1: tokio"], &["http1 -> tokio: http1 is pure, it knows no outside world"]);
        says(&["server: rusqlite"], &["server -> rusqlite: only store may use it"]);
        says(&["server: | rusqlite", "store: rusqlite"], &[]);
    }

    #[test]
    fn tests_look_down() {
        says(&["handler:", "bus: wire | handler", "wire:"], &[]);
        says(&["wire: | bus", "bus: wire"], &["wire -> bus (dev): a test may only look down"]);
        says(
            &["wire: | targets", "bus: wire", "targets: bus"],
            &["wire -> targets (dev): a test may only look down"],
        );
        says(&["e2e: server wire", "server: wire", "wire:"], &[]);
        says(&["e2e:", "wire: | e2e"], &["wire -> e2e (dev): a test may only look down"]);
    }

    #[test]
    fn metadata_is_read() {
        let text = r#"{"packages":[{"name":"bus","dependencies":[
            {"name":"wire","kind":null},{"name":"tempfile","kind":"dev"}]}]}"#;
        let packages = packages(&serde_json::from_str(text).unwrap()).unwrap();
        let bus = packages.get("bus").unwrap();
        assert!(bus.normal.contains("wire") && bus.dev.contains("tempfile"));
    }
}
