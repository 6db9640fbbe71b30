//! A directory of files: GET and HEAD, decided first and then sent.

mod cache;
mod condition;
mod decide;
mod entity_tag;
mod load;
mod name;
pub(crate) mod open;
mod range;
mod redirect;
mod representation;
mod send;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};

use edge::{Fault, FaultKind, Response};
use http1::{Method, RequestHead};
use rustix::io::Errno;
use site::{Dir, MimeTypes};

use cache::{Cache, Look};
use decide::decide;
use name::Name;
use open::Unopened;
use representation::Representation;

/// How often descriptors that nobody used are closed: a deleted file keeps its disk space for as
/// long as one is open.
const IDLE_CHECK: Duration = Duration::from_secs(10);

/// The live state of one [`Dir`]: its files as they were last seen.
#[derive(Debug)]
pub struct Directory {
    files: Arc<Files>,
}

/// What the blocking threads that look at the disk share with [`Directory`].
#[derive(Debug)]
struct Files {
    dir: Arc<Dir>,
    mime: Arc<MimeTypes>,
    cache: Cache,
    /// The log has been told that the base can't be opened, and it has not been open since.
    base_missing: AtomicBool,
    idle_checks: AtomicBool,
}

/// What stands under a name.
#[derive(Debug)]
enum Found {
    File(Arc<Representation>),
    /// A directory, asked for without its slash.
    Directory,
}

impl Directory {
    /// Opens nothing yet: the base may come, go and be replaced while the server runs.
    pub fn new(dir: Arc<Dir>, mime: Arc<MimeTypes>) -> Self {
        let cache = Cache::new(dir.cache_ttl, Instant::now());
        let (base_missing, idle_checks) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { files: Arc::new(Files { dir, mime, cache, base_missing, idle_checks }) }
    }

    /// Answers GET and HEAD for `rest`: the path after the route's prefix, escapes untouched.
    ///
    /// # Errors
    /// Faults of kind `MethodNotAllowed`, `MethodUnknown`, `NotFound`, `PreconditionFailed` and, when the file
    /// system fails, `Internal`.
    pub async fn serve(&self, head: &RequestHead, rest: &str) -> Result<Response<'static>, Fault> {
        match head.known_method() {
            Method::Get | Method::Head => {}
            Method::Other => return Err(FaultKind::MethodUnknown.into()),
            _ => return Err(FaultKind::MethodNotAllowed("GET, HEAD").into()),
        }
        match self.find(head.path(), rest, Instant::now()).await? {
            Found::File(file) => {
                if let Some(response) = redirect::to_plain(head) {
                    return Ok(response);
                }
                let decision = decide(head, &file.metadata, SystemTime::now);
                send::response(&file, decision, head.is_head())
            }
            Found::Directory => Ok(redirect::to_slash(head)),
        }
    }

    async fn find(&self, path: &str, rest: &str, now: Instant) -> Result<Found, Fault> {
        // Under a route without a slash at its end, such as `/nd`, the path `/nd` is the base itself.
        if rest.is_empty() && !path.ends_with('/') {
            return Box::pin(self.look_on_disk(rest, Name::base(), None, now)).await;
        }
        let known = match self.files.cache.look(rest, now) {
            Look::Fresh(file) if file.is_current() => return Ok(Found::File(file)),
            Look::Fresh(file) | Look::Stale(file) => Some(file),
            Look::Unknown => None,
        };
        let name = Name::parse(rest, &self.files.dir.index_file).ok_or(FaultKind::NotFound)?;
        Box::pin(self.look_on_disk(rest, name, known, now)).await
    }

    async fn look_on_disk(
        &self,
        rest: &str,
        name: Name,
        known: Option<Arc<Representation>>,
        now: Instant,
    ) -> Result<Found, Fault> {
        let (files, rest) = (Arc::clone(&self.files), Arc::<str>::from(rest));
        // What is found is put into the cache there, so that a client that leaves spoils nothing.
        let look = move || files.look_on_disk(&rest, &name, known, now);
        let found = tokio::task::spawn_blocking(look).await.map_err(|_| FaultKind::Internal)?;
        if matches!(&found, Ok(Found::File(file)) if file.holds_descriptor()) {
            Files::start_idle_checks(&self.files);
        }
        found
    }
}

impl Files {
    fn look_on_disk(
        &self,
        rest: &Arc<str>,
        name: &Name,
        known: Option<Arc<Representation>>,
        now: Instant,
    ) -> Result<Found, Fault> {
        let was_known = known.is_some();
        let found = self.look(rest, name, known, now);
        if was_known && !matches!(found, Ok(Found::File(_))) {
            self.cache.remove(rest);
        }
        found
    }

    fn look(
        &self,
        rest: &Arc<str>,
        name: &Name,
        known: Option<Arc<Representation>>,
        now: Instant,
    ) -> Result<Found, Fault> {
        let file = open::beneath(&self.dir.base, &name.path)
            .map_err(|unopened| self.unopened(rest, unopened))?;
        self.base_missing.store(false, Ordering::Relaxed);
        let metadata = file.metadata().map_err(|error| unreadable(rest, &error))?;
        if metadata.is_dir() && !name.is_index {
            return Ok(Found::Directory);
        }
        if !metadata.is_file() {
            return Err(FaultKind::NotFound.into());
        }
        if let Some(known) = known.filter(|known| known.describes(&metadata)) {
            self.cache.renew(rest, &known, now);
            return Ok(Found::File(known));
        }
        let content_type = self.mime.of(&name.last).unwrap_or(&self.dir.default_ctype);
        let loaded = load::load(file, content_type, SystemTime::now())
            .map_err(|error| unreadable(rest, &error))?;
        let found = Arc::new(loaded.file);
        if loaded.settled_while_read {
            self.cache.insert(rest, &found, now);
        }
        Ok(Found::File(found))
    }

    fn unopened(&self, rest: &str, unopened: Unopened) -> Fault {
        match unopened {
            Unopened::Base(errno) => {
                if !self.base_missing.swap(true, Ordering::Relaxed) {
                    let (id, base) = (self.dir.id, &self.dir.base);
                    tracing::warn!(directory = id, ?base, error = %errno, "the base can't be opened");
                }
                if is_absence(errno) { FaultKind::NotFound } else { FaultKind::Internal }.into()
            }
            Unopened::Name(errno) if is_absence(errno) => FaultKind::NotFound.into(),
            Unopened::Name(errno) => unreadable(rest, &errno.into()),
        }
    }

    /// Closes idle descriptors now and then, for as long as there are any.
    fn start_idle_checks(files: &Arc<Self>) {
        if files.idle_checks.swap(true, Ordering::Relaxed) {
            return;
        }
        let files = Arc::downgrade(files);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(IDLE_CHECK).await;
                let Some(files) = Weak::upgrade(&files) else { return };
                if files.cache.close_idle() == 0 {
                    files.idle_checks.store(false, Ordering::Relaxed);
                    return;
                }
            }
        });
    }
}

/// Whether an open failed because nothing that may be served stands there, rather than because
/// the system can't.
fn is_absence(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::NOENT
            | Errno::NOTDIR
            | Errno::ACCESS
            | Errno::PERM
            | Errno::LOOP
            | Errno::NAMETOOLONG
            | Errno::INVAL
            | Errno::ILSEQ
            | Errno::NXIO
            | Errno::NODEV
            | Errno::XDEV
    )
}

fn unreadable(rest: &str, error: &io::Error) -> Fault {
    tracing::error!(path = ?rest, %error, "a file can't be read");
    FaultKind::Internal.into()
}
