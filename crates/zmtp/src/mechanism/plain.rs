//! PLAIN (RFC 24): the peer's HELLO names a user and a password, which are looked up.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroize;

use super::{Completion, Credential, Proven, expect, refuse};
use crate::command::{Command, read_properties};
use crate::fault::ProtocolFault;

/// The users that PLAIN admits, and their passwords, which are overwritten when it is dropped. Those
/// that peers send come in clear text, through buffers that are not.
#[derive(Default)]
pub struct PlainUsers(HashMap<Box<[u8]>, Padded>);

/// A line of a users file that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} {problem}; a line is user:password, 1 to 255 bytes each, or begins with #")]
pub struct PlainFault {
    /// Counted from 1.
    pub line: usize,
    problem: &'static str,
}

impl PlainUsers {
    /// Reads a line of `user:password` for each user; a line that is empty or begins with `#` is
    /// passed over. The password may hold colons.
    ///
    /// # Errors
    /// The first line that is no such line, or names a user again.
    pub fn parse(text: &[u8]) -> Result<Self, PlainFault> {
        let mut users = Self::default();
        for (at, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let fault = |problem| PlainFault { line: at + 1, problem };
            let colon = line.iter().position(|&byte| byte == b':');
            let halves = colon.and_then(|at| line.split_at_checked(at));
            let Some((name, [_, password @ ..])) = halves else {
                return Err(fault("has no colon"));
            };
            if !(1..=TEXT_BYTES_MAX).contains(&name.len()) {
                return Err(fault("has no user, or a long one"));
            }
            let password =
                Padded::new(password).ok_or_else(|| fault("has no password, or a long one"))?;
            match users.0.entry(name.into()) {
                Entry::Vacant(place) => place.insert(password),
                Entry::Occupied(_) => return Err(fault("names a user again")),
            };
        }
        Ok(users)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody is admitted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A wrong password takes as long wherever it differs. Names are no secret.
    fn admits(&self, name: &[u8], password: &[u8]) -> bool {
        let pair = self.0.get(name).zip(Padded::new(password));
        pair.is_some_and(|(ours, theirs)| ours.ct_eq(&theirs).into())
    }

    /// Whether both know the user by the same password.
    pub(super) fn agrees_on(&self, other: &Self, name: &[u8]) -> bool {
        let pair = self.0.get(name).zip(other.0.get(name));
        pair.is_some_and(|(ours, theirs)| ours.ct_eq(theirs).into())
    }
}

impl fmt::Debug for PlainUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlainUsers({} users)", self.0.len())
    }
}

/// A password at a length that tells nothing.
struct Padded([u8; TEXT_BYTES_MAX + 1]);

/// A name or a password is as long as its length of one byte can say.
const TEXT_BYTES_MAX: usize = 255;

impl Padded {
    fn new(text: &[u8]) -> Option<Self> {
        let length = u8::try_from(text.len()).ok().filter(|&length| length > 0)?;
        let mut padded = Self([0; TEXT_BYTES_MAX + 1]);
        padded.0[TEXT_BYTES_MAX] = length;
        padded.0.iter_mut().zip(text).for_each(|(to, &from)| *to = from);
        // A text of 255 bytes fills all but the last.
        Some(padded)
    }

    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl Drop for Padded {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// How far the handshake has come.
#[derive(Debug)]
pub(crate) enum Handshake {
    /// HELLO is due.
    Hello(Arc<PlainUsers>),
    /// WELCOME is sent and INITIATE due.
    Initiate(Bytes),
    /// Nothing more is due.
    Over,
}

impl Handshake {
    pub(super) fn new(users: Arc<PlainUsers>) -> Self {
        Self::Hello(users)
    }

    pub(super) fn command(
        &mut self,
        body: Bytes,
        out: &mut Vec<u8>,
    ) -> Result<Option<Proven>, ProtocolFault> {
        match std::mem::replace(self, Self::Over) {
            Self::Hello(users) => {
                let (name, password) = hello(&body)?;
                if !users.admits(name, password) {
                    refuse(out);
                    return Err(ProtocolFault::Credentials {
                        user: name.escape_ascii().to_string(),
                    });
                }
                Command::Welcome.encode(out);
                *self = Self::Initiate(Bytes::copy_from_slice(name));
                Ok(None)
            }
            Self::Initiate(user) => {
                let rest = body.slice_ref(expect(&body, "INITIATE")?);
                let properties =
                    read_properties(rest).ok_or(ProtocolFault::Command { name: "INITIATE" })?;
                Ok(Some(Proven::new(properties, Credential::User(user), Completion::Ready)))
            }
            Self::Over => Err(ProtocolFault::HandshakeOver),
        }
    }
}

/// A name and a password, each behind its length.
fn hello(body: &[u8]) -> Result<(&[u8], &[u8]), ProtocolFault> {
    let parts = short(expect(body, "HELLO")?);
    let parts = parts.and_then(|(name, rest)| Some((name, short(rest)?)));
    match parts {
        Some((name, (password, []))) => Ok((name, password)),
        _ => Err(ProtocolFault::Command { name: "HELLO" }),
    }
}

fn short(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = text.split_first()?;
    rest.split_at_checked(length.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_files_are_read_or_refused_by_line() {
        let fault = |line, problem| Some(PlainFault { line, problem });
        let long = [&b"u:"[..], &[b'p'; 255]].concat();
        let longer = [&b"u:"[..], &[b'p'; 256]].concat();
        for (text, count, want) in [
            (&b""[..], 0, None),
            (b"# nobody\n\n", 0, None),
            (b"alice:secret\nbob:a:b \r\n", 2, None),
            (&long, 1, None),
            (&longer, 0, fault(1, "has no password, or a long one")),
            (b"alice:secret\nbob\n", 0, fault(2, "has no colon")),
            (b":secret", 0, fault(1, "has no user, or a long one")),
            (b"alice:", 0, fault(1, "has no password, or a long one")),
            (b"a:1\n#\na:2", 0, fault(3, "names a user again")),
        ] {
            let read = PlainUsers::parse(text);
            let count_read = read.as_ref().map_or(0, PlainUsers::len);
            assert_eq!((count_read, read.err()), (count, want), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn a_long_list_is_read_and_asked_at_once() {
        let text: String = (0..20_000).map(|n| format!("user{n}:password{n}\n")).collect();
        let begun = std::time::Instant::now();
        let users = PlainUsers::parse(text.as_bytes()).unwrap();
        assert_eq!(users.len(), 20_000);
        for n in 0..20_000 {
            let (name, password) = (format!("user{n}"), format!("password{}", n & !1));
            assert_eq!(users.admits(name.as_bytes(), password.as_bytes()), n % 2 == 0, "{name}");
        }
        // Each by each, it would be many minutes.
        assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    }

    #[test]
    fn only_the_password_of_the_user_is_admitted() {
        let users = PlainUsers::parse(b"alice:secret\nbob:a:b \r\n").unwrap();
        for (name, password, want) in [
            (&b"alice"[..], &b"secret"[..], true),
            (b"bob", b"a:b ", true),
            (b"alice", b"secreT", false),
            (b"alice", b"secret\0", false),
            (b"alice", b"a:b ", false),
            (b"alice", b"", false),
            (b"", b"secret", false),
            (b"carol", b"secret", false),
            (&[b'x'; 256], b"secret", false),
        ] {
            assert_eq!(users.admits(name, password), want, "{}", name.escape_ascii());
        }
        assert!(!format!("{users:?}").contains("secret"));
    }

    #[test]
    fn a_changed_password_ends_what_it_let_in() {
        let then = PlainUsers::parse(b"alice:secret\nbob:b").unwrap();
        for (now, want) in [
            (&b"alice:secret"[..], true),
            (b"bob:secret\nalice:secret", true),
            (b"alice:other", false),
            (b"bob:secret", false),
        ] {
            let now = PlainUsers::parse(now).unwrap();
            assert_eq!(now.agrees_on(&then, b"alice"), want, "{now:?}");
        }
    }
}
