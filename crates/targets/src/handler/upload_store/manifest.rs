//! The list of files that are a server's to remove, beside them in their folder.
//!
//! A server holds a lock on its manifest for as long as it lives; the kernel lets go of it however
//! the process ends. A manifest that nobody holds is a dead server's: what it lists is removed by
//! the next server with the same uuid. Nothing depends on process ids, and a chroot does not
//! matter, because names are relative to the folder that the manifest lies in.
//!
//! The text is a head of [`HEAD_BYTES`] and slots of [`SLOT_BYTES`], so that one write changes one
//! slot whole: empty, `LETTERS ?` for a file that may have been made, `LETTERS INODE` for one that
//! was.

use rustix::fs::OFlags;
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::NamedTempFile;

const HEAD_BYTES: usize = 512;
const SLOT_BYTES: usize = 32;
const LETTERS: usize = 6;
/// Slots written in advance: one page with the head.
const SLOTS_MIN: u32 = 112;
/// A manifest larger than this is not one of ours: it lists every upload that a server ever had
/// open at once.
const BYTES_MAX: u64 = 64 << 20;
const HEAD: &str = "lurcher uploads 1 ";

/// The manifest of a server that is running; goes away with it.
#[derive(Debug)]
pub(super) struct Manifest {
    file: NamedTempFile,
    prefix: String,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    free: Vec<u32>,
    /// How many there are.
    count: u32,
}

/// One line of the manifest: at most one file.
#[derive(Debug)]
pub(in super::super) struct Slot {
    manifest: Arc<Manifest>,
    index: u32,
    /// The random letters of the file's name.
    letters: String,
    inode: u64,
    is_empty: bool,
}

impl Manifest {
    /// Removes what dead servers with this uuid, `owner`, left in `folder`, and begins a manifest
    /// of files whose names start with `prefix`.
    pub(super) fn open(folder: &Path, prefix: &str, owner: &str) -> io::Result<Self> {
        let safe = |char: char| if char.is_ascii_alphanumeric() { char } else { '-' };
        let stem: String = format!(".lurcher-{}-", owner.chars().map(safe).collect::<String>());
        sweep(folder, &stem)?;
        loop {
            let file = tempfile::Builder::new()
                .prefix(&stem)
                .suffix("")
                .rand_bytes(LETTERS)
                .tempfile_in(folder)?;
            // Another server may have looked at it before it was locked, and found it dead.
            file.as_file().lock()?;
            if file.as_file().metadata()?.nlink() == 0 {
                continue;
            }
            let mut text = format!("{HEAD}{prefix}").into_bytes();
            text.resize(HEAD_BYTES - 1, b' ');
            text.push(b'\n');
            for _ in 0..SLOTS_MIN {
                text.extend_from_slice(&EMPTY);
            }
            file.as_file().write_all_at(&text, 0)?;
            let slots = Slots { free: (0..SLOTS_MIN).rev().collect(), count: SLOTS_MIN };
            return Ok(Self { file, prefix: prefix.to_owned(), slots: Mutex::new(slots) });
        }
    }

    /// Whether the next server will find it.
    pub(super) fn is_in_place(&self) -> bool {
        self.file.as_file().metadata().is_ok_and(|metadata| metadata.nlink() > 0)
    }

    fn write(&self, index: u32, slot: &[u8; SLOT_BYTES]) -> io::Result<()> {
        let offset = HEAD_BYTES as u64 + u64::from(index) * SLOT_BYTES as u64;
        self.file.as_file().write_all_at(slot, offset)
    }
}

impl Slot {
    pub(super) fn take(manifest: Arc<Manifest>) -> io::Result<Self> {
        let mut slots = manifest.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let index = slots.free.pop().unwrap_or_else(|| {
            slots.count += 1;
            slots.count - 1
        });
        drop(slots);
        Ok(Self { manifest, index, letters: String::new(), inode: 0, is_empty: true })
    }

    /// The file is about to be made.
    pub(super) fn intend(&mut self, name: &str) -> io::Result<()> {
        self.letters = name.strip_prefix(&*self.manifest.prefix).unwrap_or_default().to_owned();
        self.is_empty = false;
        self.manifest.write(self.index, &line(&self.letters, "?"))
    }

    /// The file is there and ours.
    pub(super) fn confirm(&mut self, inode: u64) -> io::Result<()> {
        self.inode = inode;
        self.record()
    }

    /// The file is ours again.
    pub(in super::super) fn record(&mut self) -> io::Result<()> {
        self.is_empty = false;
        self.manifest.write(self.index, &line(&self.letters, &self.inode.to_string()))
    }

    /// The file is no longer ours.
    pub(in super::super) fn clear(&mut self) -> io::Result<()> {
        self.manifest.write(self.index, &EMPTY)?;
        self.is_empty = true;
        Ok(())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.is_empty
            && let Err(error) = self.clear()
        {
            // What it names is gone already; the next start looks and finds nothing.
            tracing::warn!(%error, "can't clear a line in the manifest of uploads");
        }
        let mut slots = self.manifest.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.free.push(self.index);
    }
}

const EMPTY: [u8; SLOT_BYTES] = {
    let mut slot = [b' '; SLOT_BYTES];
    slot[SLOT_BYTES - 1] = b'\n';
    slot
};

fn line(letters: &str, what: &str) -> [u8; SLOT_BYTES] {
    let text = format!("{letters} {what:>24}");
    let mut slot = EMPTY;
    for (to, from) in slot.iter_mut().take(SLOT_BYTES - 1).zip(text.bytes()) {
        *to = from;
    }
    slot
}

/// Removes the files of dead servers, and their manifests.
fn sweep(folder: &Path, stem: &str) -> io::Result<()> {
    for entry in folder.read_dir()? {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(|name| name.starts_with(stem)) {
            continue;
        }
        if let Err(error) = bury(folder, &entry.path()) {
            tracing::warn!(manifest = %entry.path().display(), %error, "can't clean up after a server that was killed");
        }
    }
    Ok(())
}

fn bury(folder: &Path, path: &Path) -> io::Result<()> {
    let nofollow = OFlags::NOFOLLOW.bits().cast_signed();
    let opened = OpenOptions::new().read(true).write(true).custom_flags(nofollow).open(path);
    let mut file = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(()),
        Err(TryLockError::Error(error)) => return Err(error),
        Ok(()) => {}
    }
    let metadata = file.metadata()?;
    if metadata.nlink() != 1 || !is_our_file(&metadata) || metadata.len() > BYTES_MAX {
        return Ok(());
    }
    remove_listed(folder, &mut file)?;
    std::fs::remove_file(path)
}

fn remove_listed(folder: &Path, file: &mut File) -> io::Result<()> {
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let Some((head, slots)) = text.split_at_checked(HEAD_BYTES) else { return Ok(()) };
    let head = str::from_utf8(head).unwrap_or_default();
    let Some(prefix) = head.strip_prefix(HEAD).map(str::trim_end) else { return Ok(()) };
    for slot in slots.chunks_exact(SLOT_BYTES) {
        let mut words = str::from_utf8(slot).unwrap_or_default().split_ascii_whitespace();
        let (Some(letters), Some(inode)) = (words.next(), words.next()) else { continue };
        let plain = letters.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if letters.len() != LETTERS || !plain || prefix.contains('/') {
            continue;
        }
        let path = folder.join(format!("{prefix}{letters}"));
        let Ok(metadata) = path.symlink_metadata() else { continue };
        let is_listed = match inode {
            // Nothing is written before the inode is known.
            "?" => metadata.len() == 0,
            inode => inode.parse() == Ok(metadata.ino()),
        };
        if is_listed && is_our_file(&metadata) {
            std::fs::remove_file(&path)?;
            tracing::info!(file = %path.display(), bytes = metadata.len(), "removed an upload that a killed server left");
        }
    }
    Ok(())
}

fn is_our_file(metadata: &Metadata) -> bool {
    metadata.is_file() && metadata.uid() == rustix::process::geteuid().as_raw()
}
