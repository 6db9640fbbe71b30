//! Curve25519 keys and their text form, Z85 (RFC 32).

use std::fmt;
use std::str::FromStr;

use dryoc::classic::crypto_box::crypto_box_keypair;
use dryoc::classic::crypto_core::crypto_scalarmult_base;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// Characters of a key in Z85.
pub const KEY_CHARS: usize = 40;

/// A public key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey(pub(crate) [u8; 32]);

/// A secret key. Never shown by `Debug`, and overwritten when dropped.
#[derive(Clone)]
pub struct SecretKey(pub(crate) Zeroizing<[u8; 32]>);

/// A text that is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a key: {KEY_CHARS} characters of Z85 are")]
pub struct KeyFault;

impl SecretKey {
    /// A new key, of the system's random numbers.
    pub fn generate() -> Self {
        let (_, mut secret) = crypto_box_keypair();
        let key = Self(Zeroizing::new(secret));
        secret.zeroize();
        key
    }

    /// The public key that goes with it.
    pub fn public_key(&self) -> PublicKey {
        let mut public = [0; 32];
        crypto_scalarmult_base(&mut public, &self.0);
        PublicKey(public)
    }

    /// In Z85, to be written where nobody else reads it.
    pub fn to_z85(&self) -> Zeroizing<String> {
        Zeroizing::new(encode(&self.0))
    }
}

impl PartialEq for SecretKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&*other.0).into()
    }
}

impl Eq for SecretKey {}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

impl FromStr for SecretKey {
    type Err = KeyFault;

    fn from_str(text: &str) -> Result<Self, KeyFault> {
        decode(text).map(|key| Self(Zeroizing::new(key))).ok_or(KeyFault)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = KeyFault;

    fn from_str(text: &str) -> Result<Self, KeyFault> {
        decode(text).map(Self).ok_or(KeyFault)
    }
}

/// RFC 32: four bytes as a number of five digits to the base 85, most significant first.
fn encode(key: &[u8; 32]) -> String {
    let mut text = String::with_capacity(KEY_CHARS);
    for word in key.as_chunks::<4>().0 {
        let number = u32::from_be_bytes(*word);
        for power in [85 * 85 * 85 * 85, 85 * 85 * 85, 85 * 85, 85, 1] {
            let digit = (number / power % 85) as usize;
            text.push(DIGITS.get(digit).copied().unwrap_or_default().into());
        }
    }
    text
}

fn decode(text: &str) -> Option<[u8; 32]> {
    let (words, rest) = text.as_bytes().as_chunks::<5>();
    if words.len() != 8 || !rest.is_empty() {
        return None;
    }
    let mut key = [0; 32];
    for (to, word) in key.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        let mut number = 0_u32;
        for digit in word {
            let digit = DIGITS.iter().position(|known| known == digit)?;
            number = number.checked_mul(85)?.checked_add(u32::try_from(digit).ok()?)?;
        }
        *to = number.to_be_bytes();
    }
    Some(key)
}

const DIGITS: &[u8; 85] =
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The test vector of RFC 26 and of zmq_curve_keypair(3).
    #[test]
    fn known_keys() {
        let secret: SecretKey = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6".parse().unwrap();
        assert_eq!(secret.public_key().to_string(), "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7");
        assert_eq!(&**secret.to_z85(), "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6");
        assert_eq!(format!("{secret:?}"), "SecretKey(..)");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let good = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
        for text in [
            "",
            &good[1..],
            &format!("{good}0"),
            &format!("{}~", &good[1..]),
            &format!("{}é", &good[2..]),
            &"#".repeat(40),
        ] {
            assert_eq!(text.parse::<PublicKey>(), Err(KeyFault), "{text}");
        }
    }

    #[test]
    fn new_keys_differ() {
        assert_ne!(SecretKey::generate(), SecretKey::generate());
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes(key: [u8; 32]) {
            prop_assert_eq!(decode(&encode(&key)), Some(key));
        }

        #[test]
        fn any_text_is_survived(text in ".{0,50}") {
            if let Some(key) = decode(&text) {
                prop_assert_eq!(encode(&key), text);
            }
        }
    }
}
