//! One connection's protocol without I/O: greeting, handshake, then frames and heartbeats.

mod oversized;

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};

use crate::command::{self, Command};
use crate::fault::ProtocolFault;
use crate::frame::{Frame, FrameHeader};
use crate::greeting::{self, Revision};
use crate::mechanism::curve::Channel;
use crate::mechanism::{Credential, Mechanism, Proven, Security};
use crate::socket::SocketType;

pub use self::oversized::Oversized;
use self::oversized::{Read, TooLong};

/// What this side is; shared by the sessions of an endpoint.
#[derive(Debug, Clone)]
pub struct Local {
    /// What this side announces itself as.
    pub socket: SocketType,
    /// The identity it announces, at most 255 bytes; empty for none.
    pub identity: Bytes,
    /// The mechanism it asks for.
    pub security: Security,
    /// What a SUB subscribes to; messages whose first frame begins otherwise are dropped.
    pub subscription: Bytes,
    /// Longest frame taken, in bytes.
    pub message_bytes_max: usize,
}

/// Who the peer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerInfo {
    /// What it announces itself as.
    pub socket: SocketType,
    /// The identity it announces; empty for none.
    pub identity: Bytes,
    /// The version both sides now speak; ZMTP 2.0, 3.0 or 3.1.
    pub version: (u8, u8),
    /// What it has proved.
    pub credential: Credential,
}

/// What a session has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The handshake is over; frames may be sent from now on.
    Ready(PeerInfo),
    /// A frame of a message.
    Frame(Frame),
    /// A PING came, and its PONG waits in `take_output`. The peer asks to be taken for lost when
    /// it is silent for so many tenths of a second; 0 never.
    Ping {
        /// Tenths of a second.
        ttl: u16,
    },
    /// The peer has answered a PING.
    Pong,
    /// A frame longer than is taken; its bytes are passed over.
    Oversized(Oversized),
    /// A thousand frames that mean nothing here have been read; there may be more behind them. So
    /// whoever calls is not kept for long.
    PassedOver,
}

/// The protocol state of one connection. With NULL it serves either side, else the server's.
///
/// Bytes from the peer go in through `receive`; what it returns and what `take_output` hands out
/// is all it does.
#[derive(Debug)]
pub struct Session {
    local: Arc<Local>,
    mechanism: Mechanism,
    state: State,
    output: Vec<u8>,
    /// Only the newest PING is answered, so that a flood of them can't grow the output.
    pong: Option<Bytes>,
    wanted: usize,
    /// How large the input buffer is, of which `remaining` is what has not been taken off.
    allocated: usize,
    remaining: usize,
    message_bytes_max: usize,
    too_long: TooLong,
    message: Message,
    /// Frames that were no event, up to `PASSED_OVER_FRAMES`.
    passed_over: usize,
    /// What everything goes through after a CURVE handshake.
    channel: Option<Box<Channel>>,
}

#[derive(Debug)]
enum State {
    Signature,
    Revision,
    SocketTypeV2,
    IdentityV2 { socket: SocketType },
    Greeting { major: u8 },
    Handshake { version: (u8, u8) },
    Traffic { version: (u8, u8) },
}

/// Where in a multipart message the next frame stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Message {
    Start,
    Taken,
    /// The first frame did not match the subscription.
    Dropped,
}

impl Session {
    /// A session whose first bytes wait in `take_output`.
    pub fn new(local: Arc<Local>) -> Self {
        Self {
            mechanism: Mechanism::new(&local.security),
            message_bytes_max: local.message_bytes_max,
            local,
            state: State::Signature,
            output: greeting::SIGNATURE.to_vec(),
            pong: None,
            wanted: 0,
            allocated: 0,
            remaining: 0,
            too_long: TooLong::default(),
            message: Message::Start,
            passed_over: 0,
            channel: None,
        }
    }

    /// Reads the next event off the front of `input`, or `None` when it needs more bytes.
    ///
    /// After an error the session is over; what `take_output` still holds (an ERROR command) may
    /// be sent.
    pub fn receive(&mut self, input: &mut BytesMut) -> Result<Option<Event>, ProtocolFault> {
        // The capacity of a buffer shrinks as frames are taken off, and is another only when it is
        // filled again.
        if input.capacity() != self.remaining {
            self.allocated = input.capacity();
        }
        let outcome = self.advance(input);
        self.remaining = input.capacity();
        outcome
    }

    fn advance(&mut self, input: &mut BytesMut) -> Result<Option<Event>, ProtocolFault> {
        loop {
            let before = input.len();
            let event = match self.state {
                State::Traffic { version } => return self.traffic(version, input),
                State::Handshake { version } => self.handshake(version, input)?,
                _ => self.greet(input)?,
            };
            if event.is_some() || input.len() == before {
                return Ok(event);
            }
        }
    }

    /// From the next frame on, the longest one taken.
    pub fn set_message_bytes_max(&mut self, max: usize) {
        self.message_bytes_max = max;
    }

    /// How many more bytes the frame that has begun needs; 0 when none has.
    pub fn wanted(&self) -> usize {
        self.wanted
    }

    /// Moves the bytes this side has to send (greeting, handshake, subscription, PONG) to the end
    /// of `out`. They may go between messages only.
    pub fn take_output(&mut self, out: &mut Vec<u8>) {
        if let Some(context) = self.pong.take() {
            self.put(&Command::Pong(context));
        }
        if !self.output.is_empty() {
            out.append(&mut self.output);
            self.output = Vec::new();
        }
    }

    /// Whether `take_output` has anything.
    pub fn has_output(&self) -> bool {
        !self.output.is_empty() || self.pong.is_some()
    }

    /// Queues a PING. Only ZMTP 3.1 peers may be sent one: older ones cut the connection.
    pub fn ping(&mut self) {
        self.put(&Command::Ping { ttl: 0, context: Bytes::new() });
    }

    /// What frames to the peer have to go through, if traffic is encrypted.
    pub(crate) fn channel(&mut self) -> Option<&mut Channel> {
        self.channel.as_deref_mut()
    }

    fn put(&mut self, command: &Command) {
        match &mut self.channel {
            None => command.encode(&mut self.output),
            Some(channel) => {
                let body = command.body();
                let header = FrameHeader { more: false, command: true, length: body.len() };
                channel.seal(header, &body, &mut self.output);
            }
        }
    }

    fn greet(&mut self, input: &mut BytesMut) -> Result<Option<Event>, ProtocolFault> {
        match self.state {
            State::Signature => {
                if greeting::signature(input)? {
                    input.advance(greeting::SIGNATURE.len());
                    self.output.push(greeting::VERSION.0);
                    self.state = State::Revision;
                }
            }
            State::Revision => {
                if let Ok(revision) = input.try_get_u8() {
                    self.revision(revision)?;
                }
            }
            State::SocketTypeV2 => {
                if let Ok(code) = input.try_get_u8() {
                    let socket = SocketType::from_code(code);
                    let socket = self.compatible(socket, || format!("type {code}"))?;
                    self.state = State::IdentityV2 { socket };
                }
            }
            State::IdentityV2 { socket } => {
                if let Some((header, identity)) = self.frame(input, IDENTITY_BYTES_MAX)? {
                    if header.command || header.more {
                        let flags = u8::from(header.more) | (u8::from(header.command) << 2);
                        return Err(ProtocolFault::Flags { flags });
                    }
                    let credential = Credential::None;
                    let version = (2, 0);
                    return Ok(Some(self.ready(PeerInfo {
                        socket,
                        identity,
                        version,
                        credential,
                    })));
                }
            }
            State::Greeting { major } => {
                if let Some(rest) = input.first_chunk() {
                    let (minor, mechanism, is_server) = greeting::rest(rest);
                    self.agree(mechanism, is_server)?;
                    input.advance(greeting::REST_BYTES);
                    let version = if major > 3 { greeting::VERSION } else { (3, minor.min(1)) };
                    self.state = State::Handshake { version };
                    self.mechanism.open(&self.local, &mut self.output);
                }
            }
            State::Handshake { .. } | State::Traffic { .. } => {}
        }
        Ok(None)
    }

    fn revision(&mut self, revision: u8) -> Result<(), ProtocolFault> {
        self.state = match greeting::revision(revision)? {
            Revision::V3(major) => {
                let security = &self.local.security;
                let is_server = !matches!(security, Security::Null);
                greeting::put_rest(security.name(), is_server, &mut self.output);
                State::Greeting { major }
            }
            Revision::V2 => {
                self.unsecured()?;
                self.output.push(self.local.socket.code());
                let identity = Frame::last(self.local.identity.clone());
                identity.header().encode(&mut self.output);
                self.output.extend_from_slice(&identity.payload);
                State::SocketTypeV2
            }
        };
        Ok(())
    }

    /// ZMTP 2.0 knows no security: a socket that asks for some must not take such a peer.
    fn unsecured(&self) -> Result<(), ProtocolFault> {
        match &self.local.security {
            Security::Null => Ok(()),
            other => Err(ProtocolFault::Mechanism {
                theirs: "none, as ZMTP 2.0".to_owned(),
                ours: other.name(),
            }),
        }
    }

    /// libzmq finds out by itself, from our greeting; others may need to be told. What NULL says of
    /// servers means nothing.
    fn agree(&mut self, theirs: &[u8], is_server: bool) -> Result<(), ProtocolFault> {
        let ours = self.local.security.name();
        let (reason, fault) = if theirs != ours.as_bytes() {
            let theirs = theirs.escape_ascii().to_string();
            ("Security mechanism mismatch", ProtocolFault::Mechanism { theirs, ours })
        } else if is_server && !matches!(self.local.security, Security::Null) {
            ("Both sides are servers", ProtocolFault::BothServers { mechanism: ours })
        } else {
            return Ok(());
        };
        Command::Error(Bytes::from_static(reason.as_bytes())).encode(&mut self.output);
        Err(fault)
    }

    fn handshake(
        &mut self,
        version: (u8, u8),
        input: &mut BytesMut,
    ) -> Result<Option<Event>, ProtocolFault> {
        let Some((header, body)) = self.frame(input, COMMAND_BYTES_MAX)? else { return Ok(None) };
        if !header.command {
            return Err(ProtocolFault::Message);
        }
        if let Some(rest) = command::named(&body, "ERROR") {
            let reason = command::take_short(&mut body.slice_ref(rest));
            return Err(reason.map_or(ProtocolFault::Command { name: "ERROR" }, |r| reported(&r)));
        }
        match self.mechanism.command(body, &mut self.output)? {
            Some(proven) => self.complete(version, proven).map(Some),
            None => Ok(None),
        }
    }

    fn complete(&mut self, version: (u8, u8), proven: Proven) -> Result<Event, ProtocolFault> {
        let (socket_type, identity) = (proven.socket_type.clone(), proven.identity.clone());
        if identity.len() > IDENTITY_BYTES_MAX {
            return Err(ProtocolFault::Command { name: "READY" });
        }
        let socket = SocketType::from_name(&socket_type);
        let socket = self.compatible(socket, || socket_type.escape_ascii().to_string())?;
        let (credential, channel) = proven.finish(&self.local, &mut self.output);
        self.channel = channel;
        Ok(self.ready(PeerInfo { socket, identity, version, credential }))
    }

    fn compatible(
        &mut self,
        theirs: Option<SocketType>,
        name: impl FnOnce() -> String,
    ) -> Result<SocketType, ProtocolFault> {
        match theirs {
            Some(theirs) if self.local.socket.accepts(theirs) => Ok(theirs),
            _ => {
                if matches!(self.state, State::Handshake { .. }) {
                    let reason = Bytes::from_static(b"Invalid socket type");
                    Command::Error(reason).encode(&mut self.output);
                }
                let theirs = theirs.map_or_else(name, |theirs| theirs.name().to_owned());
                Err(ProtocolFault::SocketType { theirs, ours: self.local.socket.name() })
            }
        }
    }

    fn ready(&mut self, info: PeerInfo) -> Event {
        let version = info.version;
        self.state = State::Traffic { version };
        if matches!(self.local.socket, SocketType::Sub | SocketType::Xsub) {
            self.subscribe(version);
        }
        Event::Ready(info)
    }

    /// RFC 37 made the message of earlier versions (0x01 and the prefix) a command.
    fn subscribe(&mut self, version: (u8, u8)) {
        let prefix = self.local.subscription.clone();
        if version >= (3, 1) {
            return self.put(&Command::Subscribe(prefix));
        }
        let body = [&[1], &prefix[..]].concat();
        let header = FrameHeader { more: false, command: false, length: body.len() };
        if let Some(channel) = &mut self.channel {
            return channel.seal(header, &body, &mut self.output);
        }
        header.encode(&mut self.output);
        self.output.extend_from_slice(&body);
    }

    fn traffic(
        &mut self,
        version: (u8, u8),
        input: &mut BytesMut,
    ) -> Result<Option<Event>, ProtocolFault> {
        while let Some(read) = self.next_frame(input)? {
            if let Some(event) = self.event(version, read)? {
                return Ok(Some(event));
            }
            self.passed_over += 1;
            if self.passed_over == PASSED_OVER_FRAMES {
                self.passed_over = 0;
                return Ok(Some(Event::PassedOver));
            }
        }
        Ok(None)
    }

    fn event(&mut self, version: (u8, u8), read: Read) -> Result<Option<Event>, ProtocolFault> {
        let (header, body) = match read {
            Read::Frame(header, body) => (header, body),
            Read::Oversized(more, oversized) => {
                let payload = oversized.begins.clone();
                let taken = payload.is_none_or(|payload| self.taken(&Frame { more, payload }));
                return Ok(taken.then_some(Event::Oversized(oversized)));
            }
        };
        if !header.command {
            let frame = Frame { more: header.more, payload: body };
            return Ok(self.taken(&frame).then_some(Event::Frame(frame)));
        }
        if version < (3, 0) {
            return Err(ProtocolFault::Flags { flags: 4 });
        }
        match Command::decode(body)? {
            Command::Ping { ttl, context } => {
                self.pong = Some(context);
                Ok(Some(Event::Ping { ttl }))
            }
            Command::Pong(_) => Ok(Some(Event::Pong)),
            Command::Error(reason) => Err(reported(&reason)),
            Command::Ready(_)
            | Command::Welcome
            | Command::Subscribe(_)
            | Command::Cancel(_)
            | Command::Unknown => Ok(None),
        }
    }

    /// What a peer has no reason to send (a PULL's messages), or what was not subscribed to, is
    /// read and dropped, as libzmq does.
    fn taken(&mut self, frame: &Frame) -> bool {
        if self.message == Message::Start {
            let wanted = match self.local.socket {
                SocketType::Push | SocketType::Pub => false,
                SocketType::Sub => frame.payload.starts_with(&self.local.subscription),
                _ => true,
            };
            self.message = if wanted { Message::Taken } else { Message::Dropped };
        }
        let taken = self.message == Message::Taken;
        if !frame.more {
            self.message = Message::Start;
        }
        taken
    }

    /// Out of its box, if it came in one.
    fn whole_frame(
        &mut self,
        input: &mut BytesMut,
    ) -> Result<Option<(FrameHeader, Bytes)>, ProtocolFault> {
        let Some(channel) = &mut self.channel else {
            return self.frame(input, self.message_bytes_max);
        };
        let max = self.message_bytes_max;
        self.wanted = 0;
        let Some((outer, size)) =
            FrameHeader::decode(input, max.saturating_add(Channel::OVERHEAD))?
        else {
            return Ok(None);
        };
        let end = size + outer.length;
        let Some(body) = input.get(size..end) else {
            self.wanted = end - input.len();
            return Ok(None);
        };
        let (header, payload) = channel.open(body)?;
        input.advance(end);
        command_fits(header)?;
        Ok(Some((header, payload)))
    }

    fn frame(
        &mut self,
        input: &mut BytesMut,
        max: usize,
    ) -> Result<Option<(FrameHeader, Bytes)>, ProtocolFault> {
        self.wanted = 0;
        let Some((header, size)) = FrameHeader::decode(input, max)? else { return Ok(None) };
        command_fits(header)?;
        let end = size + header.length;
        let Some(body) = input.get(size..end) else {
            self.wanted = end - input.len();
            return Ok(None);
        };
        // A slice would keep the whole read buffer alive for as long as someone holds it, while
        // who counts the bytes that wait for a client sees the slice only.
        if body.len() <= COPY_BYTES_MAX.max(self.allocated / 4) {
            let body = Bytes::copy_from_slice(body);
            input.advance(end);
            return Ok(Some((header, body)));
        }
        input.advance(size);
        Ok(Some((header, input.split_to(header.length).freeze())))
    }
}

fn command_fits(header: FrameHeader) -> Result<(), ProtocolFault> {
    let (size, max) = (header.length as u64, COMMAND_BYTES_MAX);
    if header.command && header.length > max {
        return Err(ProtocolFault::TooLarge { size, max });
    }
    Ok(())
}

fn reported(reason: &[u8]) -> ProtocolFault {
    ProtocolFault::Reported { reason: reason.escape_ascii().to_string() }
}

/// RFC 37: an identity has at most 255 bytes.
const IDENTITY_BYTES_MAX: usize = 255;

/// How many frames that are no event make one.
pub(crate) const PASSED_OVER_FRAMES: usize = 1000;

/// Longest command: room for many READY properties, yet nothing for a garbage peer to hoard.
const COMMAND_BYTES_MAX: usize = 16 << 10;

/// Frames up to this are copied out of the read buffer, longer ones share it: a quarter of the
/// room a peer reads into.
const COPY_BYTES_MAX: usize = 16 << 10;

#[cfg(test)]
mod tests;
