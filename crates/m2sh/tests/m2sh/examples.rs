//! Debian's m2sh and ours load the same files; the tables they make mean the same.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::program::{Program, golden, latin1, repository};
use crate::shape::{mimetypes, shape};

/// Loads `config` with both and compares. `deleted` are the extensions of its `mimetypes`: Mongrel2 only
/// deletes those.
fn compare(name: &str, config: &[u8], deleted: &[&str]) {
    let Some(debian) = Program::debians() else { return };
    let (ran, ours) = Program::ours().load(config);
    assert_eq!(ran.code, Some(0), "{name}: {}", ran.stderr);
    let (_, theirs) = debian.load(config);
    let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
    assert_eq!(shape(&ours), shape(&theirs), "{name}");
    let (ours, theirs) = (mimetypes(&ours), mimetypes(&theirs));
    let only_ours: BTreeSet<_> =
        ours.difference(&theirs).map(|(extension, _)| extension.as_str()).collect();
    assert_eq!(only_ours, deleted.iter().copied().collect(), "{name}");
    assert!(theirs.is_subset(&ours), "{name}");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
    files.sort();
    files
}

#[test]
fn debians_examples_make_the_same_rows() {
    let folder = Path::new("/usr/share/doc/mongrel2-core/examples");
    let mut found = Vec::new();
    for below in ["configs", "bbs", "ws"] {
        found.extend(files(&folder.join(below)));
    }
    if found.is_empty() {
        assert!(
            std::env::var_os("CI").is_none(),
            "the examples of mongrel2-core are not installed"
        );
        eprintln!("not compared: the examples of mongrel2-core are not installed");
        return;
    }
    assert_eq!(found.len(), 9, "{found:?}");
    for path in found {
        let deleted: &[&str] = if path.ends_with("multi_handler.conf") { &[".ttf"] } else { &[] };
        compare(&path.display().to_string(), &std::fs::read(&path).unwrap(), deleted);
    }
}

#[test]
fn our_configurations_load_as_they_are() {
    let found = files(&repository("config"));
    for name in ["hello.conf", "gateway.conf", "chat.conf"] {
        assert!(found.iter().any(|path| path.ends_with(name)), "{name}");
    }
    for path in found {
        let config = std::fs::read(&path).unwrap();
        let (ran, rows) = Program::ours().load(&config);
        assert_eq!(ran.code, Some(0), "{}: {}", path.display(), ran.stderr);
        assert_eq!(ran.stderr, "", "{}", path.display());
        assert!(!rows.unwrap().servers.is_empty());
        if path.ends_with("chat.conf") {
            compare("chat.conf", &config, &[".chatlog"]);
        } else {
            compare(&path.display().to_string(), &config, &[]);
        }
    }
}

#[test]
fn golden_configurations_that_load_make_the_same_rows() {
    let mut compared = 0;
    for case in golden("15-config-files.json")["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let config = latin1(case["config"].as_str().unwrap());
        if Program::ours().load(&config).0.code == Some(0) {
            compare(name, &config, if name == "mimetypes" { &[".x"] } else { &[] });
            compared += 1;
        }
    }
    assert!(compared > 30, "{compared}");
}
