//! The columns of each table, in one place for reading and writing.

use crate::rows::{
    Cell, DirectoryRow, HandlerRow, HostRow, MimetypeRow, PluginRow, ProxyRow, RouteRow, ServerRow,
    SettingRow,
};

/// The tables that `m2sh load` makes again, all but `log`.
pub(crate) const REPLACED: [&str; 11] = [
    "server",
    "host",
    "handler",
    "proxy",
    "directory",
    "route",
    "setting",
    "statistic",
    "mimetype",
    "filter",
    "xrequest",
];

/// Whether a database without the table or column can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Required,
    Optional,
}

/// A column after `id`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) need: Need,
}

/// A row of a table, as its id and its cells in the order of `COLUMNS`.
pub(crate) trait Row: Sized {
    const COLUMNS: &'static [Column];

    fn id(&self) -> i64;

    fn cells(&self) -> Vec<&Cell>;

    /// Missing cells are NULL.
    fn from_cells(id: i64, cells: Vec<Cell>) -> Self;
}

macro_rules! row {
    ($row:ident: $($need:ident $column:ident),*) => {
        impl Row for $row {
            const COLUMNS: &'static [Column] =
                &[$(Column { name: stringify!($column), need: Need::$need }),*];

            fn id(&self) -> i64 {
                self.id
            }

            fn cells(&self) -> Vec<&Cell> {
                vec![$(&self.$column),*]
            }

            fn from_cells(id: i64, cells: Vec<Cell>) -> Self {
                let mut cells = cells.into_iter();
                Self { id, $($column: cells.next().unwrap_or_default()),* }
            }
        }
    };
}

row!(ServerRow:
    Required uuid, Required access_log, Required error_log, Required chroot, Required pid_file,
    Optional control_port, Required default_host, Optional name, Required bind_addr, Required port,
    Required use_ssl);
row!(HostRow: Required server_id, Optional maintenance, Required name, Required matching);
row!(RouteRow:
    Required path, Optional reversed, Required host_id, Required target_id, Required target_type);
row!(HandlerRow:
    Required send_spec, Required send_ident, Required recv_spec, Required recv_ident,
    Required raw_payload, Required protocol);
row!(ProxyRow: Required addr, Required port);
row!(DirectoryRow:
    Required base, Required index_file, Required default_ctype, Required cache_ttl);
row!(SettingRow: Required key, Required value);
row!(MimetypeRow: Required mimetype, Required extension);
row!(PluginRow: Required server_id, Required name, Required settings);
