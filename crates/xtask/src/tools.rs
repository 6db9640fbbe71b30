//! Programs that are not Rust: found, or installed where we may, or missed aloud.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{process, workspace};

/// A program somebody else makes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    pub(crate) program: &'static str,
    /// The Debian package that brings it.
    package: &'static str,
    /// What cannot be shown without it.
    needed_for: &'static str,
}

const fn tool(program: &'static str, package: &'static str, needed_for: &'static str) -> Tool {
    Tool { program, package, needed_for }
}

pub(crate) const MONGREL2: Tool = tool("mongrel2", "mongrel2-core", "the comparison with Mongrel2");
pub(crate) const NGINX: Tool = tool("nginx", "nginx-light", "the comparison with nginx");
pub(crate) const HAPROXY: Tool =
    tool("haproxy", "haproxy", "the cluster, and the comparison with HAProxy");
pub(crate) const WRK: Tool = tool("wrk", "wrk", "any measurement");
const CURL: Tool = tool("curl", "curl", "the tests with a real client");
const PYTHON: Tool = tool("python3", "python3", "the tests with handlers in Python");
const RUBY: Tool = tool("ruby", "ruby", "the handler in Ruby");
const PHP: Tool = tool("php", "php-cli", "the handler in PHP");
const GO: Tool = tool("go", "golang-go", "the handler in Go");
const JAVAC: Tool = tool("javac", "default-jdk-headless", "the handler in Java");
pub(crate) const CC: Tool = tool("cc", "gcc", "the comparison with libzmq");
const PKG_CONFIG: Tool = tool("pkg-config", "pkg-config", "the handler in C");

/// What the tests need beside cargo.
pub(crate) const FOR_TESTS: &[Tool] =
    &[MONGREL2, HAPROXY, CURL, PYTHON, RUBY, PHP, GO, JAVAC, PKG_CONFIG];
/// Debian packages without a program: ZeroMQ for the languages of the manual's handlers.
const LIBRARIES: &[&str] = &["libjeromq-java", "libzmq3-dev", "php-zmq", "ruby-ffi-rzmq"];
/// ZeroMQ for Node, as npm calls it; its package brings the binary along.
const NODE_ZEROMQ: &str = "zeromq@6";
/// What the comparison with the peers needs.
pub(crate) const FOR_PEERS: &[Tool] = &[MONGREL2, NGINX, HAPROXY, WRK];

/// Sees to it that every tool is there. What stays missing is an error in CI and a warning elsewhere.
pub(crate) fn ensure(tools: &[Tool]) -> Result<(), String> {
    let missing = |tool: &&Tool| process::locate(tool.program).is_none();
    let packages: Vec<&str> = tools.iter().filter(missing).map(|tool| tool.package).collect();
    if !packages.is_empty()
        && let Err(reason) = install(&packages)
    {
        eprintln!("could not install {}: {reason}", packages.join(" "));
    }
    tools.iter().filter(missing).try_for_each(|tool| miss(tool.program, tool.needed_for))
}

/// ZeroMQ for the languages whose handlers the manual shows. The tests say what stays missing.
pub(crate) fn ensure_libraries() {
    let is_missing = |package: &&&str| {
        let status = Command::new("dpkg-query").args(["-W", "-f", "${Status}", package]).output();
        !status.is_ok_and(|output| output.stdout.ends_with(b" installed"))
    };
    let missing: Vec<&str> = LIBRARIES.iter().filter(is_missing).copied().collect();
    if !missing.is_empty()
        && let Err(reason) = install(&missing)
    {
        eprintln!("could not install {}: {reason}", missing.join(" "));
    }
}

/// Where Node finds ZeroMQ: below `target`, installed if need be; none without Node or npm.
pub(crate) fn node_path() -> Result<Option<PathBuf>, String> {
    let home = workspace::target()?.join("node");
    let modules = home.join("node_modules");
    if modules.join("zeromq").exists() {
        return Ok(Some(modules));
    }
    if process::locate("node").is_none() || process::locate("npm").is_none() {
        return miss("Node with npm", "the handler in Node").map(|()| None);
    }
    let mut npm = Command::new("npm");
    npm.args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"]).arg(&home);
    match process::run(npm.arg(NODE_ZEROMQ)) {
        Ok(()) => Ok(Some(modules)),
        Err(reason) => miss(&reason, "the handler in Node").map(|()| None),
    }
}

/// The Python of the repository's own virtual environment, with pyzmq in it; made if need be.
pub(crate) fn python() -> Result<Option<PathBuf>, String> {
    match virtual_environment() {
        Ok(python) => Ok(Some(python)),
        Err(reason) => {
            eprintln!("no virtual environment: {reason}");
            miss("pyzmq", "every test and demo with a handler in Python").map(|()| None)
        }
    }
}

fn miss(what: &str, needed_for: &str) -> Result<(), String> {
    if workspace::in_ci() {
        return Err(format!("{what} is missing, and with it {needed_for}"));
    }
    eprintln!("warning: {what} is missing; skipped: {needed_for}");
    Ok(())
}

fn install(packages: &[&str]) -> Result<(), String> {
    let by_hand = format!("apt-get install {}", packages.join(" "));
    let is_root = process::capture(Command::new("id").arg("-u"))?.trim() == "0";
    if !is_root || process::locate("apt-get").is_none() {
        return Err(format!("that takes root and apt-get; by hand: {by_hand}"));
    }
    let _policy = NoServices::declare()?;
    let apt = |args: &[&str]| {
        process::run(Command::new("apt-get").args(args).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt(&["-q", "update"])?;
    apt(&[&["-q", "install", "-y", "--no-install-recommends"], packages].concat())
}

/// While it lives, a package that brings a service does not start it.
struct NoServices {
    policy: Option<&'static Path>,
}

impl NoServices {
    fn declare() -> Result<Self, String> {
        let path = Path::new("/usr/sbin/policy-rc.d");
        if path.exists() {
            // The machine has a policy of its own.
            return Ok(Self { policy: None });
        }
        let written = fs::write(path, "#!/bin/sh\nexit 101\n")
            .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o755)));
        written.map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Self { policy: Some(path) })
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Some(path) = self.policy {
            drop(fs::remove_file(path));
        }
    }
}

fn virtual_environment() -> Result<PathBuf, String> {
    let root = workspace::root();
    let home = root.join(".venv");
    let python = home.join("bin/python");
    let list = root.join("tests/interop/requirements.txt");
    let wanted = fs::read_to_string(&list).map_err(|e| format!("{}: {e}", list.display()))?;
    let stamp = home.join("requirements.stamp");
    if python.exists() && fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(python);
    }
    let make = || process::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home));
    if make().is_err() {
        install(&["python3", "python3-venv"])?;
        make()?;
    }
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(&list);
    process::run(&mut pip)?;
    fs::write(&stamp, wanted).map_err(|e| format!("{}: {e}", stamp.display()))?;
    Ok(python)
}
