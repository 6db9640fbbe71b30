//! What the server costs: microbenchmarks, and runs beside its peers.
