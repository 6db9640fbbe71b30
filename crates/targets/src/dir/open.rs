//! Opening a file so that no path and no symbolic link leads out of the base, at any moment.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

/// Tries of an `openat2` that a rename somewhere in the system made uncertain.
const TRIES_MAX: usize = 16;

/// What could not be opened, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unopened {
    Base(Errno),
    Name(Errno),
}

/// Opens `path`, which is relative, for reading. A symbolic link may lead anywhere below `base`.
///
/// What is opened may be a directory or a device: the caller looks.
pub(crate) fn beneath(base: &str, path: &Path) -> Result<File, Unopened> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = openat(CWD, base, flags, Mode::empty()).map_err(Unopened::Base)?;
    match by_kernel(fd.as_fd(), path) {
        // An absolute link, which may still end below the base; or a kernel before 5.6, or a
        // sandbox that does not know the call.
        Err(Errno::XDEV | Errno::NOSYS | Errno::PERM) => by_walk(fd.as_fd(), base, path),
        opened => opened,
    }
    .map(File::from)
    .map_err(Unopened::Name)
}

fn by_kernel(base: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..TRIES_MAX {
        match openat2(base, path, reading(), Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            opened => return opened,
        }
    }
    Err(Errno::AGAIN)
}

/// Follows the links first, and then opens what they led to without following any: a link that
/// is put in between is an error, not a way out.
fn by_walk(base: BorrowedFd<'_>, base_path: &str, path: &Path) -> Result<OwnedFd, Errno> {
    let base_path = Path::new(base_path).canonicalize().map_err(errno)?;
    let real = base_path.join(path).canonicalize().map_err(errno)?;
    let below = real.strip_prefix(&base_path).map_err(|_| Errno::XDEV)?;
    let mut at: Option<OwnedFd> = None;
    let mut components = below.components().peekable();
    while let Some(component) = components.next() {
        let Component::Normal(name) = component else { return Err(Errno::XDEV) };
        let way = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let flags = if components.peek().is_some() { way } else { reading() };
        let parent = at.as_ref().map_or(base, AsFd::as_fd);
        at = Some(openat(parent, name, flags | OFlags::NOFOLLOW, Mode::empty())?);
    }
    at.map_or_else(|| openat(base, ".", reading(), Mode::empty()), Ok)
}

/// Opening a FIFO must not wait for a writer, nor a terminal become ours.
fn reading() -> OFlags {
    OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC
}

fn errno(error: std::io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;
    use std::io::Read as _;
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

    /// `base/` beside `secret` and `base-private/secret`, with links of every kind in it.
    fn tree() -> (TempDir, String) {
        let tree = tempfile::tempdir().unwrap();
        let root = tree.path();
        fs::create_dir_all(root.join("base/sub/deep")).unwrap();
        fs::create_dir(root.join("base-private")).unwrap();
        for secret in ["secret", "base-private/secret"] {
            fs::write(root.join(secret), "SECRET").unwrap();
        }
        for (file, content) in [("a.txt", "a"), ("sub/b.txt", "b"), ("sub/deep/c.txt", "c")] {
            fs::write(root.join("base").join(file), content).unwrap();
        }
        for (link, target) in [
            ("in", "a.txt"),
            ("in_dir", "sub/deep"),
            ("sub/up", "../a.txt"),
            ("sub/there_and_back", "../../base/a.txt"),
            ("out", "../secret"),
            ("out_dir", ".."),
            ("out_sibling", "../base-private"),
            ("out_root", "/"),
            ("loop", "loop"),
            ("dangling", "nothing"),
            ("chain", "out"),
        ] {
            symlink(target, root.join("base").join(link)).unwrap();
        }
        let base = root.join("base");
        symlink(base.join("sub/b.txt"), base.join("absolute_in")).unwrap();
        symlink(root.join("secret"), base.join("absolute_out")).unwrap();
        symlink(root.join("base-private/secret"), base.join("absolute_sibling")).unwrap();
        let base = format!("{}/", base.to_str().unwrap());
        (tree, base)
    }

    fn walk(base: &str, path: &Path) -> Result<File, Unopened> {
        let fd = openat(CWD, base, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
        by_walk(fd.as_fd(), base, path).map(File::from).map_err(Unopened::Name)
    }

    fn content(opened: Result<File, Unopened>) -> Result<String, Errno> {
        let mut content = String::new();
        match opened {
            Ok(file) if file.metadata().unwrap().is_dir() => content.push_str("<dir>"),
            Ok(mut file) => {
                file.read_to_string(&mut content).unwrap();
            }
            Err(Unopened::Base(errno) | Unopened::Name(errno)) => return Err(errno),
        }
        Ok(content)
    }

    #[test]
    fn links_are_followed_inside_and_never_outside() {
        let (_tree, base) = tree();
        for (path, expected) in [
            ("a.txt", Ok("a")),
            ("sub/b.txt", Ok("b")),
            (".", Ok("<dir>")),
            ("sub", Ok("<dir>")),
            ("in", Ok("a")),
            ("in_dir/c.txt", Ok("c")),
            ("sub/up", Ok("a")),
            ("absolute_in", Ok("b")),
            ("out", Err(Errno::XDEV)),
            ("out_dir/secret", Err(Errno::XDEV)),
            ("out_sibling/secret", Err(Errno::XDEV)),
            ("out_root/etc/passwd", Err(Errno::XDEV)),
            ("chain", Err(Errno::XDEV)),
            ("absolute_out", Err(Errno::XDEV)),
            ("absolute_sibling", Err(Errno::XDEV)),
            ("loop", Err(Errno::LOOP)),
            ("dangling", Err(Errno::NOENT)),
            ("nothing", Err(Errno::NOENT)),
            ("a.txt/index.html", Err(Errno::NOTDIR)),
            // Leaves the base on its way but ends below it: what counts is where it ends.
            ("sub/there_and_back", Ok("a")),
            // Names that Name::parse refuses stay inside here, too.
            ("../secret", Err(Errno::XDEV)),
            ("../base-private/secret", Err(Errno::XDEV)),
            ("sub/../../secret", Err(Errno::XDEV)),
        ] {
            let expected = expected.map(str::to_owned);
            assert_eq!(content(beneath(&base, Path::new(path))), expected, "{path}");
            assert_eq!(content(walk(&base, Path::new(path))), expected, "{path}, by walk");
        }
        assert_eq!(content(beneath("/nowhere/at/all/", Path::new("a.txt"))), Err(Errno::NOENT));
    }

    #[test]
    fn a_fifo_does_not_wait_for_a_writer() {
        let (_tree, base) = tree();
        let fifo = Path::new(&base).join("fifo");
        rustix::fs::mknodat(CWD, &fifo, rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert!(beneath(&base, Path::new("fifo")).is_ok());
        assert!(walk(&base, Path::new("fifo")).is_ok());
    }

    #[test]
    fn a_base_may_itself_be_a_link() {
        let (tree, base) = tree();
        let link = tree.path().join("current");
        symlink(&base, &link).unwrap();
        let link = format!("{}/", link.to_str().unwrap());
        for path in ["a.txt", "in", "absolute_in"] {
            assert!(content(beneath(&link, Path::new(path))).is_ok(), "{path}");
            assert!(content(walk(&link, Path::new(path))).is_ok(), "{path}, by walk");
        }
        assert_eq!(content(beneath(&link, Path::new("out"))), Err(Errno::XDEV));
    }

    #[test]
    fn random_paths_never_escape() {
        let (_tree, base) = tree();
        let piece = prop::sample::select(vec![
            "/",
            "/",
            "/",
            "..",
            ".",
            "%2e",
            "%2E%2e",
            "%2f",
            "%5c",
            "\\",
            "%00",
            "%252e",
            ";",
            "a.txt",
            "sub",
            "deep",
            "in",
            "in_dir",
            "out",
            "out_dir",
            "out_root",
            "out_sibling",
            "chain",
            "loop",
            "absolute_in",
            "absolute_out",
            "secret",
            "base",
            "base-private",
            "etc",
            "passwd",
            "proc",
            "self",
            "root",
            "%ff",
            "é",
        ]);
        let path = prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat());
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
            cases: 10_000,
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        let inside = ["a", "b", "c", "<dir>"];
        let served = std::cell::Cell::new(0);
        let test = |path: String| {
            let Some(name) = super::super::name::Name::parse(&path, "a.txt") else { return Ok(()) };
            for opened in [beneath(&base, &name.path), walk(&base, &name.path)] {
                if let Ok(content) = content(opened) {
                    prop_assert!(inside.contains(&content.as_str()), "{path} gave {content}");
                    served.set(served.get() + 1);
                }
            }
            Ok(())
        };
        runner.run(&path, test).unwrap();
        assert!(served.get() > 100, "the paths must sometimes hit a file, not {}", served.get());
    }
}
