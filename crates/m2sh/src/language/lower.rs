//! A syntax tree to database rows, remembering where in the file each row came from.

mod fields;
mod origins;
mod plugin;
mod scope;
mod site;
mod top;

use std::collections::HashMap;

use store::rows::{MimetypeRow, Rows};

use self::scope::Scope;
use super::problem::Problems;
use super::source::Span;
use super::syntax::Config;

pub use self::origins::{Origin, Origins};

/// Every problem of `config` goes to `problems`; the rows are whole only when none of them is an error.
pub(crate) fn lower(
    config: &Config,
    mimetypes: Vec<MimetypeRow>,
    problems: &mut Problems,
) -> (Rows, Origins) {
    let rows = Rows { mimetypes, ..Rows::default() };
    let scope = Scope::new(config, problems);
    let mut lowering =
        Lowering { scope, rows, origins: Origins::default(), targets: HashMap::new(), problems };
    lowering.servers();
    lowering.settings();
    lowering.mimetypes();
    lowering.unused();
    (lowering.rows, lowering.origins)
}

struct Lowering<'a> {
    scope: Scope<'a>,
    rows: Rows,
    origins: Origins,
    /// The row of each target by where its class stands: a target in a variable is one row, however
    /// many routes use it, and so the server binds its sockets once.
    targets: HashMap<Span, Option<(&'static str, i64)>>,
    problems: &'a mut Problems,
}

/// The id of the row that will be number `len` in its table, which begins at 1.
fn next_id(len: usize) -> i64 {
    i64::try_from(len).map_or(i64::MAX, |len| len + 1)
}
