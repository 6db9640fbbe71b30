//! The pid file: one server to a file, and how others find it.

use crate::error::StartFault;
use rustix::process::{Pid, test_kill_process};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A pid file that is ours; it is removed when dropped.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
}

impl PidFile {
    /// Refuses if a live process holds the file; removes what a dead one left.
    pub fn check(path: &Path) -> Result<(), StartFault> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(StartFault::PidFile { path: path.to_owned(), source }),
        };
        let Some(pid) = text.trim().parse::<i32>().ok() else {
            let text = format!("it holds {:?}, which is no process id; remove it", text.trim());
            let source = io::Error::new(io::ErrorKind::InvalidData, text);
            return Err(StartFault::PidFile { path: path.to_owned(), source });
        };
        if is_alive(pid) {
            return Err(StartFault::StillRunning { path: path.to_owned(), pid });
        }
        fs::remove_file(path)
            .map_err(|source| StartFault::PidFile { path: path.to_owned(), source })
    }

    /// Writes this process's id, decimal and without a newline, as Mongrel2 does.
    pub fn write(path: PathBuf) -> Result<Self, StartFault> {
        let written = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, std::process::id().to_string()));
        match written {
            Ok(()) => Ok(Self { path }),
            Err(source) => Err(StartFault::PidFile { path, source }),
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "can't remove the pid file");
        }
    }
}

/// A process of another user answers EPERM, and is alive. A negative number names no process.
fn is_alive(pid: i32) -> bool {
    match Pid::from_raw(pid) {
        Some(_) if pid < 0 => false,
        Some(pid) => test_kill_process(pid) != Err(rustix::io::Errno::SRCH),
        // 0 is our own process group, which is alive.
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_live_process_keeps_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/server.pid");
        PidFile::check(&path).unwrap();
        let ours = PidFile::write(path.clone()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), std::process::id().to_string());
        let refused = PidFile::check(&path).unwrap_err();
        assert!(
            matches!(refused, StartFault::StillRunning { pid, .. } if pid == std::process::id() as i32)
        );
        drop(ours);
        assert!(!path.exists());
        for (text, accepted) in
            [("999999999", true), ("-5", true), ("", false), ("x", false), ("0", false)]
        {
            fs::write(&path, text).unwrap();
            assert_eq!(PidFile::check(&path).is_ok(), accepted, "{text:?}");
            assert_eq!(path.exists(), !accepted, "{text:?}");
        }
    }
}
