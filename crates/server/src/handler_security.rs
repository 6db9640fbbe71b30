//! What handlers must prove: the files that `handler.security` needs, read when a configuration is
//! loaded.

use bus::{CurveServer, PlainFault, PlainUsers, PublicKey, SecretKey, Security};
use site::HandlerSecurity;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Bytes of one file: some thousands of handlers.
const FILE_BYTES_MAX: u64 = 1 << 20;

const USERS: &str = "handler.plain_users";
const SECRET_KEY: &str = "handler.curve_secret_key";
const CLIENTS: &str = "handler.curve_clients";

/// Why handlers can't be asked to prove what they are.
#[derive(Debug, thiserror::Error)]
pub enum SecurityFault {
    #[error("{setting}: {} can't be read", path.display())]
    Read { setting: &'static str, path: PathBuf, source: io::Error },
    #[error("{setting}: {} is larger than {FILE_BYTES_MAX} bytes", path.display())]
    TooLarge { setting: &'static str, path: PathBuf },
    #[error("{USERS}: {} can't be used", path.display())]
    Users { path: PathBuf, source: PlainFault },
    #[error(
        "{SECRET_KEY}: {} must hold one secret key, 40 characters of Z85 on a line of their own, \
         as m2sh keygen writes it",
        path.display()
    )]
    SecretKey { path: PathBuf },
    #[error(
        "{CLIENTS}: in {}, line {} is no public key; a line is one, 40 characters of Z85, then a \
         blank and a name if you like, or begins with # and a blank",
        path.display(),
        lines.iter().map(usize::to_string).collect::<Vec<_>>().join(", line ")
    )]
    Clients { path: PathBuf, lines: Vec<usize> },
}

/// Reads what `security` names; `locate` says where a configured path lies. Blocks.
pub fn read(
    security: &HandlerSecurity,
    locate: impl Fn(&str) -> PathBuf,
) -> Result<Security, SecurityFault> {
    match security {
        HandlerSecurity::Null => Ok(Security::Null),
        HandlerSecurity::Plain { users } => {
            let path = locate(users);
            let text = secret_file(USERS, &path)?;
            let users = PlainUsers::parse(&text)
                .map_err(|source| SecurityFault::Users { path: path.clone(), source })?;
            if users.is_empty() {
                warn_of_nobody(USERS, &path);
            }
            Ok(Security::Plain(Arc::new(users)))
        }
        HandlerSecurity::Curve { secret_key, clients } => {
            let path = locate(secret_key);
            let secret = secret_key_in(&secret_file(SECRET_KEY, &path)?);
            let secret = secret.ok_or(SecurityFault::SecretKey { path })?;
            let clients = clients.as_deref().map(|clients| clients_in(locate(clients)));
            let server = CurveServer::new(secret, clients.transpose()?);
            Ok(Security::Curve(Arc::new(server)))
        }
    }
}

/// A key alone, or a certificate as CZMQ and pyzmq write it.
fn secret_key_in(text: &[u8]) -> Option<SecretKey> {
    let text = std::str::from_utf8(text).ok()?;
    let mut lines = text.lines().map(str::trim).filter(|line| !is_idle(line));
    let certified = lines.clone().find_map(|line| line.strip_prefix("secret-key"));
    if let Some(value) = certified {
        return value.trim_start_matches([' ', '=']).trim_matches('"').parse().ok();
    }
    let key = lines.next()?.parse().ok();
    key.filter(|_| lines.next().is_none())
}

fn clients_in(path: PathBuf) -> Result<Vec<PublicKey>, SecurityFault> {
    let (text, _) = file(CLIENTS, &path)?;
    let (mut keys, mut faulty) = (Vec::new(), Vec::new());
    for (at, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let line = String::from_utf8_lossy(line);
        let Some(word) = line.split_whitespace().next().filter(|_| !is_idle(&line)) else {
            continue;
        };
        match word.parse() {
            Ok(key) => keys.push(key),
            Err(_) => faulty.push(at + 1),
        }
    }
    if !faulty.is_empty() {
        return Err(SecurityFault::Clients { path, lines: faulty });
    }
    if keys.is_empty() {
        warn_of_nobody(CLIENTS, &path);
    }
    Ok(keys)
}

/// A key may begin with `#`, but holds no blank.
fn is_idle(line: &str) -> bool {
    line.trim().is_empty() || line.trim_end() == "#" || line.starts_with("# ")
}

fn warn_of_nobody(setting: &str, path: &Path) {
    tracing::warn!("{setting}: {} names nobody, so no handler can connect", path.display());
}

fn secret_file(setting: &'static str, path: &Path) -> Result<Zeroizing<Vec<u8>>, SecurityFault> {
    let (text, mode) = file(setting, path)?;
    if mode & 0o077 != 0 {
        tracing::warn!(
            "{setting}: {} can be read or changed by others (mode {:04o}); it should have mode 0600",
            path.display(),
            mode & 0o7777
        );
    }
    Ok(text)
}

fn file(setting: &'static str, path: &Path) -> Result<(Zeroizing<Vec<u8>>, u32), SecurityFault> {
    let fault = |source| SecurityFault::Read { setting, path: path.to_owned(), source };
    let file = File::open(path).map_err(fault)?;
    let metadata = file.metadata().map_err(fault)?;
    // Room for all of it: a buffer that grows leaves copies behind.
    let room = usize::try_from(metadata.len().min(FILE_BYTES_MAX)).unwrap_or(0) + 1;
    let mut text = Zeroizing::new(Vec::with_capacity(room));
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(fault)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(SecurityFault::TooLarge { setting, path: path.to_owned() });
    }
    Ok((text, metadata.permissions().mode()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6";
    const PUBLIC: &str = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";

    /// Reads with these files in a folder; the security, or the whole fault.
    fn check(security: &HandlerSecurity, files: &[(&str, &str)]) -> Result<Security, String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let read = read(security, |path| folder.path().join(path));
        let place = format!("{}/", folder.path().display());
        read.map_err(|fault| crate::error::chain(&fault).replace(&place, ""))
    }

    fn curve(clients: Option<&str>) -> HandlerSecurity {
        let clients = clients.map(str::to_owned);
        HandlerSecurity::Curve { secret_key: "key".to_owned(), clients }
    }

    #[test]
    fn a_secret_key_is_read_in_either_form() {
        for text in [
            SECRET.to_owned(),
            format!("# ours\n\n{SECRET}\n"),
            format!(
                "#   ZeroMQ CURVE **Secret** Certificate\n\nmetadata\ncurve\n    public-key = \
                 \"{PUBLIC}\"\n    secret-key = \"{SECRET}\"\n"
            ),
        ] {
            let read = check(&curve(None), &[("key", &text)]);
            let Ok(Security::Curve(server)) = read else { panic!("{text}: {read:?}") };
            assert_eq!(server.public_key().to_string(), PUBLIC);
            assert!(server.permits(&SecretKey::generate().public_key()));
        }
    }

    #[test]
    fn clients_are_those_in_the_list() {
        let list = format!("# staging\n{PUBLIC} worker 1\n\n");
        let read = check(&curve(Some("list")), &[("key", SECRET), ("list", &list)]);
        let Ok(Security::Curve(server)) = read else { panic!("{read:?}") };
        assert!(server.permits(&PUBLIC.parse().unwrap()));
        assert!(!server.permits(&SecretKey::generate().public_key()));
    }

    #[test]
    fn faults_name_the_setting_the_file_and_what_is_accepted() {
        let plain = HandlerSecurity::Plain { users: "users".to_owned() };
        let bad_list = format!("{PUBLIC}\nno key\n{PUBLIC}\n#no blank\n");
        let short = &SECRET[1..];
        let two = format!("{SECRET}\n{SECRET}");
        let key = "handler.curve_secret_key: key must hold one secret key, 40 characters of Z85";
        for (security, files, want) in [
            (&plain, &[][..], "handler.plain_users: users can't be read\n  No such file"),
            (
                &plain,
                &[("users", "alice:a\nbob")],
                "handler.plain_users: users can't be used\n  line 2 has no colon; a line is user:",
            ),
            (&curve(None), &[("key", short)], key),
            (&curve(None), &[("key", &two)], key),
            (&curve(None), &[("key", "")], key),
            (&curve(Some("list")), &[("key", SECRET)], "handler.curve_clients: list can't be read"),
            (
                &curve(Some("list")),
                &[("key", SECRET), ("list", &bad_list)],
                "handler.curve_clients: in list, line 2, line 4 is no public key; a line is one",
            ),
        ] {
            let fault = check(security, files).unwrap_err();
            assert!(fault.starts_with(want), "{fault}");
            assert!(!fault.contains(short), "{fault}");
        }
    }
}
