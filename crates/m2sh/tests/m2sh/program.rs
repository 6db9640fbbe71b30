//! Runs m2sh, ours or Debian's, in a directory of its own.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) struct Program {
    pub(crate) dir: TempDir,
    executable: PathBuf,
}

impl Program {
    pub(crate) fn ours() -> Self {
        Self { dir: TempDir::new().unwrap(), executable: env!("CARGO_BIN_EXE_m2sh").into() }
    }

    /// Debian's m2sh; `None` when it is not installed, which is a failure in CI.
    pub(crate) fn debians() -> Option<Self> {
        let executable: PathBuf =
            std::env::var_os("MONGREL2_M2SH").map_or_else(|| "/usr/bin/m2sh".into(), PathBuf::from);
        if executable.exists() {
            return Some(Self { dir: TempDir::new().unwrap(), executable });
        }
        assert!(std::env::var_os("CI").is_none(), "mongrel2-core is not installed");
        eprintln!("not compared: mongrel2-core is not installed");
        None
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    /// Makes an executable file. Another process writes it: one of ours that is started meanwhile could
    /// hold it open, and then it cannot be executed.
    pub(crate) fn install(&self, name: &str, content: &[u8]) -> PathBuf {
        let mut child = Command::new("sh")
            .args(["-c", "cat > \"$0\" && chmod 755 \"$0\"", name])
            .current_dir(self.dir.path())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(content).unwrap();
        assert!(child.wait().unwrap().success());
        self.path(name)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "")
    }

    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        let mut child = Command::new(&self.executable)
            .args(arguments)
            .current_dir(self.dir.path())
            .env("LOGNAME", "ref")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that does not read its input may be gone already.
        _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Loads `config` into a new database and returns its rows, or `None` when there are none to read.
    pub(crate) fn load(&self, config: &[u8]) -> (Ran, Option<store::Rows>) {
        self.write("mongrel2.conf", config);
        _ = std::fs::remove_file(self.path("config.sqlite"));
        let ran = self.run(&["load", "-db", "config.sqlite", "-config", "mongrel2.conf"]);
        let rows = store::read(&self.path("config.sqlite")).ok();
        (ran, rows)
    }
}

pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

pub(crate) fn golden(name: &str) -> serde_json::Value {
    let text = std::fs::read(repository("tests/golden").join(name)).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// The golden files write one character for each byte.
pub(crate) fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|byte| u8::try_from(u32::from(byte)).unwrap()).collect()
}
