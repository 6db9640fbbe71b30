//! The content types that every loaded configuration begins with.

/// `(extension, type)`, sorted by extension.
pub fn default_mimetypes() -> &'static [(&'static str, &'static str)] {
    &[]
}
