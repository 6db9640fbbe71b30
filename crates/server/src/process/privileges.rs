//! From root to the owner of the chroot directory.

use crate::error::StartFault;
use nix::unistd::{Gid, Uid, chdir, chroot, setgid, setgroups, setuid};
use std::io;
use std::os::unix::fs::MetadataExt;

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Changes root into `path` and becomes its owner. Must run while the process has one thread.
///
/// Root's supplementary groups go too, which Mongrel2 kept.
pub fn enter_chroot<T>(
    path: &str,
    before_the_drop: impl FnOnce() -> Result<T, StartFault>,
) -> Result<T, StartFault> {
    let chroot_fault = |source| StartFault::Chroot { path: path.to_owned(), source };
    let owner = std::fs::metadata(path).map_err(chroot_fault)?;
    chroot(path).and_then(|()| chdir("/")).map_err(|errno| chroot_fault(errno.into()))?;
    let kept = before_the_drop()?;
    if let Some(what) = what_stays(owner.uid(), owner.gid()) {
        tracing::warn!(chroot = path, "{what}");
    }
    let (uid, gid) = (Uid::from_raw(owner.uid()), Gid::from_raw(owner.gid()));
    setgroups(&[])
        .and_then(|()| setgid(gid))
        .and_then(|()| setuid(uid))
        .map_err(|errno| StartFault::Privileges { source: errno.into() })?;
    if !uid.is_root() && setuid(Uid::from_raw(0)).is_ok() {
        let source = io::Error::other("root could be had back");
        return Err(StartFault::Privileges { source });
    }
    Ok(kept)
}

/// What the server keeps of root's rights when it becomes this user.
fn what_stays(uid: u32, gid: u32) -> Option<&'static str> {
    match (uid, gid) {
        (0, _) => Some("the chroot belongs to root: the server keeps root's privileges"),
        (_, 0) => Some("the chroot belongs to root's group: the server keeps that group"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_of_root_is_said() {
        for (uid, gid, expected) in
            [(0, 0, "privileges"), (0, 33, "privileges"), (33, 0, "that group"), (33, 33, "")]
        {
            let said = what_stays(uid, gid).unwrap_or_default();
            assert!(said.ends_with(expected) && said.is_empty() == expected.is_empty(), "{said}");
        }
    }
}
