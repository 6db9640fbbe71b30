//! NaCl's boxes as CURVE uses them: a tag of 16 bytes, then the ciphertext.

use dryoc::classic::crypto_box::{
    crypto_box_beforenm, crypto_box_detached_afternm_inplace, crypto_box_open_detached_afternm,
};
use dryoc::rng::copy_randombytes;
use zeroize::Zeroizing;

/// Bytes of the tag that goes before the ciphertext.
pub(crate) const MAC_BYTES: usize = 16;

pub(crate) type Nonce = [u8; 24];

/// A key that both ends have.
pub(crate) struct SharedKey(Zeroizing<[u8; 32]>);

impl SharedKey {
    /// The key of one's secret and the other's public key; none for a public key that makes every
    /// secret lead to the same.
    pub(crate) fn agree(public: &[u8; 32], secret: &[u8; 32]) -> Option<Self> {
        crypto_box_beforenm(public, secret).ok().map(|key| Self(Zeroizing::new(key)))
    }

    pub(crate) fn random() -> Self {
        let mut key = Zeroizing::new([0; 32]);
        copy_randombytes(&mut *key);
        Self(key)
    }

    /// Encrypts what follows the first `MAC_BYTES` of `boxed`, which become the tag.
    pub(crate) fn seal(&self, nonce: &Nonce, boxed: &mut [u8]) {
        if let Some((tag, text)) = boxed.split_first_chunk_mut::<MAC_BYTES>() {
            crypto_box_detached_afternm_inplace(text, tag, nonce, &self.0);
        }
    }

    pub(crate) fn open(&self, nonce: &Nonce, boxed: &[u8]) -> Option<Vec<u8>> {
        let (tag, sealed) = boxed.split_first_chunk::<MAC_BYTES>()?;
        let mut text = vec![0; sealed.len()];
        crypto_box_open_detached_afternm(&mut text, sealed, tag, nonce, &self.0).ok()?;
        Some(text)
    }
}

/// A nonce of two parts, 24 bytes together.
pub(crate) fn nonce(prefix: &[u8], rest: &[u8]) -> Nonce {
    let mut nonce = [0; 24];
    nonce.iter_mut().zip(prefix.iter().chain(rest)).for_each(|(to, from)| *to = *from);
    nonce
}
