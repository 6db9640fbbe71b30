//! `start`, `stop`, `reload`, `running` against processes that stand in for servers.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

use wire::control::{self, Reply, Table};

use crate::program::Program;

/// A database with three servers `one`, `two`, `three` whose pid files are in `run/`.
fn loaded() -> Program {
    let program = Program::ours();
    let mut config = String::new();
    for (name, host) in [("one", "h1"), ("two", "h2"), ("three", "h2")] {
        config += &format!(
            "{name} = Server(uuid='uuid-{name}' access_log='/a' error_log='/e' chroot='{dir}/' name='{name}'\n\
             pid_file='/run/{name}.pid' default_host='{host}' port=1\n\
             hosts=[Host(name='{host}' routes={{'/': Proxy(addr='127.0.0.1' port=1)}})])\n",
            dir = program.dir.path().display()
        );
    }
    config += "servers=[one, two, three]\n";
    let (ran, _) = program.load(config.as_bytes());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    std::fs::create_dir(program.path("run")).unwrap();
    program
}

/// A process with the command line of a server, which says which signals it gets.
struct StandIn {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl StandIn {
    fn start(program: &Program, name: &str) -> Self {
        let script = "trap 'echo INT; exit 0' INT; trap 'echo TERM; exit 0' TERM; trap 'echo HUP' HUP; \
                      echo ready; n=0; while [ $n -lt 100 ]; do read line && exit; n=$((n + 1)); done";
        // A shell can't trap what it was started to ignore, as nohup and background jobs are.
        let mut child = Command::new("env")
            .args(["--default-signal", "sh", "-c", script, "server", "config.sqlite"])
            .arg(format!("uuid-{name}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        program.write(&format!("run/{name}.pid"), child.id().to_string());
        let mut stand_in = Self { child, lines };
        assert_eq!(stand_in.says(), "ready\n");
        stand_in
    }

    /// Ends it by a line of input; at the end of its input it ends too, after a hundred tries.
    fn quit(&mut self) {
        self.child.stdin.take().unwrap().write_all(b"quit\n").unwrap();
    }

    /// The next line; empty when the process has ended.
    fn says(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        // It may have ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

#[test]
fn running_tells_by_its_exit_code() {
    let program = loaded();
    let running =
        |selector: &[&str]| program.run(&[&["running", "-db", "config.sqlite"], selector].concat());

    let ran = running(&["-name", "one"]);
    assert_eq!(ran.stdout, "mongrel2 is not running because pid_file isn't there.\n");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), ""));

    let one = StandIn::start(&program, "one");
    let ran = running(&["--uuid", "uuid-one"]);
    assert_eq!(ran.stdout, format!("mongrel2 at PID {} running.\n", one.pid()));
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));

    let ran = running(&["-every"]);
    assert_eq!(
        ran.stdout,
        format!(
            "one (uuid-one): mongrel2 at PID {} running.\n\
             two (uuid-two): mongrel2 is not running because pid_file isn't there.\n\
             three (uuid-three): mongrel2 is not running because pid_file isn't there.\n",
            one.pid()
        )
    );
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.stderr, "m2sh: 1 of 3 servers\n");
}

#[test]
fn signals_go_to_every_selected_server() {
    let program = loaded();
    let run = |words: &[&str]| program.run(&[words, &["-db", "config.sqlite"]].concat());
    let mut one = StandIn::start(&program, "one");
    let mut two = StandIn::start(&program, "two");
    let mut three = StandIn::start(&program, "three");

    let ran = run(&["reload", "-every"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!([&mut one, &mut two, &mut three].map(StandIn::says), ["HUP\n"; 3]);

    let ran = run(&["stop", "-name", "one"]);
    assert_eq!(ran.stdout, format!("sent SIGINT to server one (uuid-one) at PID {}.\n", one.pid()));
    assert_eq!(ran.code, Some(0));
    assert_eq!(one.says(), "INT\n");

    let ran = run(&["stop", "-host", "h2", "-murder"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!([&mut two, &mut three].map(StandIn::says), ["TERM\n"; 2]);
}

#[test]
fn only_the_server_itself_is_signalled() {
    let program = loaded();
    let stop = || program.run(&["stop", "-db", "config.sqlite", "-name", "one"]);
    let ran = stop();
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.contains("server one (uuid-one) is not running: no pid file "),
        "{}",
        ran.stderr
    );

    let mut other = StandIn::start(&program, "two");
    std::fs::rename(program.path("run/two.pid"), program.path("run/one.pid")).unwrap();
    let ran = stop();
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("is gone or another program"), "{}", ran.stderr);
    other.quit();
    assert_eq!(other.says(), "", "it got no signal before it quit");

    for content in ["", "0", "-5", "x"] {
        program.write("run/one.pid", content);
        let ran = stop();
        assert_eq!(ran.code, Some(1), "{content:?}");
        assert!(ran.stderr.contains("expected a pid"), "{content:?}: {}", ran.stderr);
    }
}

#[test]
fn the_pid_file_of_test_mode_is_found() {
    let program = loaded();
    let config = std::fs::read_to_string(program.path("mongrel2.conf")).unwrap();
    program.load(config.replace(&*program.dir.path().to_string_lossy(), "/nowhere").as_bytes());
    let one = StandIn::start(&program, "one");
    let ran = program.run(&["running", "-db", "config.sqlite", "-name", "one"]);
    assert_eq!(ran.stdout, format!("mongrel2 at PID {} running.\n", one.pid()));
}

#[test]
fn start_passes_on_the_exit_status() {
    let program = loaded();
    // m2sh looks for the server beside itself.
    let m2sh = program.install("m2sh", &std::fs::read(env!("CARGO_BIN_EXE_m2sh")).unwrap());
    let server =
        |script: &str| program.install("server", format!("#!/bin/sh\n{script}\n").as_bytes());
    let start = |words: &[&str]| {
        Command::new(&m2sh)
            .args(["start", "-db", "config.sqlite"])
            .args(words)
            .current_dir(program.dir.path())
            .output()
            .unwrap()
    };

    server("echo \"$@\"");
    let output = start(&["-name", "one"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "config.sqlite uuid-one\n");
    assert_eq!(output.status.code(), Some(0));

    let output = start(&["-every"]);
    let mut lines: Vec<_> =
        output.stdout.split(|byte| *byte == b'\n').map(String::from_utf8_lossy).collect();
    lines.sort_unstable();
    let servers =
        ["", "config.sqlite uuid-one", "config.sqlite uuid-three", "config.sqlite uuid-two"];
    assert_eq!(lines, servers);

    let output = start(&["-name", "two", "-sudo", "echo", "please"]);
    let path = program.path("server").canonicalize().unwrap();
    let expected = format!("please {} config.sqlite uuid-two\n", path.display());
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);

    server("exit 3");
    assert_eq!(start(&["-name", "one"]).status.code(), Some(3));
    assert_eq!(start(&["-every"]).status.code(), Some(3));
    server("kill -9 $$");
    assert_eq!(start(&["-name", "one"]).status.code(), Some(137));

    std::fs::remove_file(program.path("server")).unwrap();
    let output = start(&["-name", "one", "-sudo", "/no/such/program"]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.contains("can't start \"/no/such/program\""), "{stderr}");

    let output = start(&["-url", "x", "-style", "mod.so", "-uuid", "abc"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_signal_to_start_reaches_the_server() {
    let program = loaded();
    let m2sh = program.install("m2sh", &std::fs::read(env!("CARGO_BIN_EXE_m2sh")).unwrap());
    let script = "#!/bin/sh\ntrap 'echo TERM; exit 7' TERM\necho ready\n\
                  n=0; while [ $n -lt 100 ]; do read line && exit; n=$((n + 1)); done\n";
    program.install("server", script.as_bytes());
    let mut child = Command::new(&m2sh)
        .args(["start", "-db", "config.sqlite", "-name", "one"])
        .current_dir(program.dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.next().as_deref(), Some("ready"));
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(lines.next().as_deref(), Some("TERM"));
    assert_eq!(child.wait().unwrap().code(), Some(7));
}

#[test]
fn control_asks_the_port_of_the_configuration() {
    let program = loaded();
    let config = std::fs::read_to_string(program.path("mongrel2.conf")).unwrap();
    program.load((config + "settings = {'control_port': 'ipc://run/ctl'}").as_bytes());
    let spec = format!("ipc://{}", program.path("run/ctl").display());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut port = runtime.block_on(bus::ControlPort::bind(&spec)).unwrap();
    runtime.spawn(async move {
        port.serve(|request| async move {
            let answer = match control::Command::parse(&request) {
                Ok(control::Command::Uuid) => Reply::Table(Table::single("uuid", "uuid-one")),
                Ok(_) => Reply::Table(Table { headers: vec!["id".into()], rows: Vec::new() }),
                Err(error) => Reply::from(error),
            };
            let mut out = bytes::BytesMut::new();
            answer.encode(&mut out);
            out.freeze()
        })
        .await;
    });

    let control = |selector: &[&str], input: &str| {
        program.run_with(&[&["control", "-db", "config.sqlite"], selector].concat(), input)
    };
    let ran = control(&["-name", "one"], "uuid\nnosuch\n\nstatus what=net\nkill id=\n");
    assert_eq!(
        ran.stdout,
        "uuid:  uuid-one\nERROR: Callback requested was not found.\nid  \n\n\
         ERROR: Invalid argument type.\n",
        "{}",
        ran.stderr
    );
    assert_eq!(ran.code, Some(0));

    let ran = control(&["-every"], "uuid\n");
    assert_eq!(ran.code, Some(255));
    assert_eq!(
        ran.stderr,
        "m2sh: expected one server but 3 match: one (uuid-one), two (uuid-two), three (uuid-three)\n"
    );
}

#[test]
fn control_says_when_nobody_answers() {
    let program = loaded();
    let ran = program.run_with(&["control", "-db", "config.sqlite", "-name", "one"], "uuid\n");
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.starts_with("m2sh: can't ask the control port at ipc://"), "{}", ran.stderr);
}
