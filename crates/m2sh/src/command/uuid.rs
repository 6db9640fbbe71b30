//! `uuid`: a random uuid for a new server.

use std::fs::File;
use std::io::Read as _;

use crate::Terminal;
use crate::arguments::Options;
use crate::failure::Failure;

pub(super) fn run(_: &Options, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let mut bytes = [0; 16];
    let mut random = File::open("/dev/urandom").map_err(Failure::Random)?;
    random.read_exact(&mut bytes).map_err(Failure::Random)?;
    Ok(writeln!(terminal.out, "{}", version_4(bytes))?)
}

/// RFC 9562 section 5.4: 122 random bits, the version and the variant.
fn version_4(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::version_4;

    #[test]
    fn version_and_variant_are_set() {
        assert_eq!(version_4([0; 16]), "00000000-0000-4000-8000-000000000000");
        assert_eq!(version_4([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
