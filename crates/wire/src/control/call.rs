//! What an operator asks: `[name, {arguments}]`.

use bytes::BytesMut;

use crate::tnetstring::{self, Value};

/// A request as written: a name and its arguments, both unchecked.
#[derive(Debug, Clone, PartialEq)]
pub struct Call<'a> {
    /// The name of the command.
    pub name: &'a [u8],
    /// A dictionary.
    pub args: Value<'a>,
}

/// The commands of the control port: Mongrel2's, and more to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// `help`: the commands there are.
    Help,
    /// `time`: the server's clock.
    Time,
    /// `uuid`: the server's uuid.
    Uuid,
    /// `info`: the server's row.
    Info,
    /// `status`: tasks, connections or handlers.
    Status(StatusOf),
    /// `kill`: close the connection with this id.
    Kill(u64),
    /// `reload`: as SIGHUP.
    Reload,
    /// `stop`: as SIGINT.
    Stop,
    /// `terminate`: as SIGTERM.
    Terminate,
    /// `control_stop`: close the control port.
    ControlStop,
}

/// What `status` lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusOf {
    /// `what=tasks`
    Tasks,
    /// `what=net`
    Net,
    /// `what=handlers`, which Mongrel2 does not have.
    Handlers,
}

/// Why a request is refused; [`super::Reply::from`] makes Mongrel2's answer of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// Another value than a list.
    #[error("control request is not a list of a name and arguments")]
    NotAList,
    /// No tnetstring, or a list that does not begin with a string and a dictionary.
    #[error("control request does not begin with a string and a dictionary")]
    BadItems,
    /// No command of this name.
    #[error("control command is unknown, 'help' lists those there are")]
    UnknownCommand,
    /// An argument is missing, has another type, or names nothing.
    #[error("argument of a control command is missing, has the wrong type or names nothing")]
    BadArgument,
    /// `status` of something there is no such list of.
    #[error("argument 'what' of the status command is none of 'net', 'tasks' and 'handlers'")]
    UnknownStatus,
}

impl<'a> Call<'a> {
    /// Reads a request. Bytes behind it (m2sh sends a NUL) and further list items are ignored.
    ///
    /// # Errors
    ///
    /// [`ControlError::NotAList`] and [`ControlError::BadItems`].
    pub fn parse(message: &'a [u8]) -> Result<Self, ControlError> {
        let (value, _) = tnetstring::parse(message).map_err(|_| ControlError::BadItems)?;
        let Value::List(items) = value else { return Err(ControlError::NotAList) };
        let mut items = items.into_iter();
        match (items.next(), items.next()) {
            (Some(Value::Bytes(name)), Some(args @ Value::Dict(_))) => Ok(Self { name, args }),
            _ => Err(ControlError::BadItems),
        }
    }
}

impl Command {
    /// Reads a request for one of Mongrel2's commands.
    ///
    /// # Errors
    ///
    /// Any [`ControlError`].
    pub fn parse(message: &[u8]) -> Result<Self, ControlError> {
        Self::from_call(&Call::parse(message)?)
    }

    /// The command a call names. Arguments it does not need are ignored.
    ///
    /// # Errors
    ///
    /// [`ControlError::UnknownCommand`], [`ControlError::BadArgument`],
    /// [`ControlError::UnknownStatus`].
    pub fn from_call(call: &Call<'_>) -> Result<Self, ControlError> {
        match call.name {
            b"help" => Ok(Self::Help),
            b"time" => Ok(Self::Time),
            b"uuid" => Ok(Self::Uuid),
            b"info" => Ok(Self::Info),
            b"status" => match call.args.get(b"what").and_then(Value::as_bytes) {
                Some(b"tasks") => Ok(Self::Status(StatusOf::Tasks)),
                Some(b"net") => Ok(Self::Status(StatusOf::Net)),
                Some(b"handlers") => Ok(Self::Status(StatusOf::Handlers)),
                Some(_) => Err(ControlError::UnknownStatus),
                None => Err(ControlError::BadArgument),
            },
            b"kill" => call
                .args
                .get(b"id")
                .and_then(Value::as_integer)
                .and_then(|id| u64::try_from(id).ok())
                .map(Self::Kill)
                .ok_or(ControlError::BadArgument),
            b"reload" => Ok(Self::Reload),
            b"stop" => Ok(Self::Stop),
            b"terminate" => Ok(Self::Terminate),
            b"control_stop" => Ok(Self::ControlStop),
            _ => Err(ControlError::UnknownCommand),
        }
    }

    /// Appends the request.
    pub fn encode(self, out: &mut BytesMut) {
        match self {
            Self::Help => encode_call("help", &[], out),
            Self::Time => encode_call("time", &[], out),
            Self::Uuid => encode_call("uuid", &[], out),
            Self::Info => encode_call("info", &[], out),
            Self::Status(of) => {
                let what: &[u8] = match of {
                    StatusOf::Tasks => b"tasks",
                    StatusOf::Net => b"net",
                    StatusOf::Handlers => b"handlers",
                };
                encode_call("status", &[("what", Value::Bytes(what))], out);
            }
            Self::Kill(id) => {
                let id = i64::try_from(id).unwrap_or(i64::MAX);
                encode_call("kill", &[("id", Value::Integer(id))], out);
            }
            Self::Reload => encode_call("reload", &[], out),
            Self::Stop => encode_call("stop", &[], out),
            Self::Terminate => encode_call("terminate", &[], out),
            Self::ControlStop => encode_call("control_stop", &[], out),
        }
    }
}

/// Appends a request for any command.
pub fn encode_call(name: &str, args: &[(&str, Value<'_>)], out: &mut BytesMut) {
    tnetstring::write_list(out, |out| {
        tnetstring::write_bytes(out, name.as_bytes());
        tnetstring::write_dict(out, |out| {
            for (key, value) in args {
                tnetstring::write_bytes(out, key.as_bytes());
                tnetstring::write_value(out, value);
            }
        });
    });
}
