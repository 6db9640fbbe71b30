//! The messages recorded from Mongrel2: read, written again, compared.

#[cfg(test)]
mod golden {
    pub(crate) mod control;
    pub(crate) mod replies;
    pub(crate) mod requests;
    pub(crate) mod vectors;
}
