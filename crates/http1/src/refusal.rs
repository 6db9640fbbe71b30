//! The rules a peer can break, each with its status, its section of the law and a short stable name.

/// One rule that a peer broke. The connection is closed after the answer, whatever the rule (RFC 9112 section 9.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    #[error("a line ends in LF alone; a line ends in CRLF")]
    BareLf,
    #[error("a CR stands alone; it is only allowed before LF")]
    BareCr,
    #[error("a NUL byte stands in the head; no field or line may hold one")]
    Nul,
    #[error("a control byte stands in the head; only tab is allowed, in a field value")]
    ControlByte,
    #[error("more than one empty line precedes the request; one is forgiven")]
    EmptyLines,
    #[error("whitespace precedes the request line; the method comes first")]
    LeadingWhitespace,
    #[error("a field line begins with whitespace (obs-fold); each field is one line")]
    ObsFold,
    #[error("a field line has no colon; a field is name, colon, value")]
    FieldNoColon,
    #[error("a field has an empty name; a name is one or more token characters")]
    FieldNameEmpty,
    #[error("whitespace stands between a field name and its colon")]
    SpaceBeforeColon,
    #[error("a field name holds a byte that is not a token character")]
    FieldName,
    #[error("a field value holds a byte that is not allowed in it")]
    FieldValue,
    #[error("the head is larger than limits.buffer_size")]
    HeadTooLarge,
    #[error("there are more fields than limits.header_count")]
    TooManyFields,
    #[error("the request line is not method, one space, target, one space, version")]
    RequestLine,
    #[error("the method holds a byte that is not a token character, or is empty")]
    Method,
    #[error("the method is longer than any method known here")]
    MethodTooLong,
    #[error("the method CONNECT is not served; this is not a forward proxy")]
    Connect,
    #[error("the target is longer than limits.url_path")]
    TargetTooLong,
    #[error("the target holds a byte that a URI may not hold unescaped")]
    TargetByte,
    #[error("the target holds a fragment; a client keeps it to itself")]
    TargetFragment,
    #[error("the target holds a % that two hexadecimal digits do not follow")]
    PercentEscape,
    #[error("the target holds %00")]
    PercentNul,
    #[error("the path holds a . or .. segment; a client resolves those first")]
    DotSegment,
    #[error("the target is neither a path, nor an http or https URI, nor * with OPTIONS")]
    TargetForm,
    #[error("the target's authority and the Host field differ")]
    AuthorityDiffers,
    #[error("the request line has no version, or 0.9; HTTP/1.0 and HTTP/1.1 are served")]
    Http09,
    #[error("the version is not HTTP/ digit . digit")]
    VersionSyntax,
    #[error("the major version is not 1; HTTP/1.0 and HTTP/1.1 are served")]
    VersionUnsupported,
    #[error("an HTTP/1.1 request has no Host field")]
    HostMissing,
    #[error("there is more than one Host field")]
    HostRepeated,
    #[error("the Host field is not a host name or address with an optional port")]
    HostSyntax,
    #[error("Content-Length is not a decimal number below 2^64")]
    ContentLength,
    #[error("there is more than one Content-Length")]
    ContentLengthRepeated,
    #[error("Content-Length and Transfer-Encoding stand in one message")]
    LengthAndEncoding,
    #[error("an HTTP/1.0 message has a Transfer-Encoding")]
    EncodingOnHttp10,
    #[error("the transfer coding is not known; only chunked is")]
    EncodingUnknown,
    #[error("chunked is not the last and only transfer coding, or the list is malformed")]
    EncodingList,
    #[error("the expectation is not 100-continue")]
    Expectation,
    #[error("a chunk size is not 1 to 16 hexadecimal digits")]
    ChunkSize,
    #[error("a chunk extension is malformed")]
    ChunkExtension,
    #[error("a chunk-size line, or all extensions of a body, are longer than allowed")]
    ChunkLineTooLong,
    #[error("a chunk's data is not followed by CRLF")]
    ChunkEnd,
    #[error("the trailer section is larger than allowed")]
    TrailersTooLarge,
}

impl Refusal {
    /// The status that answers it.
    pub fn status(self) -> u16 {
        self.facts().0
    }

    /// Where the rule stands, such as `RFC 9112 section 2.2`.
    pub fn section(self) -> &'static str {
        self.facts().1
    }

    /// A short name for logs and metrics; it never changes.
    pub fn name(self) -> &'static str {
        self.facts().2
    }

    fn facts(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::BareLf => (400, "RFC 9112 section 2.2", "bare_lf"),
            Self::BareCr => (400, "RFC 9112 section 2.2", "bare_cr"),
            Self::Nul => (400, "RFC 9110 section 5.5", "nul"),
            Self::ControlByte => (400, "RFC 9110 section 5.5", "control_byte"),
            Self::EmptyLines => (400, "RFC 9112 section 2.2", "empty_lines"),
            Self::LeadingWhitespace => (400, "RFC 9112 section 3", "leading_whitespace"),
            Self::ObsFold => (400, "RFC 9112 section 5.2", "obs_fold"),
            Self::FieldNoColon => (400, "RFC 9112 section 5", "field_no_colon"),
            Self::FieldNameEmpty => (400, "RFC 9110 section 5.1", "field_name_empty"),
            Self::SpaceBeforeColon => (400, "RFC 9112 section 5.1", "space_before_colon"),
            Self::FieldName => (400, "RFC 9110 section 5.1", "field_name"),
            Self::FieldValue => (400, "RFC 9110 section 5.5", "field_value"),
            Self::HeadTooLarge => (431, "RFC 6585 section 5", "head_too_large"),
            Self::TooManyFields => (431, "RFC 6585 section 5", "too_many_fields"),
            Self::RequestLine => (400, "RFC 9112 section 3", "request_line"),
            Self::Method => (400, "RFC 9112 section 3.1", "method"),
            Self::MethodTooLong => (501, "RFC 9112 section 3", "method_too_long"),
            Self::Connect => (501, "RFC 9110 section 9.3.6", "connect"),
            Self::TargetTooLong => (414, "RFC 9112 section 3", "target_too_long"),
            Self::TargetByte => (400, "RFC 9112 section 3.2", "target_byte"),
            Self::TargetFragment => (400, "RFC 9112 section 3.2", "target_fragment"),
            Self::PercentEscape => (400, "RFC 3986 section 2.1", "percent_escape"),
            Self::PercentNul => (400, "RFC 3986 section 7.3", "percent_nul"),
            Self::DotSegment => (400, "RFC 3986 section 5.2.4", "dot_segment"),
            Self::TargetForm => (400, "RFC 9112 section 3.2", "target_form"),
            Self::AuthorityDiffers => (400, "RFC 9112 section 3.2", "authority_differs"),
            Self::Http09 => (400, "RFC 9112 section 2.3", "http_0_9"),
            Self::VersionSyntax => (400, "RFC 9112 section 2.3", "version_syntax"),
            Self::VersionUnsupported => (505, "RFC 9110 section 15.6.6", "version_unsupported"),
            Self::HostMissing => (400, "RFC 9112 section 3.2", "host_missing"),
            Self::HostRepeated => (400, "RFC 9112 section 3.2", "host_repeated"),
            Self::HostSyntax => (400, "RFC 9112 section 3.2", "host_syntax"),
            Self::ContentLength => (400, "RFC 9112 section 6.3", "content_length"),
            Self::ContentLengthRepeated => (400, "RFC 9112 section 6.3", "content_length_repeated"),
            Self::LengthAndEncoding => (400, "RFC 9112 section 6.1", "length_and_encoding"),
            Self::EncodingOnHttp10 => (400, "RFC 9112 section 6.1", "encoding_on_http_1_0"),
            Self::EncodingUnknown => (501, "RFC 9112 section 6.1", "encoding_unknown"),
            Self::EncodingList => (400, "RFC 9112 section 6.3", "encoding_list"),
            Self::Expectation => (417, "RFC 9110 section 10.1.1", "expectation"),
            Self::ChunkSize => (400, "RFC 9112 section 7.1", "chunk_size"),
            Self::ChunkExtension => (400, "RFC 9112 section 7.1.1", "chunk_extension"),
            Self::ChunkLineTooLong => (400, "RFC 9112 section 7.1.1", "chunk_line_too_long"),
            Self::ChunkEnd => (400, "RFC 9112 section 7.1", "chunk_end"),
            Self::TrailersTooLarge => (431, "RFC 9112 section 7.1.2", "trailers_too_large"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Refusal as R;

    const ALL: [R; 44] = [
        R::BareLf,
        R::BareCr,
        R::Nul,
        R::ControlByte,
        R::EmptyLines,
        R::LeadingWhitespace,
        R::ObsFold,
        R::FieldNoColon,
        R::FieldNameEmpty,
        R::SpaceBeforeColon,
        R::FieldName,
        R::FieldValue,
        R::HeadTooLarge,
        R::TooManyFields,
        R::RequestLine,
        R::Method,
        R::MethodTooLong,
        R::Connect,
        R::TargetTooLong,
        R::TargetByte,
        R::TargetFragment,
        R::PercentEscape,
        R::PercentNul,
        R::DotSegment,
        R::TargetForm,
        R::AuthorityDiffers,
        R::Http09,
        R::VersionSyntax,
        R::VersionUnsupported,
        R::HostMissing,
        R::HostRepeated,
        R::HostSyntax,
        R::ContentLength,
        R::ContentLengthRepeated,
        R::LengthAndEncoding,
        R::EncodingOnHttp10,
        R::EncodingUnknown,
        R::EncodingList,
        R::Expectation,
        R::ChunkSize,
        R::ChunkExtension,
        R::ChunkLineTooLong,
        R::ChunkEnd,
        R::TrailersTooLarge,
    ];

    #[test]
    fn each_rule_has_a_name_of_its_own_a_section_and_an_error_status() {
        let names: HashSet<&str> = ALL.iter().map(|refusal| refusal.name()).collect();
        assert_eq!(names.len(), ALL.len());
        for refusal in ALL {
            assert!(refusal.section().starts_with("RFC "), "{refusal}");
            assert!(matches!(refusal.status(), 400 | 414 | 417 | 431 | 501 | 505), "{refusal}");
            let text = refusal.to_string();
            assert!(!text.contains('\n') && text.len() < 100, "{text}");
        }
    }
}
