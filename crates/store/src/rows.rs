//! One struct per table of a configuration database, verbatim: nothing is interpreted here.

/// A whole configuration as its tables say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    pub servers: Vec<ServerRow>,
    pub hosts: Vec<HostRow>,
    pub routes: Vec<RouteRow>,
    pub handlers: Vec<HandlerRow>,
    pub proxies: Vec<ProxyRow>,
    pub directories: Vec<DirectoryRow>,
    pub settings: Vec<SettingRow>,
    pub mimetypes: Vec<MimetypeRow>,
    pub filters: Vec<PluginRow>,
    pub xrequests: Vec<PluginRow>,
}

/// A cell as SQLite holds it; columns have affinity, not types, so each cell may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cell {
    #[default]
    Null,
    Integer(i64),
    Text(String),
    /// A REAL or BLOB, shown as SQLite's `quote()` would; never acceptable in a configuration.
    Other(String),
}

impl Rows {
    /// Adds a setting behind the others.
    pub fn set(&mut self, key: &str, value: &str) {
        let id = self.settings.last().map_or(1, |last| last.id + 1);
        self.settings.push(SettingRow { id, key: key.into(), value: value.into() });
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// As SQLite's `quote()` shows it.
impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "'{}'", one_line(text)),
            Self::Other(quoted) => f.write_str(quoted),
        }
    }
}

/// The text with control characters escaped, so that a message stays one line.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_debug()) } else { line.push(c) }
    }
    line
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerRow {
    pub id: i64,
    pub uuid: Cell,
    pub access_log: Cell,
    pub error_log: Cell,
    pub chroot: Cell,
    pub pid_file: Cell,
    pub control_port: Cell,
    pub default_host: Cell,
    pub name: Cell,
    pub bind_addr: Cell,
    pub port: Cell,
    pub use_ssl: Cell,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostRow {
    pub id: i64,
    pub server_id: Cell,
    pub maintenance: Cell,
    pub name: Cell,
    pub matching: Cell,
}

impl HostRow {
    /// A host of the first server, matched by its name.
    pub fn named(id: i64, name: &str) -> Self {
        Self {
            id,
            server_id: Cell::Integer(1),
            maintenance: Cell::Integer(0),
            name: name.into(),
            matching: name.into(),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteRow {
    pub id: i64,
    pub path: Cell,
    pub reversed: Cell,
    pub host_id: Cell,
    pub target_id: Cell,
    pub target_type: Cell,
}

impl RouteRow {
    /// A route of this host to a target, which its type and id name.
    pub fn to(id: i64, path: &str, host_id: i64, (target_type, target_id): (&str, i64)) -> Self {
        Self {
            id,
            path: path.into(),
            reversed: Cell::Integer(0),
            host_id: Cell::Integer(host_id),
            target_id: Cell::Integer(target_id),
            target_type: target_type.into(),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HandlerRow {
    pub id: i64,
    pub send_spec: Cell,
    pub send_ident: Cell,
    pub recv_spec: Cell,
    pub recv_ident: Cell,
    pub raw_payload: Cell,
    pub protocol: Cell,
}

impl HandlerRow {
    /// A handler that is sent JSON, and heard whatever its replies begin with.
    pub fn json(id: i64, send_ident: &str, send_spec: &str, recv_spec: &str) -> Self {
        Self {
            id,
            send_spec: send_spec.into(),
            send_ident: send_ident.into(),
            recv_spec: recv_spec.into(),
            recv_ident: "".into(),
            raw_payload: Cell::Integer(0),
            protocol: "json".into(),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyRow {
    pub id: i64,
    pub addr: Cell,
    pub port: Cell,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectoryRow {
    pub id: i64,
    pub base: Cell,
    pub index_file: Cell,
    pub default_ctype: Cell,
    pub cache_ttl: Cell,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingRow {
    pub id: i64,
    pub key: Cell,
    pub value: Cell,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MimetypeRow {
    pub id: i64,
    pub mimetype: Cell,
    pub extension: Cell,
}

/// A row of `filter` or `xrequest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginRow {
    pub id: i64,
    pub server_id: Cell,
    pub name: Cell,
    pub settings: Cell,
}
