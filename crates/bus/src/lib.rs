//! ZeroMQ as typed async endpoints: handler links and the control port.

mod control;
mod fault;
mod link;

pub use control::{AskFault, ControlPort, ask};
pub use fault::BindFault;
pub use link::{
    Balance, Delivery, Holders, Latency, Link, LinkEvents, LinkLimits, LinkSpec, LinkStats, News,
    NotRetired, NotSent, Notice, Outgoing, Overdue, PeerName, PeerState, PeerStats, Publisher,
    Retiring, Standing, Tag, Undelivered,
};
pub use zmtp::{
    Credential, CurveServer, KEY_CHARS, KeyFault, PlainFault, PlainUsers, PublicKey, SecretKey,
    Security,
};
