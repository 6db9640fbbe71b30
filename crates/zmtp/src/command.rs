//! The commands of RFC 37: READY, WELCOME, ERROR, PING, PONG, SUBSCRIBE and CANCEL.

use bytes::{Buf, Bytes};

use crate::fault::ProtocolFault;
use crate::frame::FrameHeader;

/// What peers tell of themselves in a handshake: names and values.
pub(crate) type Properties = Vec<(Bytes, Bytes)>;

/// The body of a command frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Ends the handshake: properties as name and value.
    Ready(Vec<(Bytes, Bytes)>),
    /// PLAIN's answer to a HELLO that it accepts.
    Welcome,
    /// Why the peer gives up.
    Error(Bytes),
    /// A heartbeat to be answered by PONG with the same context.
    Ping {
        /// Tenths of a second after which the sender may be taken for lost if it is silent; 0 never.
        ttl: u16,
        /// At most 16 bytes.
        context: Bytes,
    },
    /// The answer to PING.
    Pong(Bytes),
    /// The sender wants messages that begin with this (ZMTP 3.1).
    Subscribe(Bytes),
    /// It does not want them any longer.
    Cancel(Bytes),
    /// A name this code does not know; RFC 37 has such commands ignored.
    Unknown,
}

impl Command {
    /// Reads a command frame's body.
    pub fn decode(mut body: Bytes) -> Result<Self, ProtocolFault> {
        let unnamed = ProtocolFault::Command { name: "nameless" };
        let Some(name) = take_short(&mut body) else { return Err(unnamed) };
        match name.as_ref() {
            b"" => Err(unnamed),
            b"READY" => read_properties(body)
                .map(Self::Ready)
                .ok_or(ProtocolFault::Command { name: "READY" }),
            b"ERROR" => {
                let reason = take_short(&mut body);
                Ok(Self::Error(reason.ok_or(ProtocolFault::Command { name: "ERROR" })?))
            }
            b"PING" if body.len() >= 2 && body.len() <= 2 + CONTEXT_BYTES_MAX => {
                Ok(Self::Ping { ttl: body.get_u16(), context: body })
            }
            b"PING" => Err(ProtocolFault::Command { name: "PING" }),
            b"PONG" => Ok(Self::Pong(body)),
            b"WELCOME" if body.is_empty() => Ok(Self::Welcome),
            b"SUBSCRIBE" => Ok(Self::Subscribe(body)),
            b"CANCEL" => Ok(Self::Cancel(body)),
            _ => Ok(Self::Unknown),
        }
    }

    /// Appends the whole frame. Names and reasons are cut at 255 bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let body = self.body();
        if !body.is_empty() {
            FrameHeader { more: false, command: true, length: body.len() }.encode(out);
            out.extend_from_slice(&body);
        }
    }

    /// Without the frame's header; nothing for `Unknown`.
    pub(crate) fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        match self {
            Self::Ready(properties) => {
                put_short(b"READY", &mut body);
                write_properties(properties, &mut body);
            }
            Self::Welcome => put_short(b"WELCOME", &mut body),
            Self::Error(reason) => {
                put_short(b"ERROR", &mut body);
                put_short(reason, &mut body);
            }
            Self::Ping { ttl, context } => {
                put_short(b"PING", &mut body);
                body.extend_from_slice(&ttl.to_be_bytes());
                body.extend_from_slice(context);
            }
            Self::Pong(context) => {
                put_short(b"PONG", &mut body);
                body.extend_from_slice(context);
            }
            Self::Subscribe(prefix) => {
                put_short(b"SUBSCRIBE", &mut body);
                body.extend_from_slice(prefix);
            }
            Self::Cancel(prefix) => {
                put_short(b"CANCEL", &mut body);
                body.extend_from_slice(prefix);
            }
            Self::Unknown => {}
        }
        body
    }
}

/// The rest of a command's body, if it has this name.
pub(crate) fn named<'b>(body: &'b [u8], name: &str) -> Option<&'b [u8]> {
    let (&length, rest) = body.split_first()?;
    (usize::from(length) == name.len()).then(|| rest.strip_prefix(name.as_bytes()))?
}

pub(crate) fn write_properties(properties: &Properties, out: &mut Vec<u8>) {
    for (name, value) in properties {
        put_short(name, out);
        out.extend_from_slice(&(value.len() as u32).to_be_bytes());
        out.extend_from_slice(value);
    }
}

pub(crate) fn read_properties(mut body: Bytes) -> Option<Properties> {
    let mut properties = Vec::new();
    while !body.is_empty() {
        let name = take_short(&mut body).filter(|name| !name.is_empty())?;
        let length = usize::try_from(body.try_get_u32().ok()?).ok()?;
        if length > body.len() {
            return None;
        }
        properties.push((name, body.split_to(length)));
    }
    Some(properties)
}

pub(crate) fn take_short(body: &mut Bytes) -> Option<Bytes> {
    let length = usize::from(body.try_get_u8().ok()?);
    (length <= body.len()).then(|| body.split_to(length))
}

fn put_short(text: &[u8], out: &mut Vec<u8>) {
    let text = text.get(..255).unwrap_or(text);
    out.push(text.len() as u8);
    out.extend_from_slice(text);
}

/// RFC 37: "ping-context = 0*16OCTET".
const CONTEXT_BYTES_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(body: &'static [u8], want: Option<Command>) {
        assert_eq!(Command::decode(Bytes::from_static(body)).ok(), want, "{}", body.escape_ascii());
    }

    #[test]
    fn commands() {
        let b = Bytes::from_static;
        check(b"", None);
        check(b"\0", None);
        check(b"\x05READ", None);
        check(b"\x05READY", Some(Command::Ready(vec![])));
        check(
            b"\x05READY\x0bSocket-Type\0\0\0\x04PULL\x08Identity\0\0\0\0",
            Some(Command::Ready(vec![(b(b"Socket-Type"), b(b"PULL")), (b(b"Identity"), b(b""))])),
        );
        check(b"\x05READY\x0bSocket-Type\0\0\0\x05PULL", None);
        check(b"\x05READY\x0bSocket-Type\0\0\0", None);
        check(b"\x05READY\x01n\xff\xff\xff\xff", None);
        check(b"\x05READY\0\0\0\0\0", None);
        check(b"\x05ERROR\x02no", Some(Command::Error(b(b"no"))));
        check(b"\x05ERROR", None);
        check(b"\x05ERROR\x03no", None);
        check(b"\x04PING\0\x0aabc", Some(Command::Ping { ttl: 10, context: b(b"abc") }));
        check(b"\x04PING\0", None);
        check(b"\x04PING\0\x0a01234567890123456", None);
        check(b"\x04PONGabc", Some(Command::Pong(b(b"abc"))));
        check(b"\x09SUBSCRIBE", Some(Command::Subscribe(b(b""))));
        check(b"\x09SUBSCRIBEab", Some(Command::Subscribe(b(b"ab"))));
        check(b"\x06CANCELab", Some(Command::Cancel(b(b"ab"))));
        check(b"\x07WELCOME", Some(Command::Welcome));
        check(b"\x07WELCOMEx", Some(Command::Unknown));
        check(b"\x04JOINx", Some(Command::Unknown));
    }

    proptest! {
        #[test]
        fn any_body_is_survived_and_leads_back(body: Vec<u8>) {
            let Ok(command) = Command::decode(body.into()) else { return Ok(()) };
            if command == Command::Unknown { return Ok(()) }
            let mut frame = Vec::new();
            command.encode(&mut frame);
            let (header, size) = FrameHeader::decode(&frame, usize::MAX).unwrap().unwrap();
            prop_assert!(header.command && header.length == frame.len() - size);
            prop_assert_eq!(Command::decode(Bytes::from(frame).slice(size..)).unwrap(), command);
        }
    }
}
