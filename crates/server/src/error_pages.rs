//! The operator's own error pages: read when a configuration is loaded, held in memory.

use bytes::Bytes;
use site::Site;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Bytes of one page: it goes out with every error.
const PAGE_BYTES_MAX: u64 = 64 << 10;
/// Bytes of all pages.
const ALL_BYTES_MAX: usize = 8 << 20;

/// Pages by host and status, and by status alone.
#[derive(Debug, Default)]
pub struct ErrorPages {
    by_host: HashMap<String, HashMap<u16, Bytes>>,
    of_all: HashMap<u16, Bytes>,
}

/// Why a page, or the directory of all of them, can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PageFault {
    #[error("errors.dir: the directory {} can't be read", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("errors.dir: {} can't be read", path.display())]
    Page { path: PathBuf, source: io::Error },
    #[error("errors.dir: {} is larger than {PAGE_BYTES_MAX} bytes", path.display())]
    TooLarge { path: PathBuf },
    #[error("errors.dir: {} is not UTF-8", path.display())]
    NotText { path: PathBuf },
    #[error("errors.dir: the pages in {} have more than {ALL_BYTES_MAX} bytes together", path.display())]
    TooMany { path: PathBuf },
}

impl ErrorPages {
    /// Reads `<status>.html` and `<host>/<status>.html` in `errors.dir`, for statuses from 400 to
    /// 599 and the hosts that are served. Blocks.
    pub fn load(site: &Site) -> Result<Self, PageFault> {
        let Some(folder) = site.options.errors_dir.as_deref().map(Path::new) else {
            return Ok(Self::default());
        };
        let at = |source| PageFault::Directory { path: folder.to_owned(), source };
        std::fs::read_dir(folder).map_err(at)?;
        let mut by_host = HashMap::new();
        for host in site.hosts.iter() {
            // A pattern may look like a path; it names no folder.
            let is_name = !host.name.starts_with('.') && !host.name.contains('/');
            let own = folder.join(&*host.name);
            if is_name && own.is_dir() {
                by_host.insert(host.name.to_string(), pages(&own)?);
            }
        }
        let pages = Self { by_host, of_all: pages(folder)? };
        if pages.bytes() > ALL_BYTES_MAX {
            return Err(PageFault::TooMany { path: folder.to_owned() });
        }
        Ok(pages)
    }

    /// The host's own page for `status`, else that of all hosts.
    pub fn page(&self, host: &str, status: u16) -> Option<Bytes> {
        let own = self.by_host.get(host).and_then(|pages| pages.get(&status));
        own.or_else(|| self.of_all.get(&status)).cloned()
    }

    fn bytes(&self) -> usize {
        let folders = self.by_host.values().chain([&self.of_all]);
        folders.flat_map(HashMap::values).map(Bytes::len).sum()
    }
}

fn pages(folder: &Path) -> Result<HashMap<u16, Bytes>, PageFault> {
    let mut pages = HashMap::new();
    for status in 400..600 {
        let path = folder.join(format!("{status}.html"));
        match File::open(&path) {
            Ok(file) => {
                pages.insert(status, page(file, path)?);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(PageFault::Page { path, source }),
        }
    }
    Ok(pages)
}

fn page(file: File, path: PathBuf) -> Result<Bytes, PageFault> {
    let mut page = Vec::new();
    match file.take(PAGE_BYTES_MAX + 1).read_to_end(&mut page) {
        Err(source) => Err(PageFault::Page { path, source }),
        Ok(_) if page.len() as u64 > PAGE_BYTES_MAX => Err(PageFault::TooLarge { path }),
        Ok(_) if std::str::from_utf8(&page).is_err() => Err(PageFault::NotText { path }),
        Ok(_) => Ok(page.into()),
    }
}
