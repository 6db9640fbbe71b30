//! The name that was probably meant.

/// The candidate that `name` is a likely misspelling of, if there is one.
///
/// Up to a third of the letters may be wrong (at least one, at most three); case does not count.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    let tolerance = (wanted.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= tolerance)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "; did you mean `x`?", or nothing.
pub(crate) fn hint(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn misspellings_find_their_name() {
        let names =
            ["Server", "Host", "Dir", "Proxy", "Handler", "send_spec", "send_ident", "servers"];
        for (written, meant) in [
            ("server", Some("Server")),
            ("Prozy", Some("Proxy")),
            ("Hnadler", Some("Handler")),
            ("sned_spec", Some("send_spec")),
            ("send_idnet", Some("send_ident")),
            ("di", Some("Dir")),
            ("zzz", None),
            ("", None),
            ("Application", None),
        ] {
            assert_eq!(nearest(written, names), meant, "{written:?}");
        }
    }
}
