//! Tests of the store: names, room, and the files of servers that are gone.

use super::manifest::Manifest;
use super::*;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

const OWNER: &str = "82209006-86FF";

fn template(folder: &TempDir) -> String {
    format!("{}/up.XXXXXX", folder.path().display())
}

fn store(folder: &TempDir) -> Arc<UploadStore> {
    Arc::new(UploadStore {
        template: template(folder),
        owner: OWNER.to_owned(),
        manifest: Mutex::default(),
        room: Mutex::default(),
    })
}

fn manifests(folder: &TempDir) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap());
    let ours = entries.filter(|entry| entry.file_name().to_str().unwrap().starts_with(".lurcher-"));
    ours.map(|entry| entry.path()).collect()
}

/// The only manifest in the folder, as text.
fn manifest(folder: &TempDir) -> String {
    let [path] = <[PathBuf; 1]>::try_from(manifests(folder)).unwrap();
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_template_becomes_a_new_file_with_the_mode_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = store(&folder).create(0o666).unwrap();
    let template = template(&folder);
    assert!(file.name.starts_with(template.strip_suffix(RANDOM).unwrap()), "{}", file.name);
    assert_eq!(file.name.len(), template.len());
    let metadata = fs::metadata(&file.name).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o666);
    assert!(manifest(&folder).contains(&metadata.ino().to_string()));
    let name = file.name.clone();
    drop(file);
    assert!(!Path::new(&name).exists(), "a file that is not given away goes away");
    assert!(manifests(&folder).is_empty(), "so does the manifest, with its store");
}

#[test]
fn the_manifest_lists_what_is_ours_and_reuses_its_lines() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let listed = || {
        let text = manifest(&folder);
        assert!(text.starts_with("lurcher uploads 1 up."), "{text}");
        text[512..].lines().filter(|line| !line.trim().is_empty()).count()
    };
    let files: Vec<UploadFile> = (0..130).map(|_| store.create(0o600).unwrap()).collect();
    assert_eq!(listed(), 130);
    let size = manifest(&folder).len();
    drop(files);
    assert_eq!(listed(), 0);
    let mut file = store.create(0o600).unwrap();
    assert_eq!(listed(), 1);
    file.slot.clear().unwrap();
    assert_eq!(listed(), 0);
    file.slot.record().unwrap();
    assert_eq!(listed(), 1);
    assert_eq!(manifest(&folder).len(), size);
}

/// What a killed server leaves: its manifest, which nobody holds any more.
fn bury_with(folder: &TempDir, owner: &str, lines: &[String]) -> PathBuf {
    let mut text = format!("{:<511}\n", "lurcher uploads 1 up.");
    for line in lines {
        text.push_str(&format!("{line:<31}\n"));
    }
    let path = folder.path().join(format!(".lurcher-{owner}-dead01"));
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn the_next_server_removes_what_the_manifest_says_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let inode = fs::metadata(&path).unwrap().ino();
        (path, inode)
    };
    let (ours, inode) = make("up.aaaaaa", b"half");
    let (given, _) = make("up.bbbbbb", b"whole");
    let (another, other_inode) = make("up.cccccc", b"somebody else's");
    let (begun, _) = make("up.dddddd", b"");
    let (not_begun, _) = make("up.eeeeee", b"somebody else's");
    let (elsewhere, elsewhere_inode) = make("other", b"x");
    let link = folder.path().join("up.ffffff");
    std::os::unix::fs::symlink(&elsewhere, &link).unwrap();
    let (of_another, of_another_inode) = make("up.gggggg", b"another server's");
    let dead = bury_with(
        &folder,
        OWNER,
        &[
            format!("aaaaaa {inode:>24}"),
            String::new(),
            format!("cccccc {:>24}", other_inode + 1),
            format!("dddddd {:>24}", "?"),
            format!("eeeeee {:>24}", "?"),
            format!("ffffff {elsewhere_inode:>24}"),
            format!("../../ {inode:>24}"),
            "zzzzzz".to_owned(),
            "\u{fffd} \u{fffd}".to_owned(),
        ],
    );
    let line = format!("gggggg {of_another_inode:>24}");
    let living = bury_with(&folder, "another", &[line]);
    let opened = Manifest::open(folder.path(), "up.", OWNER).unwrap();
    for path in [&ours, &begun, &dead] {
        assert!(!path.exists(), "{}", path.display());
    }
    for path in [&given, &another, &not_begun, &elsewhere, &link, &of_another, &living] {
        assert!(path.symlink_metadata().is_ok(), "{}", path.display());
    }
    drop(opened);
}

#[test]
fn a_living_server_with_the_same_uuid_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (store(&folder), store(&folder));
    let of_one = one.create(0o600).unwrap();
    let of_two = two.create(0o600).unwrap();
    assert_eq!(manifests(&folder).len(), 2);
    assert!(Path::new(&of_one.name).exists() && Path::new(&of_two.name).exists());
    drop((of_one, one));
    assert_eq!(manifests(&folder).len(), 1);
    assert!(Path::new(&of_two.name).exists());
}

#[test]
fn what_is_no_manifest_is_nothing_to_be_afraid_of() {
    let folder = tempfile::tempdir().unwrap();
    let stem = format!(".lurcher-{OWNER}-");
    fs::write(folder.path().join(format!("{stem}short1")), "lurcher").unwrap();
    fs::write(folder.path().join(format!("{stem}bytes1")), vec![0xff; 9000]).unwrap();
    fs::create_dir(folder.path().join(format!("{stem}folder"))).unwrap();
    let target = folder.path().join("target");
    fs::write(&target, "x").unwrap();
    std::os::unix::fs::symlink(&target, folder.path().join(format!("{stem}link01"))).unwrap();
    drop(Manifest::open(folder.path(), "up.", OWNER).unwrap());
    assert!(target.exists());
}

#[test]
fn a_manifest_that_was_taken_away_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    drop(store.create(0o600).unwrap());
    fs::remove_file(&manifests(&folder)[0]).unwrap();
    let file = store.create(0o600).unwrap();
    assert!(manifest(&folder).contains(file.name.get(file.name.len() - 6..).unwrap()));
}

#[test]
fn room_is_claimed_and_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let max = Some(100);
    let kind = |claim: Result<Claim, Fault>| claim.map(drop).unwrap_err().kind;
    assert_eq!(kind(store.claim(Some(101), max)), FaultKind::BodyTooLarge);
    let one = store.claim(Some(60), max).unwrap();
    assert_eq!(kind(store.claim(Some(41), max)), FaultKind::StoreFull);
    let mut chunked = store.claim(None, max).unwrap();
    chunked.grow(30).unwrap();
    chunked.wrote(30);
    assert_eq!(chunked.grow(11).unwrap_err().kind, FaultKind::StoreFull);
    assert_eq!(chunked.bytes(), 30);
    drop(one);
    chunked.grow(70).unwrap();
    drop(chunked);
    assert_eq!(store.room().claimed, 0);
    assert_eq!(store.room().written, 0);
    assert!(store.fits().unwrap_or(true));
    let claims = store.claim(Some(u64::MAX / 2), None).unwrap();
    assert!(!store.fits().unwrap(), "no disk is that large");
    drop(claims);
}
