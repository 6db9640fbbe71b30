//! Where uploads are kept until a handler has them: their names, their room, and what a server
//! that was killed left behind.

mod manifest;

use edge::{Fault, FaultKind};
use manifest::Manifest;
pub(super) use manifest::Slot;
use std::fs::{OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tempfile::NamedTempFile;
use tokio::task::spawn_blocking;

/// The six letters that end a template, as mkstemp(3) wants them.
const RANDOM: &str = "XXXXXX";

/// The folder of `upload.temp_store`: what unfinished uploads hold there, and a manifest of them
/// for the server that starts after this one was killed.
#[derive(Debug)]
pub struct UploadStore {
    template: String,
    /// Whose manifests these are: the server's uuid.
    owner: String,
    manifest: Mutex<Option<Arc<Manifest>>>,
    room: Mutex<Room>,
}

/// Bytes of all unfinished uploads.
#[derive(Debug, Default)]
struct Room {
    claimed: u64,
    written: u64,
}

/// A new file that goes away unless it is given to a handler.
#[derive(Debug)]
pub(super) struct UploadFile {
    // Dropped in this order: the file, what says that it is ours, its room.
    pub(super) temp: NamedTempFile,
    pub(super) slot: Slot,
    /// As handlers know it: the template with its random letters.
    pub(super) name: String,
}

/// The part of the store's room that one upload has.
#[derive(Debug)]
pub(super) struct Claim {
    store: Arc<UploadStore>,
    bytes: u64,
    written: u64,
    /// `upload.store_max`.
    max: Option<u64>,
}

impl UploadStore {
    /// Removes what earlier servers with this uuid, `owner`, left unfinished. If nothing can be
    /// written to the folder, that is logged, and tried again with each upload: a site may never
    /// have one.
    pub async fn open(template: &str, owner: &str) -> Arc<Self> {
        let store = Arc::new(Self {
            template: template.to_owned(),
            owner: owner.to_owned(),
            manifest: Mutex::default(),
            room: Mutex::default(),
        });
        let ours = Arc::clone(&store);
        let opened = spawn_blocking(move || ours.manifest().map(drop)).await;
        if let Ok(Err(error)) = opened {
            let folder = folder_path(store.split().0).display();
            tracing::warn!(%folder, %error, "uploads will fail: nothing can be stored in the folder of upload.temp_store");
        }
        store
    }

    /// Whether files made from `template` belong here.
    pub fn is_for(&self, template: &str) -> bool {
        self.template == template
    }

    /// Claims room for a body of `length` bytes, or of a length that is not known yet.
    pub(super) fn claim(
        self: &Arc<Self>,
        length: Option<u64>,
        max: Option<u64>,
    ) -> Result<Claim, Fault> {
        let length = length.unwrap_or_default();
        if let Some(max) = max.filter(|&max| length > max) {
            return Err(super::spool::too_large(max));
        }
        let mut claim = Claim { store: Arc::clone(self), bytes: 0, written: 0, max };
        claim.grow(length)?;
        Ok(claim)
    }

    /// Makes a file with these permission bits, whatever the umask. Blocks.
    pub(super) fn create(&self, mode: u32) -> io::Result<UploadFile> {
        let manifest = self.manifest()?;
        let mut slot = Slot::take(manifest)?;
        let (folder, prefix) = self.split();
        let temp = tempfile::Builder::new()
            .prefix(prefix)
            .suffix("")
            .rand_bytes(RANDOM.len())
            .make_in(folder_path(folder), |path| {
                // Before the file is there, so that no kill in between leaves one nobody knows.
                slot.intend(path.file_name().and_then(|name| name.to_str()).unwrap_or_default())?;
                OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
            })?;
        // open(2) applies the umask; the operator's mode is meant as it stands.
        temp.as_file().set_permissions(Permissions::from_mode(mode))?;
        slot.confirm(temp.as_file().metadata()?.ino())?;
        let name = temp.path().file_name().and_then(|name| name.to_str()).unwrap_or_default();
        Ok(UploadFile { name: format!("{folder}{name}"), temp, slot })
    }

    /// Whether all that is claimed fits on the disk as it is. Blocks.
    pub(super) fn fits(&self) -> io::Result<bool> {
        let disk = rustix::fs::statvfs(folder_path(self.split().0))?;
        let available = disk.f_bavail.saturating_mul(disk.f_frsize);
        let room = self.room();
        Ok(room.claimed.saturating_sub(room.written) <= available)
    }

    fn manifest(&self) -> io::Result<Arc<Manifest>> {
        let mut manifest = self.manifest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(manifest) = manifest.as_ref().filter(|manifest| manifest.is_in_place()) {
            return Ok(Arc::clone(manifest));
        }
        let (folder, prefix) = self.split();
        let opened = Arc::new(Manifest::open(folder_path(folder), prefix, &self.owner)?);
        Ok(Arc::clone(manifest.insert(opened)))
    }

    /// Folder, empty or with its last slash, and what file names begin with.
    fn split(&self) -> (&str, &str) {
        let stem = self.template.strip_suffix(RANDOM).unwrap_or(&self.template);
        stem.rfind('/').map_or(("", stem), |slash| stem.split_at(slash + 1))
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// Claims `more` bytes, or none of them.
    pub(super) fn grow(&mut self, more: u64) -> Result<(), Fault> {
        let mut room = self.store.room();
        let claimed = room.claimed.saturating_add(more);
        if self.max.is_some_and(|max| claimed > max) {
            return Err(FaultKind::StoreFull.into());
        }
        room.claimed = claimed;
        self.bytes += more;
        Ok(())
    }

    /// What has been claimed.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// So many bytes more are on the disk.
    pub(super) fn wrote(&mut self, more: u64) {
        self.written += more;
        self.store.room().written += more;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut room = self.store.room();
        room.claimed -= self.bytes;
        room.written -= self.written;
    }
}

fn folder_path(folder: &str) -> &Path {
    if folder.is_empty() { Path::new(".") } else { Path::new(folder) }
}

#[cfg(test)]
mod tests;
