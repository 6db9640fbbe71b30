//! The configuration language: text to the rows of a database, with every problem at its place.

mod lower;
mod parser;
mod problem;
mod schema;
mod source;
mod syntax;
mod token;

use store::rows::{MimetypeRow, Rows};

pub use lower::{Origin, Origins};
pub use problem::{Diagnostic, Problem, Severity};
pub use source::{Place, Source, Span};

/// What a configuration file says.
#[derive(Debug)]
pub struct Compiled {
    /// Fit to be stored only when no diagnostic is an error.
    pub rows: Rows,
    pub origins: Origins,
    /// In file order.
    pub diagnostics: Vec<Diagnostic>,
}

impl Compiled {
    /// Whether the rows may be stored.
    pub fn is_accepted(&self) -> bool {
        self.diagnostics.iter().all(|found| found.severity == Severity::Warning)
    }
}

/// Reads a configuration file. `mimetypes` are the rows that every database begins with; the file's own
/// `mimetypes` replace those with the same extension and add the rest.
pub fn compile(source: &Source, mimetypes: Vec<MimetypeRow>) -> Compiled {
    let mut problems = problem::Problems::default();
    let config = parser::parse(source, &mut problems);
    let (rows, origins) = lower::lower(&config, mimetypes, &mut problems);
    Compiled { rows, origins, diagnostics: problems.sorted() }
}

#[cfg(test)]
mod tests;
