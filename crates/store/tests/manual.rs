//! The manual lists every setting there is, with its default.

use std::collections::BTreeMap;
use std::fs;

use store::setting::SETTINGS;

const MANUAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/manual/configuration.md");

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn the_manual_names_every_setting_and_its_default() {
    let manual = fs::read_to_string(MANUAL).unwrap();
    let (_, settings) = manual.split_once("## Settings\n").unwrap();
    let (tables, idle) = settings.split_once("### Accepted, without effect\n").unwrap();
    let mut listed: BTreeMap<&str, Option<&str>> = quoted(idle).map(|key| (key, None)).collect();
    for row in tables.lines() {
        if let ["", keys, default, _, ""] = row.split('|').collect::<Vec<_>>()[..] {
            let default = Some(default.trim()).filter(|default| !default.is_empty());
            listed.extend(quoted(keys).map(|key| (key, default)));
        }
    }
    for setting in SETTINGS {
        let default = listed.remove(setting.key);
        let default = default.unwrap_or_else(|| panic!("{} is not in the manual", setting.key));
        let said = default.map(|default| default.trim_matches('`'));
        let agrees = match said {
            None => true,
            Some("none") => matches!(setting.default, "" | "0"),
            Some(said) => said == setting.default,
        };
        assert!(agrees, "{}: the manual says {said:?}", setting.key);
    }
    assert!(listed.is_empty(), "there is no such setting: {listed:?}");
}
