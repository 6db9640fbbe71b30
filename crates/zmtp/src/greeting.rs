//! The greeting: signature, version, mechanism (RFC 37), and what RFC 15 had in its place.

use crate::fault::ProtocolFault;

/// What both sides send first. The eight bytes in the middle are the length that a ZMTP 1.0 peer
/// would read as its identity frame; libzmq sends 1, others 0.
pub(crate) const SIGNATURE: [u8; 10] = [0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f];

/// The version this code announces.
pub(crate) const VERSION: (u8, u8) = (3, 1);

/// Bytes of a ZMTP 3 greeting after signature and major version.
pub(crate) const REST_BYTES: usize = 53;

/// The revision byte of ZMTP 2.0.
const REVISION_2_0: u8 = 1;

/// Which protocol follows the revision byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Revision {
    V2,
    /// The major version, 3 or later: a later one has to speak 3 with us.
    V3(u8),
}

/// Looks at as much of the signature as is there; true once it is whole.
pub(crate) fn signature(input: &[u8]) -> Result<bool, ProtocolFault> {
    match (input.first(), input.get(9)) {
        (Some(&first), _) if first != 0xff => Err(ProtocolFault::Signature),
        (_, Some(&last)) if last & 1 == 0 => Err(ProtocolFault::Signature),
        (_, last) => Ok(last.is_some()),
    }
}

pub(crate) fn revision(revision: u8) -> Result<Revision, ProtocolFault> {
    match revision {
        REVISION_2_0 => Ok(Revision::V2),
        3.. => Ok(Revision::V3(revision)),
        0 | 2 => Err(ProtocolFault::Revision { revision }),
    }
}

/// Appends the greeting from the minor version on.
/// The server of a mechanism says that it is; NULL knows no server.
pub(crate) fn put_rest(mechanism: &str, is_server: bool, out: &mut Vec<u8>) {
    let mut name = [0; 20];
    for (to, from) in name.iter_mut().zip(mechanism.bytes()) {
        *to = from;
    }
    out.push(VERSION.1);
    out.extend_from_slice(&name);
    out.push(is_server.into());
    out.extend_from_slice(&[0; 31]);
}

/// The minor version, the mechanism's name and whether the peer is its server, out of the rest of a
/// greeting.
pub(crate) fn rest(rest: &[u8; REST_BYTES]) -> (u8, &[u8], bool) {
    let [minor, rest @ ..] = rest;
    let (name, rest) = rest.split_at_checked(20).unwrap_or_default();
    let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
    (*minor, name.get(..end).unwrap_or_default(), rest.first().is_some_and(|&bit| bit == 1))
}
