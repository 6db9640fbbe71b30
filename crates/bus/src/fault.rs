//! Why an endpoint could not be bound.

/// A spec that could not be bound; nothing stays bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot bind {spec}")]
pub struct BindFault {
    /// The spec as it was configured.
    pub spec: String,
    /// What was wrong with it, or what the system said.
    #[source]
    pub cause: zmtp::EndpointFault,
}
