//! The SDK against real sockets.

#[cfg(test)]
mod sdk {
    mod link;
}
