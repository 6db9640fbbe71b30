//! Debian's mongrel2 as a process.

use super::{SiteBuilder, UUID, within};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use store::Cell;

/// Debian's server, ended with its test.
#[derive(Debug)]
pub(crate) struct Mongrel2(Child);

impl Drop for Mongrel2 {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Mongrel2 {
    /// `None` where it is not installed, which on a build machine is a failure.
    pub(crate) async fn start(folder: &Path, port: u16, site: SiteBuilder) -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let is_there = std::env::split_paths(&path).any(|dir| dir.join("mongrel2").is_file());
        let on_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(is_there || !on_ci, "mongrel2 is missing, apt install mongrel2-core");
        if !is_there {
            println!("skipped: mongrel2 is missing, apt install mongrel2-core");
            return None;
        }
        for name in ["logs", "run", "static"] {
            std::fs::create_dir(folder.join(name)).unwrap();
        }
        let site = site.alone(port).rows(|rows| {
            let server = &mut rows.servers[0];
            server.access_log = Cell::Text("logs/access.log".to_owned());
            server.error_log = Cell::Text("/dev/stderr".to_owned());
            server.pid_file = Cell::Text("run/server.pid".to_owned());
        });
        site.write(folder);
        let spawned = Command::new("mongrel2")
            .args(["config.sqlite", UUID])
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = spawned.unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let running = Self(child);
        let (said, mut hears) = tokio::sync::mpsc::unbounded_channel();
        std::thread::spawn(move || {
            // Read to its end, so that the server never waits for its log.
            for line in stderr.lines().map_while(Result::ok) {
                said.send(line).ok();
            }
        });
        let mut lines = Vec::new();
        while let Some(line) = within(hears.recv()).await {
            if line.contains("Running. Copyright") {
                return Some(running);
            }
            lines.push(line);
        }
        panic!("mongrel2 does not run:\n{}", lines.join("\n"));
    }
}
