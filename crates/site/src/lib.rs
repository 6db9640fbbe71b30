//! What is served: listeners, hosts, routes, targets, limits, mime types; pattern language and lookup.

#![warn(clippy::indexing_slicing, clippy::string_slice)]

pub mod limits;
pub mod lookup;
pub mod mime;
pub mod options;
pub mod pattern;
pub mod security;
pub mod target;

mod prefixes;
mod site;

pub use limits::Limits;
pub use lookup::{Host, HostMatching, Hosts, Match, Route, Routes};
pub use mime::MimeTypes;
pub use options::{Balance, Options, UploadDigest, Uploads};
pub use pattern::{Pattern, PatternFault};
pub use security::HandlerSecurity;
pub use site::{ClientCertificate, Listener, Server, Site, Tls, below_chroot};
pub use target::{Dir, Handler, HandlerProtocol, Proxy, Target};
