//! Collects faults and warnings while rows are checked, and reads cells as what they must be.

use std::ops::RangeInclusive;

use crate::endpoint::Endpoint;
use crate::fault::{Fault, Place, Warning};
use crate::nearest::nearest;
use crate::rows::Cell;

/// Longest part of a value that a message shows.
const SHOWN_CHARS_MAX: usize = 80;

#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) faults: Vec<Fault>,
    pub(crate) warnings: Vec<Warning>,
}

/// A cell and where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'r> {
    pub(crate) table: &'static str,
    pub(crate) row: i64,
    pub(crate) column: &'static str,
    pub(crate) cell: &'r Cell,
}

/// `at!(row, "host".name)`: the cell `row.name` of table `host`.
macro_rules! at {
    ($row:expr, $table:literal . $column:ident) => {
        $crate::findings::At {
            table: $table,
            row: $row.id,
            column: stringify!($column),
            cell: &$row.$column,
        }
    };
}
pub(crate) use at;

impl At<'_> {
    pub(crate) fn place(&self) -> Place {
        let mut value = self.cell.to_string();
        if let Some((cut, _)) = value.char_indices().nth(SHOWN_CHARS_MAX) {
            value.truncate(cut);
            value.push_str("...");
        }
        Place { table: self.table, row: Some(self.row), column: self.column, value }
    }
}

impl Findings {
    pub(crate) fn fault(&mut self, at: At<'_>, accepted: impl Into<String>) {
        let fault = Fault { place: at.place(), accepted: accepted.into(), nearest: None };
        self.faults.push(fault);
    }

    /// A fault of a word that should have been one of a few.
    pub(crate) fn fault_among<'c>(
        &mut self,
        at: At<'_>,
        accepted: impl Into<String>,
        candidates: impl IntoIterator<Item = &'c str>,
    ) {
        let nearest = near(at.cell, candidates);
        self.faults.push(Fault { place: at.place(), accepted: accepted.into(), nearest });
    }

    pub(crate) fn warn(&mut self, at: At<'_>, what: impl Into<String>) {
        let warning = Warning { place: at.place(), what: what.into(), nearest: None };
        self.warnings.push(warning);
    }

    /// A warning about a word that should have been one of a few.
    pub(crate) fn warn_among<'c>(
        &mut self,
        at: At<'_>,
        what: impl Into<String>,
        candidates: impl IntoIterator<Item = &'c str>,
    ) {
        let nearest = near(at.cell, candidates);
        self.warnings.push(Warning { place: at.place(), what: what.into(), nearest });
    }

    pub(crate) fn text<'r>(&mut self, at: At<'r>) -> Option<&'r str> {
        match at.cell {
            Cell::Text(text) if text.contains('\0') => {
                self.fault(at, "must not hold a NUL character");
                None
            }
            Cell::Text(text) => Some(text),
            _ => {
                self.fault(at, "must be text");
                None
            }
        }
    }

    /// Text that may go into a response head.
    pub(crate) fn field_text<'r>(&mut self, at: At<'r>) -> Option<&'r str> {
        let text = self.text(at)?;
        if text.chars().any(char::is_control) {
            self.fault(at, "must not hold control characters, it goes into response heads");
            return None;
        }
        Some(text)
    }

    /// Text of at most `max` bytes.
    pub(crate) fn short_text<'r>(
        &mut self,
        at: At<'r>,
        max: usize,
        setting: &str,
    ) -> Option<&'r str> {
        let text = self.text(at)?;
        if text.len() > max {
            self.fault(at, format!("must have at most {max} bytes ({setting})"));
            return None;
        }
        Some(text)
    }

    pub(crate) fn integer(&mut self, at: At<'_>, range: RangeInclusive<i64>) -> Option<i64> {
        match at.cell {
            Cell::Integer(number) if range.contains(number) => Some(*number),
            _ => {
                let (least, most) = range.into_inner();
                let accepted = match most {
                    i64::MAX if least == i64::MIN => "must be a whole number".to_owned(),
                    i64::MAX => format!("must be a whole number, at least {least}"),
                    _ => format!("must be a whole number from {least} to {most}"),
                };
                self.fault(at, accepted);
                None
            }
        }
    }

    pub(crate) fn port(&mut self, at: At<'_>) -> Option<u16> {
        self.integer(at, 1..=i64::from(u16::MAX)).and_then(|port| u16::try_from(port).ok())
    }

    pub(crate) fn endpoint(&mut self, at: At<'_>) -> Option<Endpoint> {
        match Endpoint::parse(self.text(at)?) {
            Ok(endpoint) => {
                if endpoint.is_ephemeral() {
                    self.warn(at, "port 0: the system chooses one, nobody else can know it");
                }
                Some(endpoint)
            }
            Err(fault) => {
                self.fault(at, fault.to_string());
                None
            }
        }
    }
}

fn near<'c>(cell: &Cell, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    match cell {
        Cell::Text(word) => nearest(word, candidates).map(str::to_owned),
        _ => None,
    }
}
