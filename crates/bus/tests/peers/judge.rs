//! Who plays the other side, each as a process that can be stopped and killed.

use std::path::Path;
use std::process::{Command as Check, Stdio};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::{within, zeromq_crate};

/// An implementation of ZeroMQ that is not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judge {
    /// Through pyzmq: ZMTP 3.1, connects again by itself.
    Libzmq,
    /// ZMTP 3.0, NULL only.
    ZeromqCrate,
    /// As Debian ships it, 0.3.6: ZMTP 2.0, which has neither heartbeats nor security, over TCP.
    Jeromq,
}

impl Judge {
    /// Whether it can be asked; on a build machine it can.
    pub(super) fn is_there(self) -> bool {
        let (probe, name) = match self {
            Self::Libzmq => ([&*python(), "-c", "import zmq"], "pyzmq"),
            Self::Jeromq => (["sh", "-c", "javac -version && test -f $0"], "libjeromq-java"),
            Self::ZeromqCrate => return true,
        };
        let mut command = Check::new(probe[0]);
        let probe = command.args(&probe[1..]).arg(JEROMQ);
        let is_there = probe.output().is_ok_and(|probed| probed.status.success());
        assert!(is_there || std::env::var("CI").as_deref() != Ok("true"), "{name} is missing");
        if !is_there {
            #[expect(clippy::print_stderr, reason = "says that a test has shown nothing")]
            {
                eprintln!("skipped: {name} is missing");
            }
        }
        is_there
    }

    /// Addresses to bind a link to that it can connect to: TCP, and files in `folder`.
    pub(super) fn specs(self, folder: &Path) -> Vec<(String, String)> {
        let tcp = || "tcp://127.0.0.1:*".to_owned();
        let ipc = |name: &str| format!("ipc://{}/{name}", folder.display());
        match self {
            Self::Libzmq | Self::ZeromqCrate => vec![(tcp(), tcp()), (ipc("s"), ipc("r"))],
            // Its ipc:// is TCP underneath.
            Self::Jeromq => vec![(tcp(), tcp())],
        }
    }

    /// What its handshake shows of a PULL socket that was told to be `name`.
    pub(super) fn identity(self, name: &'static str) -> &'static str {
        match self {
            Self::Libzmq => "",
            Self::ZeromqCrate | Self::Jeromq => name,
        }
    }

    pub(super) fn version(self) -> (u8, u8) {
        match self {
            Self::Libzmq => (3, 1),
            Self::ZeromqCrate => (3, 0),
            Self::Jeromq => (2, 0),
        }
    }

    /// A peer in `role`; libzmq.py says which there are.
    pub(super) fn plays(self, role: &str, specs: &(String, String), options: &[&str]) -> Peer {
        let words = [&[role, &specs.0, &specs.1], options].concat();
        match self {
            Self::Libzmq => {
                let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/libzmq.py");
                Peer::start(Command::new(python()).arg(script).args(words))
            }
            Self::ZeromqCrate => Peer::start(&mut zeromq_crate::process(&words)),
            Self::Jeromq => {
                let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/Jeromq.java");
                Peer::start(Command::new("java").args(["-cp", JEROMQ, source]).args(words))
            }
        }
    }
}

const JEROMQ: &str = "/usr/share/java/jeromq.jar";

fn python() -> String {
    std::env::var("LURCHER_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// A process, killed when dropped.
pub(super) struct Peer {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

/// What a line for the test begins with.
pub(super) const MARK: &str = "peer: ";

impl Peer {
    fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, input, lines }
    }

    pub(super) async fn says(&mut self, want: &str) {
        assert_eq!(self.line().await, want);
    }

    pub(super) async fn line(&mut self) -> String {
        loop {
            let line = within(self.lines.next_line()).await.unwrap().expect("the peer lives");
            if let Some((_, said)) = line.split_once(MARK) {
                return said.to_owned();
            }
        }
    }

    pub(super) async fn tell(&mut self, line: &str) {
        within(self.input.write_all(format!("{line}\n").as_bytes())).await.unwrap();
    }

    /// As SIGSTOP does.
    pub(super) fn stop(&self) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Check::new("kill").args(["-STOP", &pid]).status().unwrap().success());
    }

    /// As SIGKILL does.
    pub(super) async fn kill(&mut self) {
        within(self.child.kill()).await.unwrap();
    }
}
