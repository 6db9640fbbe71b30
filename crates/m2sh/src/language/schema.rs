//! The classes of the language and their parameters.

/// What a parameter holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    List,
    Dict,
}

impl Kind {
    pub(crate) const fn describe(self) -> &'static str {
        match self {
            Self::Text => "a text in quotes",
            Self::Number => "a number",
            Self::List => "a list in [ ]",
            Self::Dict => "a dictionary in { }",
        }
    }
}

/// What happens when a parameter is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absence {
    /// The load is refused: no server starts without it.
    Refused,
    /// The column is NULL, and a warning says so.
    Warned,
    /// The column has its default.
    Allowed,
    /// Accepted and ignored, for the reason given.
    Ignored(&'static str),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) absence: Absence,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ClassSchema {
    pub(crate) name: &'static str,
    pub(crate) parameters: &'static [Parameter],
}

impl ClassSchema {
    pub(crate) fn parameter(&self, name: &str) -> Option<&'static Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.parameters.iter().map(|parameter| parameter.name)
    }
}

pub(crate) const CLASS_NAMES: [&str; 7] =
    ["Server", "Host", "Dir", "Handler", "Proxy", "Filter", "Xrequest"];

/// The variables that make rows.
pub(crate) const TOP_LEVEL: [&str; 3] = ["servers", "settings", "mimetypes"];

const fn needed(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind, absence: Absence::Refused }
}

const fn optional(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind, absence: Absence::Allowed }
}

const fn ignored(name: &'static str, reason: &'static str) -> Parameter {
    Parameter { name, kind: Kind::Number, absence: Absence::Ignored(reason) }
}

pub(crate) const SERVER: ClassSchema = ClassSchema {
    name: "Server",
    parameters: &[
        needed("uuid", Kind::Text),
        needed("access_log", Kind::Text),
        needed("error_log", Kind::Text),
        needed("pid_file", Kind::Text),
        needed("default_host", Kind::Text),
        needed("port", Kind::Number),
        needed("hosts", Kind::List),
        // No server reads the name, so Mongrel2 runs without it; `m2sh -name` does read it.
        Parameter { name: "name", kind: Kind::Text, absence: Absence::Warned },
        optional("chroot", Kind::Text),
        optional("bind_addr", Kind::Text),
        optional("use_ssl", Kind::Number),
        optional("control_port", Kind::Text),
        optional("filters", Kind::List),
        optional("xrequests", Kind::List),
        ignored("error_log_level", "the level is set when the server is started"),
    ],
};

pub(crate) const HOST: ClassSchema = ClassSchema {
    name: "Host",
    parameters: &[
        needed("name", Kind::Text),
        optional("matching", Kind::Text),
        optional("routes", Kind::Dict),
        ignored("maintenance", "Mongrel2 has a column for it that no server reads"),
    ],
};

pub(crate) const HANDLER: ClassSchema = ClassSchema {
    name: "Handler",
    parameters: &[
        needed("send_spec", Kind::Text),
        needed("send_ident", Kind::Text),
        needed("recv_spec", Kind::Text),
        needed("recv_ident", Kind::Text),
        optional("raw_payload", Kind::Number),
        optional("protocol", Kind::Text),
    ],
};

pub(crate) const PROXY: ClassSchema = ClassSchema {
    name: "Proxy",
    parameters: &[needed("addr", Kind::Text), needed("port", Kind::Number)],
};

pub(crate) const DIR: ClassSchema = ClassSchema {
    name: "Dir",
    parameters: &[
        needed("base", Kind::Text),
        needed("index_file", Kind::Text),
        needed("default_ctype", Kind::Text),
        optional("cache_ttl", Kind::Number),
    ],
};

pub(crate) const FILTER: ClassSchema = ClassSchema {
    name: "Filter",
    parameters: &[needed("name", Kind::Text), needed("settings", Kind::Dict)],
};

pub(crate) const XREQUEST: ClassSchema =
    ClassSchema { name: "Xrequest", parameters: FILTER.parameters };
