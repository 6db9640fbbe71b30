//! The content types that every loaded configuration begins with.

use std::sync::LazyLock;

/// `extension TAB type`, sorted; the 857 rows that Mongrel2's m2sh writes.
static TYPES: LazyLock<Vec<(&'static str, &'static str)>> = LazyLock::new(|| {
    include_str!("mimetypes.txt").lines().filter_map(|l| l.split_once('\t')).collect()
});

/// `(extension, type)`, sorted by extension.
pub fn default_mimetypes() -> &'static [(&'static str, &'static str)] {
    &TYPES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_are_those_recorded_from_mongrel2() {
        let golden =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/15-default-mimetypes.json");
        let golden: serde_json::Value =
            serde_json::from_slice(&std::fs::read(golden).unwrap()).unwrap();
        let recorded: Vec<(&str, &str)> = golden["types"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(extension, ctype)| (extension.as_str(), ctype.as_str().unwrap()))
            .collect();
        assert_eq!(default_mimetypes(), recorded);
        assert_eq!(default_mimetypes().len(), 857);
    }
}
