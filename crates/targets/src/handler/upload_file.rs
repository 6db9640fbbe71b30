//! One upload on its way to its file, by threads that may wait for the disk: they write what has
//! been gathered here, and while more arrives they read it themselves.

use super::upload_store::{Claim, Slot, UploadFile, UploadStore};
use bytes::Bytes;
use edge::{Fault, FaultKind, Lent, Poured};
use sha2::{Digest, Sha256};
use site::{UploadDigest, Uploads};
use std::fmt::Write as _;
use std::io::{self, IoSlice, Write};
use std::sync::Arc;
use tempfile::TempPath;
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, spawn_blocking};

/// Pieces are gathered to this size before a thread is asked to write them: what a slow client's
/// upload weighs in memory.
const BATCH_BYTES: usize = 64 << 10;
/// As many pieces as one system call takes; what a client sends in chunks of one byte must not
/// weigh much more in memory than it does on the wire.
const BATCH_PIECES_MAX: usize = 1024;
/// What a thread reads and writes by itself before others have their turn.
const TURN_BYTES: usize = 4 << 20;

/// A file that is being written, and goes away unless it is finished and kept.
#[derive(Debug)]
pub(super) struct Spool {
    name: String,
    state: State,
    batch: Vec<Bytes>,
    batch_bytes: usize,
}

#[derive(Debug)]
enum State {
    Idle(Box<Open>),
    Writing(JoinHandle<Result<Written, Fault>>),
    Written(Result<Written, Fault>),
    /// An error has been reported, or the file is finished.
    Over,
}

/// What the writing threads work on.
#[derive(Debug)]
struct Open {
    file: UploadFile,
    digest: Option<Sha256>,
    claim: Claim,
    /// Bytes taken so far.
    size: u64,
    /// `limits.upload_size`.
    size_max: Option<u64>,
}

/// What a thread gives back.
#[derive(Debug)]
struct Written {
    open: Box<Open>,
    lent: Option<Lent>,
    poured: Poured,
}

/// A whole file, which goes away unless it is kept. The manifest does not list it any more.
#[derive(Debug)]
pub(super) struct Finished {
    whole: Option<Whole>,
    pub(super) size: u64,
    /// As RFC 9530 names it: algorithm, `=`, value; here in hexadecimal.
    pub(super) digest: Option<String>,
}

#[derive(Debug)]
struct Whole {
    // Dropped in this order, see `UploadFile`.
    path: TempPath,
    slot: Slot,
    claim: Claim,
}

impl Spool {
    /// Makes the file. `claim` holds all of the body's length, if that is known.
    pub(super) async fn create(
        store: &Arc<UploadStore>,
        claim: Claim,
        uploads: &Uploads,
        size_max: Option<u64>,
    ) -> Result<Self, Fault> {
        let (store, mode) = (Arc::clone(store), uploads.mode);
        let file = blocking(move || {
            if store.fits()? { store.create(mode) } else { Err(io::ErrorKind::StorageFull.into()) }
        })
        .await?;
        let digest = uploads.digest.map(|UploadDigest::Sha256| Sha256::new());
        let name = file.name.clone();
        let open = Open { file, digest, claim, size: 0, size_max };
        Ok(Self { name, state: State::Idle(Box::new(open)), batch: Vec::new(), batch_bytes: 0 })
    }

    /// As handlers know the file.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Takes a piece of the body; must not be called while it is busy.
    pub(super) fn push(&mut self, piece: Bytes) -> Result<(), Fault> {
        let State::Idle(open) = &mut self.state else { return Err(FaultKind::Internal.into()) };
        open.account(piece.len())?;
        self.batch_bytes += piece.len();
        self.batch.push(piece);
        Ok(())
    }

    /// Whether it is time to `write`.
    pub(super) fn is_full(&self) -> bool {
        self.batch_bytes >= BATCH_BYTES || self.batch.len() >= BATCH_PIECES_MAX
    }

    /// Whether a thread is at work: the body is not to be read meanwhile.
    pub(super) fn is_busy(&self) -> bool {
        !matches!(self.state, State::Idle(_))
    }

    /// Has a thread write what was pushed, and then whatever the client has sent meanwhile: it goes
    /// from the socket to the file without another change of thread.
    pub(super) fn write(&mut self, mut lent: Option<Lent>) {
        let State::Idle(mut open) = std::mem::replace(&mut self.state, State::Over) else { return };
        let batch = self.take_batch();
        self.state = State::Writing(spawn_blocking(move || {
            open.write(&batch)?;
            drop(batch);
            let poured = match &mut lent {
                Some(lent) => lent.pour(TURN_BYTES, |data| {
                    open.account(data.len())?;
                    open.write_one(data)
                })?,
                None => Poured::Dry,
            };
            Ok(Written { open, lent, poured })
        }));
    }

    /// Returns when the thread is done; what came of it is for `settle`.
    pub(super) async fn written(&mut self) {
        if let State::Writing(writing) = &mut self.state {
            let written = writing.await;
            self.state =
                State::Written(written.unwrap_or_else(|_| Err(FaultKind::Internal.into())));
        }
    }

    /// Gives back what was lent, and whether its thread stopped only because it was enough.
    pub(super) fn settle(&mut self) -> Result<(Option<Lent>, Poured), Fault> {
        let State::Written(written) = std::mem::replace(&mut self.state, State::Over) else {
            return Err(FaultKind::Internal.into());
        };
        let Written { open, lent, poured } = written?;
        self.state = State::Idle(open);
        Ok((lent, poured))
    }

    fn take_batch(&mut self) -> Vec<Bytes> {
        self.batch_bytes = 0;
        std::mem::take(&mut self.batch)
    }

    /// Writes what is left. From now on a kill of the server leaves the file, because a handler
    /// may have been told that it is whole.
    pub(super) async fn finish(mut self) -> Result<Finished, Fault> {
        let State::Idle(mut open) = std::mem::replace(&mut self.state, State::Over) else {
            return Err(FaultKind::Internal.into());
        };
        let batch = self.take_batch();
        let finishing = spawn_blocking(move || {
            open.write(&batch)?;
            let Open { file: UploadFile { temp, mut slot, .. }, digest, claim, size, .. } = *open;
            let path = temp.into_temp_path();
            slot.clear().map_err(|error| store_fault(&error))?;
            // The room is the upload's until the file is the handler's.
            let whole = Some(Whole { path, slot, claim });
            Ok(Finished { whole, size, digest: digest.map(sha256_text) })
        });
        finishing.await.unwrap_or_else(|_| Err(FaultKind::Internal.into()))
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // What is being written now is removed by the thread that writes it.
        match std::mem::replace(&mut self.state, State::Over) {
            State::Idle(open) => drop_elsewhere(open),
            State::Written(written) => drop_elsewhere(written),
            State::Writing(_) | State::Over => {}
        }
    }
}

impl Open {
    /// Sees to it that there is room for so many bytes more.
    fn account(&mut self, bytes: usize) -> Result<(), Fault> {
        self.size += bytes as u64;
        if let Some(max) = self.size_max.filter(|&max| self.size > max) {
            return Err(super::spool::too_large(max));
        }
        match self.size.checked_sub(self.claim.bytes()) {
            Some(more @ 1..) => self.claim.grow(more),
            _ => Ok(()),
        }
    }

    fn write(&mut self, batch: &[Bytes]) -> Result<(), Fault> {
        if let Some(digest) = &mut self.digest {
            for piece in batch {
                digest.update(piece);
            }
        }
        let mut slices: Vec<IoSlice<'_>> = batch.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut left = slices.as_mut_slice();
        while !left.is_empty() {
            match self.file.temp.as_file_mut().write_vectored(left) {
                Ok(0) => return Err(store_fault(&io::ErrorKind::WriteZero.into())),
                Ok(written) => {
                    self.claim.wrote(written as u64);
                    IoSlice::advance_slices(&mut left, written);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(store_fault(&error)),
            }
        }
        Ok(())
    }

    fn write_one(&mut self, data: &[u8]) -> Result<(), Fault> {
        if let Some(digest) = &mut self.digest {
            digest.update(data);
        }
        self.file.temp.as_file_mut().write_all(data).map_err(|error| store_fault(&error))?;
        self.claim.wrote(data.len() as u64);
        Ok(())
    }
}

impl Finished {
    /// No handler has it yet: should the server be killed, it is to be removed.
    pub(super) async fn list(&mut self) {
        self.on_slot(Slot::record).await;
    }

    /// A handler has it now.
    pub(super) async fn unlist(&mut self) {
        self.on_slot(Slot::clear).await;
    }

    async fn on_slot(&mut self, change: fn(&mut Slot) -> io::Result<()>) {
        let Some(mut whole) = self.whole.take() else { return };
        let changed = spawn_blocking(move || {
            if let Err(error) = change(&mut whole.slot) {
                tracing::error!(%error, "can't write the manifest of uploads");
            }
            whole
        });
        self.whole = changed.await.ok();
    }

    /// Leaves the file to the handler.
    pub(super) fn keep(mut self) {
        if let Some(Whole { mut path, slot, claim }) = self.whole.take() {
            path.disable_cleanup(true);
            drop((path, slot, claim));
        }
    }
}

impl Drop for Finished {
    fn drop(&mut self) {
        if let Some(whole) = self.whole.take() {
            drop_elsewhere(whole);
        }
    }
}

/// Removing a large file takes a while.
fn drop_elsewhere<T: Send + 'static>(file: T) {
    if let Ok(runtime) = Handle::try_current() {
        drop(runtime.spawn_blocking(move || drop(file)));
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Fault> {
    match spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| store_fault(&error)),
        Err(_) => Err(FaultKind::Internal.into()),
    }
}

fn store_fault(error: &io::Error) -> Fault {
    tracing::error!(%error, "can't write an upload to upload.temp_store");
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            FaultKind::StoreFull.into()
        }
        _ => Fault::new(FaultKind::Internal, "The body could not be stored."),
    }
}

fn sha256_text(digest: Sha256) -> String {
    let mut text = "sha-256=".to_owned();
    for byte in digest.finalize() {
        write!(text, "{byte:02x}").expect("a String takes all text");
    }
    text
}

#[cfg(test)]
mod tests;
