//! Directories on a real file system: what is found, what is noticed, and what belongs together.

mod golden;

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{FileExt, PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::time::Duration;

use edge::Body;
use http1::{HeadReader, Limits};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;
use tokio::time::timeout;

use super::representation::Content;
use super::*;

/// No look at a file takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn head(text: &str) -> RequestHead {
    let mut input = text.into();
    HeadReader::default().read(&mut input, &Limits::default()).unwrap().expect("a whole head")
}

fn dir(base: &std::path::Path, cache_ttl: Duration) -> Arc<Dir> {
    Arc::new(Dir {
        index: 0,
        id: 1,
        base: format!("{}/", base.to_str().unwrap()),
        index_file: "index.html".to_owned(),
        default_ctype: "text/plain".to_owned(),
        cache_ttl,
    })
}

fn mime() -> Arc<MimeTypes> {
    let types = [
        (".html", "text/html"),
        (".txt", "text/plain"),
        (".gz", "application/x-gzip"),
        (".bin", "application/octet-stream"),
    ];
    Arc::new(MimeTypes::new(types))
}

/// A directory in a directory of its own, served under `/d/`, and a clock.
struct Fixture {
    root: TempDir,
    directory: Directory,
    now: Instant,
}

impl Fixture {
    fn new() -> Self {
        Self::with_ttl(Duration::ZERO)
    }

    fn with_ttl(ttl: Duration) -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("base")).unwrap();
        let directory = Directory::new(dir(&root.path().join("base"), ttl), mime());
        Self { root, directory, now: Instant::now() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("base").join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), content).unwrap();
    }

    /// Puts another file in place of `name`, as editors and deployments do.
    fn replace(&self, name: &str, content: impl AsRef<[u8]>) {
        self.write(".new", content);
        fs::rename(self.path(".new"), self.path(name)).unwrap();
    }

    fn passes(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
    }

    async fn find(&self, rest: &str) -> Result<Found, Fault> {
        let path = format!("/d/{rest}");
        let found = self.directory.find(&path, rest, self.now);
        timeout(PATIENCE, found).await.expect("the look hangs")
    }

    /// What a look for `rest` gives: the content, `<dir>`, or the fault's status.
    async fn text(&self, rest: &str) -> String {
        match self.find(rest).await {
            Ok(Found::File(file)) => String::from_utf8(checked_content(&file)).unwrap(),
            Ok(Found::Directory) => "<dir>".to_owned(),
            Err(fault) => fault.kind.verdict().status.to_string(),
        }
    }

    async fn file(&self, rest: &str) -> Arc<Representation> {
        match self.find(rest).await {
            Ok(Found::File(file)) => file,
            other => panic!("{rest}: {other:?}"),
        }
    }

    async fn serve(&self, request: &str, rest: &str) -> (u16, Body<'static>) {
        let head = head(&format!("{request}\r\nHost: h\r\n\r\n"));
        match self.directory.serve(&head, rest).await {
            Ok(response) => (response.status, response.body),
            Err(fault) => (fault.kind.verdict().status, Body::Empty),
        }
    }
}

/// The content of a file, once it is sure that its length, its tag and its lines agree.
fn checked_content(file: &Representation) -> Vec<u8> {
    let content = match &file.content {
        Content::Bytes(bytes) => bytes.to_vec(),
        // One byte more than promised, at offsets of its own: others read the same file.
        Content::File(open) => {
            let mut content = vec![0; usize::try_from(file.metadata.length).unwrap() + 1];
            let mut filled = 0;
            while let count @ 1.. = open.read_at(&mut content[filled..], filled as u64).unwrap() {
                filled += count;
            }
            content.truncate(filled);
            content
        }
    };
    assert_eq!(file.metadata.length, content.len() as u64);
    let tag = &file.metadata.etag;
    assert!(tag.ends_with(&format!("-{:x}\"", content.len())), "{tag} of {}", content.len());
    let lines = String::from_utf8(file.lines.to_vec()).unwrap();
    assert!(lines.contains(&format!("ETag: {tag}\r\n")), "{lines}");
    content
}

fn body_text(body: Body<'_>) -> String {
    match body {
        Body::Empty => String::new(),
        Body::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        Body::File(slice) => {
            let mut content = vec![0; usize::try_from(slice.length).unwrap()];
            slice.file.read_exact_at(&mut content, slice.offset).unwrap();
            String::from_utf8(content).unwrap()
        }
        other => format!("{other:?}"),
    }
}

const LARGE: usize = 100_000;

#[tokio::test]
async fn paths_lead_to_files_below_the_base() {
    let t = Fixture::new();
    for name in ["a.txt", "index.html", "sub/b.txt", "sub/index.html", ".hidden", "sp ace", "é"] {
        t.write(name, name);
    }
    fs::create_dir(t.path("empty")).unwrap();
    fs::create_dir_all(t.path("odd/index.html")).unwrap();
    fs::create_dir(t.root.path().join("base-private")).unwrap();
    fs::write(t.root.path().join("base-private/secret"), "SECRET").unwrap();
    symlink("a.txt", t.path("in")).unwrap();
    symlink("sub", t.path("in_dir")).unwrap();
    symlink("../base-private/secret", t.path("out")).unwrap();
    symlink("../base-private", t.path("out_dir")).unwrap();
    symlink(t.path("a.txt"), t.path("absolute_in")).unwrap();
    for (rest, expected) in [
        ("a.txt", "a.txt"),
        ("/a.txt", "a.txt"),
        ("", "index.html"),
        ("/", "index.html"),
        ("sub/", "sub/index.html"),
        ("sub", "<dir>"),
        ("empty", "<dir>"),
        ("empty/", "404"),
        ("odd/", "404"),
        (".hidden", ".hidden"),
        ("sp%20ace", "sp ace"),
        ("%c3%a9", "é"),
        ("in", "a.txt"),
        ("in_dir", "<dir>"),
        ("in_dir/b.txt", "sub/b.txt"),
        ("absolute_in", "a.txt"),
        ("a.txt/", "404"),
        ("nothing", "404"),
        ("out", "404"),
        ("out_dir", "404"),
        ("out_dir/secret", "404"),
        ("../base-private/secret", "404"),
        ("%2e%2e/base-private/secret", "404"),
        ("..%2fbase-private%2fsecret", "404"),
        ("-private/secret", "404"),
        ("sub%2fb.txt", "404"),
        ("a.txt%00.html", "404"),
        ("sub/../a.txt", "404"),
        ("./a.txt", "404"),
        (&"x".repeat(300), "404"),
        (&"x/".repeat(3000), "404"),
    ] {
        assert_eq!(t.text(rest).await, expected, "{rest}");
        assert_eq!(t.text(rest).await, expected, "{rest}, again");
    }
}

#[tokio::test]
async fn only_regular_files_are_served() {
    let t = Fixture::new();
    mknodat(CWD, t.path("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(t.path("socket")).unwrap();
    assert_eq!(t.text("fifo").await, "404");
    assert_eq!(t.text("socket").await, "404");
    assert_eq!(t.text("fifo/").await, "404");
}

#[tokio::test]
async fn an_unreadable_file_is_not_found() {
    let t = Fixture::new();
    t.write("a.txt", "a");
    fs::set_permissions(t.path("a.txt"), fs::Permissions::from_mode(0o000)).unwrap();
    // Permissions don't bind root, nor those who may override them.
    let expected = if File::open(t.path("a.txt")).is_ok() { "a" } else { "404" };
    assert_eq!(t.text("a.txt").await, expected);
}

#[tokio::test]
async fn a_base_may_come_and_go() {
    let t = Fixture::new();
    let base = t.root.path().join("base");
    fs::remove_dir(&base).unwrap();
    assert_eq!(t.text("a.txt").await, "404");
    assert!(t.directory.files.base_missing.load(Ordering::Relaxed));
    t.write("a.txt", "a");
    assert_eq!(t.text("a.txt").await, "a");
    assert!(!t.directory.files.base_missing.load(Ordering::Relaxed));
    fs::rename(&base, t.root.path().join("gone")).unwrap();
    fs::write(&base, "a file").unwrap();
    assert_eq!(t.text("b.txt").await, "404");
}

#[tokio::test]
async fn the_route_itself_is_a_directory_without_its_slash() {
    let t = Fixture::new();
    t.write("index.html", "i");
    for (path, rest, expected) in
        [("/nd", "", None), ("/nd/", "/", Some("i")), ("/d/", "", Some("i")), ("/nd", "", None)]
    {
        let found = t.directory.find(path, rest, t.now).await.unwrap();
        match (found, expected) {
            (Found::Directory, None) => {}
            (Found::File(file), Some(content)) => {
                assert_eq!(checked_content(&file), content.as_bytes());
            }
            (found, _) => panic!("{path}: {found:?}"),
        }
    }
    fs::remove_dir_all(t.root.path().join("base")).unwrap();
    assert!(t.directory.find("/nd", "", t.now).await.is_err());
}

#[tokio::test]
async fn only_get_and_head_are_served() {
    let t = Fixture::new();
    t.write("a.txt", "hello");
    for (method, status) in [
        ("GET", 200),
        ("HEAD", 200),
        ("POST", 405),
        ("PUT", 405),
        ("DELETE", 405),
        ("OPTIONS", 405),
        ("PROPFIND", 501),
        ("get", 501),
    ] {
        let request = format!("{method} /d/a.txt HTTP/1.1");
        assert_eq!(t.serve(&request, "a.txt").await.0, status, "{method}");
    }
    let post = head("POST /d/nothing HTTP/1.1\r\nHost: h\r\n\r\n");
    let fault = t.directory.serve(&post, "nothing").await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::MethodNotAllowed("GET, HEAD"));
}

#[tokio::test]
async fn the_body_is_what_was_decided() {
    let t = Fixture::new();
    let large = "0123456789".repeat(LARGE / 10);
    t.write("small", "0123456789");
    t.write("large", &large);
    t.write("empty", "");
    let absent = |length| format!("Absent({:?})", Some(length));
    for (request, rest, status, body) in [
        ("GET /d/small HTTP/1.1", "small", 200, "0123456789".to_owned()),
        ("GET /d/large HTTP/1.1", "large", 200, large.clone()),
        ("GET /d/empty HTTP/1.1", "empty", 200, String::new()),
        ("HEAD /d/small HTTP/1.1", "small", 200, absent(10)),
        ("HEAD /d/large HTTP/1.1", "large", 200, absent(LARGE)),
        ("GET /d/small HTTP/1.1\r\nRange: bytes=2-4", "small", 206, "234".to_owned()),
        ("GET /d/small HTTP/1.1\r\nRange: bytes=-2", "small", 206, "89".to_owned()),
        ("GET /d/large HTTP/1.1\r\nRange: bytes=99998-", "large", 206, "89".to_owned()),
        ("GET /d/large HTTP/1.1\r\nRange: bytes=50001-50003", "large", 206, "123".to_owned()),
        ("GET /d/small HTTP/1.1\r\nRange: bytes=0-1,3-4", "small", 200, "0123456789".to_owned()),
        ("GET /d/small HTTP/1.1\r\nRange: bytes=10-", "small", 416, String::new()),
        ("GET /d/small HTTP/1.1\r\nIf-None-Match: *", "small", 304, String::new()),
        ("GET /d/small HTTP/1.1\r\nIf-Match: \"x\"", "small", 412, String::new()),
        ("GET /d HTTP/1.1", "", 301, String::new()),
        ("GET /d/nothing HTTP/1.1\r\nIf-None-Match: *", "nothing", 404, String::new()),
    ] {
        let (answered, answer) = t.serve(request, rest).await;
        assert_eq!((answered, body_text(answer)), (status, body), "{request}");
    }
}

#[tokio::test]
async fn what_is_in_memory_costs_no_look_until_the_window_ends() {
    for (ttl, window) in [(0, 1000), (60, 60_000)] {
        let mut t = Fixture::with_ttl(Duration::from_secs(ttl));
        t.write("a.txt", "a");
        assert_eq!(t.text("a.txt").await, "a");
        fs::remove_file(t.path("a.txt")).unwrap();
        t.passes(window - 1);
        assert_eq!(t.text("a.txt").await, "a", "no look before the window ends");
        t.passes(1);
        assert_eq!(t.text("a.txt").await, "404", "a deleted file is noticed");
        t.write("a.txt", "new");
        assert_eq!(t.text("a.txt").await, "new", "an absence is not remembered");
    }
}

#[tokio::test]
async fn a_change_is_noticed_whatever_it_leaves_the_same() {
    let mut t = Fixture::new();
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(0x5e0d_5da5);
    let set_back = |path: PathBuf| {
        File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
    };
    let (one, two) = ("1".repeat(LARGE), "2".repeat(LARGE));
    for (before, after) in [("one", "two"), (&*one, &*two), ("one", &*two), (&*one, "two")] {
        t.write("a.txt", before);
        set_back(t.path("a.txt"));
        assert_eq!(t.text("a.txt").await, before);
        t.passes(1000);
        assert_eq!(t.text("a.txt").await, before);
        t.write("a.txt", after);
        set_back(t.path("a.txt"));
        t.passes(1000);
        assert_eq!(t.text("a.txt").await, after, "written over");
        t.replace("a.txt", before);
        set_back(t.path("a.txt"));
        t.passes(1000);
        assert_eq!(t.text("a.txt").await, before, "replaced");
        t.passes(1000);
    }
}

#[tokio::test]
async fn a_large_file_that_changes_is_noticed_at_once() {
    let t = Fixture::new();
    t.write("large", "1".repeat(LARGE));
    let before = t.file("large").await;
    assert!(Arc::ptr_eq(&before, &t.file("large").await), "kept open");
    let mut file = File::options().append(true).open(t.path("large")).unwrap();
    file.write_all(b"more").unwrap();
    assert_eq!(t.file("large").await.metadata.length, LARGE as u64 + 4, "appended to");
    t.replace("large", "2".repeat(LARGE));
    assert_eq!(t.text("large").await, "2".repeat(LARGE), "replaced");
    fs::remove_file(t.path("large")).unwrap();
    assert_eq!(t.text("large").await, "404", "deleted");
}

#[tokio::test]
async fn a_file_that_becomes_a_directory_is_noticed() {
    let mut t = Fixture::new();
    t.write("a", "a");
    assert_eq!(t.text("a").await, "a");
    fs::remove_file(t.path("a")).unwrap();
    fs::create_dir(t.path("a")).unwrap();
    t.passes(1000);
    assert_eq!(t.text("a").await, "<dir>");
    fs::remove_dir(t.path("a")).unwrap();
    symlink("/etc/passwd", t.path("a")).unwrap();
    assert_eq!(t.text("a").await, "404");
}

#[tokio::test]
async fn idle_descriptors_are_closed() {
    let t = Fixture::new();
    t.write("large", "1".repeat(LARGE));
    drop(t.file("large").await);
    assert!(t.directory.files.idle_checks.load(Ordering::Relaxed));
    assert_eq!(t.directory.files.cache.close_idle(), 0);
    let open =
        fs::read_dir("/proc/self/fd").unwrap().filter_map(|fd| fs::read_link(fd.ok()?.path()).ok());
    assert!(open.into_iter().all(|file| file != t.path("large")));
}

/// Many readers while one file is replaced again and again by others of other lengths: length,
/// tag and bytes always belong together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_and_bytes_belong_together_under_change() {
    let t = Arc::new(Fixture::new());
    let content = |round: usize| {
        let length = if round.is_multiple_of(3) { LARGE } else { 10 } + round;
        char::from(b'a' + (round % 26) as u8).to_string().repeat(length)
    };
    t.write("a.txt", content(0));
    let readers: Vec<_> = (0..4_u64)
        .map(|reader| {
            let t = Arc::clone(&t);
            tokio::spawn(async move {
                for round in 0..200 {
                    let now = t.now + Duration::from_secs(2 * round + reader);
                    let found = t.directory.find("/d/a.txt", "a.txt", now);
                    let Found::File(file) = found.await.unwrap() else { panic!("a directory") };
                    let content = checked_content(&file);
                    assert!(content.iter().all(|byte| *byte == content[0]));
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let writer = {
        let t = Arc::clone(&t);
        tokio::task::spawn_blocking(move || {
            for round in 0..200 {
                t.replace("a.txt", content(round));
            }
        })
    };
    writer.await.unwrap();
    for reader in readers {
        timeout(PATIENCE, reader).await.unwrap().unwrap();
    }
}
