//! The same hello in several languages, each as the manual prints it, each answering a request.

use crate::harness::{self, Client, HandlerSpec, Program, Running, SiteBuilder, python, within};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::timeout;

/// Between two tries: the first replies of a PUB socket are lost until the server has subscribed.
const AGAIN: Duration = Duration::from_secs(1);

/// How a language's example is made ready and run.
struct Language {
    name: &'static str,
    /// Fails where the language or its ZeroMQ is missing; the words to install it with.
    probe: (&'static [&'static str], &'static str),
    /// Builds `out` of the source, if it must be built.
    build: Option<&'static [&'static str]>,
    /// Runs the source, or what was built.
    run: &'static [&'static str],
    file: &'static str,
}

const LANGUAGES: &[Language] = &[
    Language {
        name: "Python",
        probe: (&["{python}", "-c", "import zmq"], "pip install pyzmq"),
        build: None,
        run: &["{python}", "{source}"],
        file: "hello.py",
    },
    Language {
        name: "Node",
        probe: (&["node", "-e", "require('zeromq')"], "npm install zeromq, and NODE_PATH"),
        build: None,
        run: &["node", "{source}"],
        file: "hello.js",
    },
    Language {
        name: "Ruby",
        probe: (&["ruby", "-e", "require 'ffi-rzmq'"], "apt install ruby-ffi-rzmq"),
        build: None,
        run: &["ruby", "{source}"],
        file: "hello.rb",
    },
    Language {
        name: "PHP",
        probe: (
            &["php", "-r", "exit(extension_loaded('zmq') ? 0 : 1);"],
            "apt install php-cli php-zmq",
        ),
        build: None,
        run: &["php", "{source}"],
        file: "hello.php",
    },
    Language {
        name: "C",
        probe: (&["pkg-config", "--exists", "libzmq"], "apt install gcc pkg-config libzmq3-dev"),
        build: Some(&["cc", "-Wall", "-Wextra", "-Werror", "-o", "{out}", "{source}", "-lzmq"]),
        run: &["{out}"],
        file: "hello.c",
    },
    Language {
        name: "Go",
        probe: (&["go", "version"], "apt install golang-go gcc libzmq3-dev"),
        build: Some(&["go", "build", "-o", "{out}", "{source}"]),
        run: &["{out}"],
        file: "hello.go",
    },
    // JeroMQ as Debian has it speaks ZMTP 2.0, and TCP only.
    Language {
        name: "Java",
        probe: (
            &["sh", "-c", "javac -version && test -f /usr/share/java/jeromq.jar"],
            "apt install default-jdk-headless libjeromq-java",
        ),
        build: None,
        run: &["java", "-cp", "/usr/share/java/jeromq.jar", "{source}"],
        file: "Hello.java",
    },
];

fn command(words: &[&str], source: &Path, out: &Path) -> Command {
    let mut words = words.iter().map(|word| {
        word.replace("{python}", &python())
            .replace("{source}", source.to_str().unwrap())
            .replace("{out}", out.to_str().unwrap())
    });
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    command
}

/// Whether the language is there; on a build machine it has to be.
fn is_there(language: &Language) -> bool {
    let (probe, install) = language.probe;
    let nowhere = Path::new("");
    let missing = format!("{}, or its ZeroMQ ({install}),", language.name);
    harness::is_there(&mut command(probe, nowhere, nowhere), &missing)
}

async fn check(name: &str) {
    let language = LANGUAGES.iter().find(|language| language.name == name).unwrap();
    if !is_there(language) {
        return;
    }
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../docs/manual/examples")
        .join(language.file);
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("hello");
    if let Some(build) = language.build {
        let mut build = command(build, &source, &out);
        build.env("HOME", folder.path());
        assert!(build.status().unwrap().success(), "{name} does not build");
    }
    let spec = if name == "Java" { HandlerSpec::over_tcp() } else { HandlerSpec::named("main") };
    let server = Running::start(&SiteBuilder::new().handler_with("/", &spec)).await;
    let spec = spec.within(server.folder());
    let mut run = command(language.run, &source, &out);
    let _program = Program::start(run.args([&spec.send_spec, &spec.recv_spec]));
    let reply = within(async {
        loop {
            let mut client = server.client().await;
            client.send("GET /a%20b?c HTTP/1.1\r\nHost: localhost\r\nX: \"\\é\r\n\r\n").await;
            if let Ok(reply) = timeout(AGAIN, client.reply()).await {
                break reply;
            }
        }
    })
    .await;
    assert_eq!(
        (reply.status, reply.text()),
        (200, &*format!("Hello from {name}, you asked for /a%20b\n"))
    );
    answers_go_on(&server, name).await;
}

/// A client that leaves is not answered, and the next one is.
async fn answers_go_on(server: &Running, name: &str) {
    for path in ["/1", "/2", "/3"] {
        let mut client: Client = server.client().await;
        assert_eq!(
            client.get(path).await.text(),
            format!("Hello from {name}, you asked for {path}\n")
        );
    }
}

#[tokio::test]
async fn python_says_hello() {
    check("Python").await;
}

#[tokio::test]
async fn node_says_hello() {
    check("Node").await;
}

#[tokio::test]
async fn ruby_says_hello() {
    check("Ruby").await;
}

#[tokio::test]
async fn php_says_hello() {
    check("PHP").await;
}

#[tokio::test]
async fn c_says_hello() {
    check("C").await;
}

#[tokio::test]
async fn go_says_hello() {
    check("Go").await;
}

#[tokio::test]
async fn java_says_hello() {
    check("Java").await;
}
