//! ZMTP, the ZeroMQ wire protocol: a sans-I/O codec and the server's own PUSH, SUB and REP endpoints on tokio.

mod fault;

pub use fault::EndpointFault;
