//! The socket types and which of them may talk to each other.

/// A ZeroMQ socket type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are ZeroMQ's own")]
pub enum SocketType {
    Pair,
    Pub,
    Sub,
    Req,
    Rep,
    Dealer,
    Router,
    Pull,
    Push,
    Xpub,
    Xsub,
}

impl SocketType {
    /// From the Socket-Type property.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        ALL.iter().find(|(_, known)| known.as_bytes() == name).map(|(socket, _)| *socket)
    }

    /// From the byte of a ZMTP 2.0 greeting (RFC 15). XPUB and XSUB have none there, but JeroMQ and
    /// libzmq 3 send what follows the last.
    pub fn from_code(code: u8) -> Option<Self> {
        ALL.get(usize::from(code)).map(|(socket, _)| *socket)
    }

    /// The Socket-Type property.
    pub fn name(self) -> &'static str {
        ALL.iter().find(|(socket, _)| *socket == self).map_or("", |(_, name)| name)
    }

    /// The byte of a ZMTP 2.0 greeting. XPUB and XSUB are PUB and SUB there.
    pub fn code(self) -> u8 {
        match self {
            Self::Pair => 0,
            Self::Pub | Self::Xpub => 1,
            Self::Sub | Self::Xsub => 2,
            Self::Req => 3,
            Self::Rep => 4,
            Self::Dealer => 5,
            Self::Router => 6,
            Self::Pull => 7,
            Self::Push => 8,
        }
    }

    /// The valid combinations of RFC 37 section "The Socket Type Property".
    pub fn accepts(self, peer: Self) -> bool {
        match self {
            Self::Pair => peer == Self::Pair,
            Self::Pub | Self::Xpub => matches!(peer, Self::Sub | Self::Xsub),
            Self::Sub | Self::Xsub => matches!(peer, Self::Pub | Self::Xpub),
            Self::Req => matches!(peer, Self::Rep | Self::Router),
            Self::Rep => matches!(peer, Self::Req | Self::Dealer),
            Self::Dealer => matches!(peer, Self::Rep | Self::Dealer | Self::Router),
            Self::Router => matches!(peer, Self::Req | Self::Dealer | Self::Router),
            Self::Pull => peer == Self::Push,
            Self::Push => peer == Self::Pull,
        }
    }
}

/// In the order of the ZMTP 2.0 codes.
const ALL: [(SocketType, &str); 11] = [
    (SocketType::Pair, "PAIR"),
    (SocketType::Pub, "PUB"),
    (SocketType::Sub, "SUB"),
    (SocketType::Req, "REQ"),
    (SocketType::Rep, "REP"),
    (SocketType::Dealer, "DEALER"),
    (SocketType::Router, "ROUTER"),
    (SocketType::Pull, "PULL"),
    (SocketType::Push, "PUSH"),
    (SocketType::Xpub, "XPUB"),
    (SocketType::Xsub, "XSUB"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_lead_back() {
        for (socket, name) in ALL {
            assert_eq!(SocketType::from_name(name.as_bytes()), Some(socket));
            assert_eq!(socket.name(), name);
            let back = SocketType::from_code(socket.code());
            match socket {
                SocketType::Xpub => assert_eq!(back, Some(SocketType::Pub)),
                SocketType::Xsub => assert_eq!(back, Some(SocketType::Sub)),
                _ => assert_eq!(back, Some(socket)),
            }
        }
        assert_eq!(SocketType::from_code(9), Some(SocketType::Xpub));
        assert_eq!(SocketType::from_code(10), Some(SocketType::Xsub));
        assert_eq!(SocketType::from_name(b"push"), None);
        assert_eq!(SocketType::from_code(11), None);
        assert_eq!(SocketType::from_code(255), None);
    }

    #[test]
    fn combinations_are_mutual() {
        for (one, _) in ALL {
            for (other, _) in ALL {
                assert_eq!(one.accepts(other), other.accepts(one), "{one:?} {other:?}");
            }
        }
        assert!(SocketType::Push.accepts(SocketType::Pull));
        assert!(!SocketType::Push.accepts(SocketType::Push));
        assert!(SocketType::Sub.accepts(SocketType::Xpub));
        assert!(!SocketType::Sub.accepts(SocketType::Push));
    }
}
