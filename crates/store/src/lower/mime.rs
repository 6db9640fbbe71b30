//! Rows of `mimetype` into the table of content types.

use std::collections::HashMap;

use site::MimeTypes;

use crate::findings::{Findings, at};
use crate::rows::MimetypeRow;
use crate::setting::Bounds;

pub(super) fn types(rows: &[MimetypeRow], bounds: &Bounds, findings: &mut Findings) -> MimeTypes {
    let mut seen: HashMap<&str, i64> = HashMap::new();
    let mut types = Vec::with_capacity(rows.len());
    for row in rows {
        let extension_at = at!(row, "mimetype".extension);
        let ctype_at = at!(row, "mimetype".mimetype);
        let extension =
            findings.short_text(extension_at, bounds.mime_extension, "limits.mime_ext_len");
        let ctype = findings.field_text(ctype_at);
        if ctype == Some("") {
            findings.fault(ctype_at, "must not be empty");
        }
        let Some(extension) = extension else { continue };
        if !extension.starts_with('.') {
            findings.fault(extension_at, "must begin with a dot");
        }
        if let Some(first) = seen.get(extension) {
            findings.fault(extension_at, format!("row {first} has the same extension"));
        }
        seen.entry(extension).or_insert(row.id);
        types.push((extension, ctype.unwrap_or_default()));
    }
    MimeTypes::new(types)
}
