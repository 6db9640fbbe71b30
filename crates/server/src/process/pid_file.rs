//! The pid file: one server to a file, and how others find it.

use super::privileges::is_root;
use crate::error::StartFault;
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, lchown};
use std::path::{Path, PathBuf};

/// A pid and its line end fit in less.
const CONTENT_BYTES_MAX: u64 = 32;

/// A pid file that is ours; it is removed when dropped.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
}

impl PidFile {
    /// Writes this process's id, decimal and without a newline, as Mongrel2 does.
    ///
    /// Refuses if a live process holds the file; removes what a dead one left. Links are not
    /// followed, and nothing but a regular file is read: when root does this, the folder may be
    /// another user's.
    pub fn take(path: PathBuf) -> Result<Self, StartFault> {
        match Self::check(&path).and_then(|()| create(&path).map_err(Refusal::Io)) {
            Ok(()) => Ok(Self { path }),
            // Another server came between the two steps.
            Err(Refusal::Io(error)) if error.kind() == io::ErrorKind::AlreadyExists => {
                let refusal = Self::check(&path).err().unwrap_or(Refusal::Io(error));
                Err(refusal.into_fault(path))
            }
            Err(refusal) => Err(refusal.into_fault(path)),
        }
    }

    fn check(path: &Path) -> Result<(), Refusal> {
        let text = match read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let Some(pid) = text.trim().parse::<i32>().ok() else {
            let text = format!("it holds {:?}, which is no process id; remove it", text.trim());
            return Err(io::Error::new(io::ErrorKind::InvalidData, text).into());
        };
        if is_alive(pid) {
            return Err(Refusal::Alive(pid));
        }
        Ok(fs::remove_file(path)?)
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "can't remove the pid file");
        }
    }
}

/// Why a pid file can't be had.
enum Refusal {
    Alive(i32),
    Io(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Refusal {
    fn into_fault(self, path: PathBuf) -> StartFault {
        match self {
            Self::Alive(pid) => StartFault::StillRunning { path, pid },
            Self::Io(source) => StartFault::PidFile { path, source },
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    let no_file = |what| io::Error::new(io::ErrorKind::InvalidData, format!("it is {what}"));
    // A pipe would have us wait for somebody to write.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = OpenOptions::new().read(true).custom_flags(bits(flags)).open(path);
    let file = opened.map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::LOOP) => no_file("a symbolic link, which is not followed"),
        _ => error,
    })?;
    if !file.metadata()?.is_file() {
        return Err(no_file("no regular file"));
    }
    let mut content = Vec::new();
    file.take(CONTENT_BYTES_MAX).read_to_end(&mut content)?;
    Ok(String::from_utf8_lossy(&content).into_owned())
}

fn create(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        create_folder(folder)?;
    }
    let mut options = OpenOptions::new();
    // O_EXCL, which follows no link either.
    options.write(true).create_new(true).mode(0o644).custom_flags(bits(OFlags::NOFOLLOW));
    let mut file: File = options.open(path)?;
    file.write_all(std::process::id().to_string().as_bytes())
}

/// What root makes belongs to whom it is made for, who removes the file at the end.
fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        create_folder(parent)?;
    }
    fs::create_dir(folder)?;
    if is_root() {
        let owner = fs::metadata(parent.unwrap_or_else(|| Path::new(".")))?;
        lchown(folder, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(())
}

fn bits(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}

/// A process of another user answers EPERM, and is alive. A negative number names no process, and
/// one that has ended but that nobody has waited for (a zombie) holds nothing any more.
fn is_alive(pid: i32) -> bool {
    if pid < 0 {
        return false;
    }
    match Pid::from_raw(pid) {
        Some(pid) => test_kill_process(pid) != Err(Errno::SRCH) && !is_zombie(pid),
        // 0 is our own process group, which is alive.
        None => true,
    }
}

/// By the state behind the name in parentheses of proc_pid_stat(5); without `/proc` nobody knows.
fn is_zombie(pid: Pid) -> bool {
    let stat = fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    let name_end = stat.iter().rposition(|&byte| byte == b')').unwrap_or(stat.len());
    matches!(stat.get(name_end + 2), Some(b'Z' | b'X'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn refused(path: &Path) -> String {
        crate::error::chain(&PidFile::take(path.to_owned()).unwrap_err())
    }

    #[test]
    fn only_a_live_process_keeps_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/server.pid");
        let ours = PidFile::take(path.clone()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), std::process::id().to_string());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o133, 0);
        let refused = PidFile::take(path.clone()).unwrap_err();
        assert!(
            matches!(refused, StartFault::StillRunning { pid, .. } if pid == std::process::id() as i32)
        );
        drop(ours);
        assert!(!path.exists());
        let mut dead = std::process::Command::new("true").spawn().unwrap();
        let pid = Pid::from_child(&dead);
        while !is_zombie(pid) {
            std::thread::yield_now();
        }
        fs::write(&path, dead.id().to_string()).unwrap();
        drop(PidFile::take(path.clone()).unwrap());
        dead.wait().unwrap();
        for (text, accepted) in
            [("999999999\n", true), ("-5", true), ("", false), ("x", false), ("0", false)]
        {
            fs::write(&path, text).unwrap();
            assert_eq!(PidFile::take(path.clone()).is_ok(), accepted, "{text:?}");
            assert_eq!(path.exists(), !accepted, "{text:?}");
        }
    }

    #[test]
    fn another_users_folder_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.pid");
        let secret = folder.path().join("secret");
        fs::write(&secret, "999999999").unwrap();
        symlink(&secret, &path).unwrap();
        assert!(refused(&path).ends_with("it is a symbolic link, which is not followed"));
        assert_eq!(fs::read_to_string(&secret).unwrap(), "999999999");
        fs::remove_file(&path).unwrap();

        symlink(folder.path().join("nowhere"), &path).unwrap();
        assert!(refused(&path).ends_with("it is a symbolic link, which is not followed"));
        fs::remove_file(&path).unwrap();

        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(refused(&path).ends_with("it is no regular file"));
        fs::remove_file(&path).unwrap();

        fs::write(&path, "s".repeat(1000)).unwrap();
        let refused = refused(&path);
        assert!(refused.contains(&format!("{:?}", "s".repeat(32))), "{refused}");
    }

    #[test]
    fn a_file_that_appears_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.pid");
        fs::write(&path, "1").unwrap();
        let error = create(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "1");
    }
}
