//! The process around a server: descriptors, pid file, chroot, privileges, daemon.

mod daemon;
mod pid_file;
mod privileges;

pub use daemon::{Daemon, Launcher, become_daemon, is_daemon};
pub use pid_file::PidFile;
pub use privileges::{enter_chroot, is_root};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Asks for `count` file descriptors (`superpoll.max_fd`); goes on with what there is.
pub fn raise_descriptors(count: u64) {
    let now = getrlimit(Resource::Nofile);
    let wanted =
        Rlimit { current: Some(count), maximum: now.maximum.map(|maximum| maximum.max(count)) };
    let within =
        Rlimit { current: now.maximum.map_or(Some(count), |max| Some(max.min(count))), ..now };
    if now.current.is_none_or(|current| current >= count)
        || setrlimit(Resource::Nofile, wanted).is_ok()
        || setrlimit(Resource::Nofile, within).is_ok() && within.current == Some(count)
    {
        return;
    }
    tracing::info!(wanted = count, has = ?getrlimit(Resource::Nofile).current, "superpoll.max_fd is more than the system grants");
}

/// How many clients the descriptors of this process are enough for. The rest is for listening and
/// handler sockets, logs, files and back ends.
pub fn connections_max() -> usize {
    match getrlimit(Resource::Nofile).current {
        Some(descriptors) => {
            let ours = 40 + descriptors / 64;
            usize::try_from(descriptors.saturating_sub(ours)).unwrap_or(usize::MAX).max(1)
        }
        None => usize::MAX,
    }
}
