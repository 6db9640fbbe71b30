//! What the control port answers: a table, or an error.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};

use super::ControlError;
use crate::tnetstring::{self, TnetError, Value};

/// An answer of the control port.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// `headers` and `rows`.
    Table(Table),
    /// `code` and `error`; the answer to a wrong `status` has no code.
    Error {
        /// A word in capitals.
        code: Option<Cow<'static, str>>,
        /// A sentence.
        error: Cow<'static, str>,
    },
}

/// Rows under headings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// The name of each column.
    pub headers: Vec<Cow<'static, str>>,
    /// One cell per column.
    pub rows: Vec<Vec<Cell>>,
}

/// One value of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// No value.
    Null,
    /// A yes or no.
    Bool(bool),
    /// A number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// A string of any bytes.
    Text(Cow<'static, [u8]>),
}

/// Why bytes are not an answer of a control port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplySyntaxError {
    /// No tnetstring.
    #[error("control reply is not a tnetstring")]
    NotTnetstring(#[source] TnetError),
    /// Neither a table nor an error.
    #[error("control reply has neither 'headers' and 'rows' nor 'error'")]
    UnknownShape,
    /// A heading that is no string, or a cell that is a list or dictionary.
    #[error("control reply has a heading or a cell of the wrong type")]
    BadCell,
}

impl Table {
    /// One row under one heading.
    pub fn single(header: &'static str, cell: impl Into<Cell>) -> Self {
        Self { headers: vec![header.into()], rows: vec![vec![cell.into()]] }
    }
}

/// Mongrel2's answers, word for word; its m2sh and its users know them.
impl Table {
    /// The answer to `help`: Mongrel2's commands, then `more`, each a name and what it does.
    #[must_use]
    pub fn help(more: &[(&'static str, &'static str)]) -> Self {
        let commands = HELP.iter().chain(more);
        Self {
            headers: vec!["name".into(), "help".into()],
            rows: commands.map(|(name, help)| vec![(*name).into(), (*help).into()]).collect(),
        }
    }

    /// The answer to `kill`.
    #[must_use]
    pub fn killed() -> Self {
        Self::single("status", "OK")
    }

    /// The answer to `reload`, `stop` and `terminate`.
    #[must_use]
    pub fn signal_sent() -> Self {
        Self::single("msg", "signal sent to server")
    }

    /// The answer to `control_stop`.
    #[must_use]
    pub fn control_stopping() -> Self {
        Self::single("msg", "stopping the control port")
    }
}

impl Reply {
    /// Reads an answer; bytes behind it are ignored.
    ///
    /// # Errors
    ///
    /// A [`ReplySyntaxError`] that names what is missing.
    pub fn parse(message: &[u8]) -> Result<Self, ReplySyntaxError> {
        let (value, _) = tnetstring::parse(message).map_err(ReplySyntaxError::NotTnetstring)?;
        if let (Some(Value::List(headers)), Some(Value::List(rows))) =
            (value.get(b"headers"), value.get(b"rows"))
        {
            let headers = headers.iter().map(|name| text(name).map(Cow::Owned));
            return Ok(Self::Table(Table {
                headers: headers.collect::<Option<_>>().ok_or(ReplySyntaxError::BadCell)?,
                rows: rows.iter().map(row).collect::<Result<_, _>>()?,
            }));
        }
        let error = value.get(b"error").and_then(text).ok_or(ReplySyntaxError::UnknownShape)?;
        let code = value.get(b"code").and_then(text);
        Ok(Self::Error { code: code.map(Cow::Owned), error: Cow::Owned(error) })
    }

    /// Appends the answer.
    pub fn encode(&self, out: &mut BytesMut) {
        tnetstring::write_dict(out, |out| match self {
            Self::Table(table) => table.encode_entries(out),
            Self::Error { code, error } => {
                if let Some(code) = code {
                    out.put_slice(b"4:code,");
                    tnetstring::write_bytes(out, code.as_bytes());
                }
                out.put_slice(b"5:error,");
                tnetstring::write_bytes(out, error.as_bytes());
            }
        });
    }

    fn error(code: Option<&'static str>, error: &'static str) -> Self {
        Self::Error { code: code.map(Cow::Borrowed), error: Cow::Borrowed(error) }
    }
}

impl From<Table> for Reply {
    fn from(table: Table) -> Self {
        Self::Table(table)
    }
}

/// Mongrel2's words for each refusal; m2sh prints them.
impl From<ControlError> for Reply {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::NotAList => Self::error(
                Some("INVALID_REQUEST"),
                "Invalid request format, must be a list with two elements in it.",
            ),
            ControlError::BadItems => Self::error(
                Some("INVALID_DATA"),
                "Invalid data, expecting a list with a string and a hash in it.",
            ),
            ControlError::UnknownCommand => {
                Self::error(Some("CALLBACK_NOT_FOUND"), "Callback requested was not found.")
            }
            ControlError::BadArgument => {
                Self::error(Some("INVALID_ARGUMENT"), "Invalid argument type.")
            }
            ControlError::UnknownStatus => {
                Self::error(None, "Expected argument what=['net'|'tasks'].")
            }
        }
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&'static str> for Cell {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text.as_bytes()))
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text.into_bytes()))
    }
}

impl Table {
    fn encode_entries(&self, out: &mut BytesMut) {
        out.put_slice(b"7:headers,");
        tnetstring::write_list(out, |out| {
            self.headers.iter().for_each(|name| tnetstring::write_bytes(out, name.as_bytes()));
        });
        out.put_slice(b"4:rows,");
        tnetstring::write_list(out, |out| {
            for row in &self.rows {
                tnetstring::write_list(out, |out| row.iter().for_each(|cell| cell.encode(out)));
            }
        });
    }
}

impl Cell {
    fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Null => tnetstring::write_null(out),
            Self::Bool(value) => tnetstring::write_bool(out, *value),
            Self::Integer(number) => tnetstring::write_integer(out, *number),
            Self::Float(number) => tnetstring::write_float(out, *number),
            Self::Text(text) => tnetstring::write_bytes(out, text),
        }
    }
}

fn row(value: &Value<'_>) -> Result<Vec<Cell>, ReplySyntaxError> {
    let Value::List(cells) = value else { return Err(ReplySyntaxError::BadCell) };
    let cells = cells.iter().map(|cell| match cell {
        Value::Null => Ok(Cell::Null),
        Value::Bool(value) => Ok(Cell::Bool(*value)),
        Value::Integer(number) => Ok(Cell::Integer(*number)),
        Value::Float(number) => Ok(Cell::Float(*number)),
        Value::Bytes(text) => Ok(Cell::Text(Cow::Owned(text.to_vec()))),
        Value::List(_) | Value::Dict(_) => Err(ReplySyntaxError::BadCell),
    });
    cells.collect()
}

fn text(value: &Value<'_>) -> Option<String> {
    value.as_bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

const HELP: [(&str, &str); 10] = [
    ("stop", "stop the server (SIGINT)"),
    ("reload", "reload the server"),
    ("help", "this command"),
    ("control_stop", "stop control port"),
    ("kill", "kill a connection"),
    ("status", "status, what=['net'|'tasks']"),
    ("terminate", "terminate the server (SIGTERM)"),
    ("time", "the server's time"),
    ("uuid", "the server's uuid"),
    ("info", "information about this server"),
];
