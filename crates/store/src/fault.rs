//! What is wrong with a configuration, each fault with its table, row, column and value.

use std::fmt;

use crate::rows::one_line;

/// A cell of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub table: &'static str,
    /// Row id; none when the fault is the table's.
    pub row: Option<i64>,
    pub column: &'static str,
    /// The value as it stands there, quoted for people.
    pub value: String,
}

/// Something that keeps a server from starting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub place: Place,
    /// The rule that is broken and what would be accepted.
    pub accepted: String,
    /// The valid value that looks most like the one given.
    pub nearest: Option<String>,
}

/// Something that works but is probably not what was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    pub place: Place,
    /// What is done about it.
    pub what: String,
    /// The valid value that looks most like the one given.
    pub nearest: Option<String>,
}

/// Every fault of a configuration; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.table)?;
        if let Some(row) = self.row {
            write!(f, " row {row}")?;
        }
        write!(f, ", {} {}", self.column, self.value)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.accepted)?;
        did_you_mean(f, self.nearest.as_deref())
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)?;
        did_you_mean(f, self.nearest.as_deref())
    }
}

/// One line for each fault.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.0.iter().enumerate() {
            let end = if at == 0 { "" } else { "\n" };
            write!(f, "{end}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

impl std::error::Error for Faults {}

fn did_you_mean(f: &mut fmt::Formatter<'_>, nearest: Option<&str>) -> fmt::Result {
    match nearest {
        Some(nearest) => write!(f, " (did you mean '{}'?)", one_line(nearest)),
        None => Ok(()),
    }
}
