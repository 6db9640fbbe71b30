//! `keygen`: a key pair for CURVE, the secret key into a file that nobody else reads.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use bus::SecretKey;

use crate::Terminal;
use crate::arguments::Options;
use crate::failure::Failure;

/// With a file, only the public key is printed.
pub(super) fn run(options: &Options, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let secret = SecretKey::generate();
    let public = secret.public_key();
    match options.get("secret") {
        Some(path) => {
            write(Path::new(path), &secret)?;
            writeln!(terminal.out, "{public}")?;
        }
        None => {
            writeln!(terminal.out, "public key: {public}")?;
            writeln!(terminal.out, "secret key: {}", *secret.to_z85())?;
        }
    }
    Ok(())
}

/// A key that is there is never overwritten: it may be in use.
fn write(path: &Path, secret: &SecretKey) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| {
        file.write_all(secret.to_z85().as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    })
    .map_err(|source| Failure::WriteKey { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_written_for_its_owner_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.key");
        let secret = SecretKey::generate();
        write(&path, &secret).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.trim_end().parse(), Ok(secret));
        assert!(write(&path, &SecretKey::generate()).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}
