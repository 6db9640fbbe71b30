//! Commands that only look at the database or at nothing: their outputs and exit codes.

use crate::program::{Program, golden};

/// A program in a directory with the golden database.
fn loaded() -> Program {
    let program = Program::ours();
    let config = golden("15-m2sh.json")["config"].as_str().unwrap().replace("<dir>", "/srv");
    let (ran, _) = program.load(config.as_bytes());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    program
}

#[track_caller]
fn check(program: &Program, line: &str, code: i32, stdout: &str, stderr: &str) {
    let words: Vec<_> = line.split(' ').filter(|word| !word.is_empty()).collect();
    let ran = program.run(&words);
    assert_eq!(ran.stdout, stdout, "{line}: {}", ran.stderr);
    assert_eq!(ran.stderr, stderr, "{line}");
    assert_eq!(ran.code, Some(code), "{line}");
}

const DEFAULT_DB: &str = "m2sh: no option --db given, using \"config.sqlite\" as the default.\n";
const NONE: &str = "m2sh: No results to display.\n";

#[test]
fn lists_are_printed_as_mongrel2s_m2sh_prints_them() {
    let program = loaded();
    let servers = "SERVERS:\n------\ntest localhost f400bf85-4538-4f7a-8908-67e313d515c2 \n";
    check(&program, "servers --db config.sqlite", 0, servers, "");
    check(&program, "servers -db=config.sqlite", 0, servers, "");
    check(&program, "servers", 0, servers, DEFAULT_DB);

    let hosts = "HOSTS in test:\n-----\n1 localhost \n2 two \n";
    check(&program, "hosts --db config.sqlite --server test", 0, hosts, "");
    check(&program, "hosts -db config.sqlite -server nosuch", 0, "HOSTS in nosuch:\n-----\n", NONE);

    for (line, heading) in [
        ("--host localhost --server test", "ROUTES in host localhost, server test\n-----\n"),
        ("--id 1", "ROUTES in host id 1\n-----\n"),
    ] {
        let ran = program
            .run(&format!("routes --db config.sqlite {line}").split(' ').collect::<Vec<_>>());
        let mut routes: Vec<_> = ran.stdout.strip_prefix(heading).unwrap().lines().collect();
        routes.sort_unstable();
        assert_eq!(routes, ["/d/ ", "/h ", "/p/ "]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    }
    let heading = "ROUTES in host nosuch, server test\n-----\n";
    check(&program, "routes --db config.sqlite --host nosuch --server test", 0, heading, NONE);
}

/// Recorded command lines whose outcome differs, and why.
const DIFFERENT: &[(&str, &str)] = &[
    (
        "servers",
        "run before there was a database; `a_database_that_is_not_there_is_not_made` has it",
    ),
    ("hosts --db config.sqlite", "a missing option is 255, not 0"),
    ("routes --db config.sqlite", "a missing option is 255, not 0"),
    ("routes --db config.sqlite --id 1 or 1=1", "an id is a number, not SQL"),
    ("servers --db", "a value that is missing is not an empty one; 255 as well"),
    ("route --match /us --pattern /users", "a route longer than the path never matches"),
    ("route --match www.x.com --pattern (.+).x.com --reversed --suffix", "hosts are not reversed"),
    ("route --match x.com --pattern x.com --suffix", "a name matches itself"),
];

#[test]
fn recorded_command_lines_have_the_recorded_outcome() {
    let program = loaded();
    let mut compared = 0;
    for case in golden("15-m2sh.json")["cases"].as_array().unwrap() {
        let arguments = case["args"].as_array().unwrap().iter().skip(1);
        let arguments: Vec<_> = arguments.map(|word| word.as_str().unwrap()).collect();
        let line = arguments.join(" ");
        let listed = matches!(arguments.first(), Some(&("servers" | "hosts" | "routes" | "route")));
        if !listed || DIFFERENT.iter().any(|(different, _)| *different == line) {
            continue;
        }
        let ran = program.run(&arguments);
        let sorted = |text: &str| {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort_unstable();
            lines
        };
        assert_eq!(sorted(&ran.stdout), sorted(case["stdout"].as_str().unwrap()), "{line}");
        assert_eq!(ran.code.map(i64::from), case["exit"].as_i64(), "{line}");
        compared += 1;
    }
    assert!(compared >= 11, "{compared}");
}

#[test]
fn the_log_keeps_loads_and_commits() {
    let program = loaded();
    program.load(b"servers=[]");
    let db = ["--db", "config.sqlite"];
    let commit = |words: &[&str]| program.run(&[&["commit"], &db[..], words].concat());
    assert_eq!(commit(&["--what", "deploy", "--why", "it's", "say \"hi\" now"]).code, Some(0));
    let ran = commit(&["--what", "x", "--where", "somehost", "--how", "byhand", "--why=a=b"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let ran = program.run(&["log", "-db", "config.sqlite"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines[..2], ["LOG MESSAGES:", "------"]);
    let place = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let ends = [
        format!("ref {} mongrel2.conf load command ", place.trim()),
        format!("ref {} m2sh deploy it's say \"hi\" now ", place.trim()),
        "ref somehost byhand x a=b ".to_owned(),
    ];
    assert_eq!(lines.len(), 2 + ends.len(), "{lines:?}");
    for (line, end) in lines[2..].iter().zip(&ends) {
        let (time, rest) = line.split_at("2026-11-21 15:35:42 ".len());
        assert_eq!(rest, end);
        assert_eq!(time.matches(['-', ':']).count(), 4, "{time}");
    }
}

#[test]
fn command_lines_that_cannot_be_carried_out_exit_with_255() {
    let program = loaded();
    let start = "m2sh: just one of -every, -name, -host and -uuid please; ";
    for (line, stderr) in [
        (
            "nosuch",
            "m2sh: no command is named \"nosuch\". Use m2sh help to find out what's available.\n",
        ),
        (
            "serevrs",
            "m2sh: no command is named \"serevrs\"; did you mean `servers`?. \
             Use m2sh help to find out what's available.\n",
        ),
        ("--version", "m2sh: no command name given. Use m2sh help to find out what's available.\n"),
        (
            "load extra",
            "m2sh: commands only take --option style arguments, you have 1 extra: extra\n",
        ),
        ("servers -bd x", "m2sh: servers takes -db, not -bd; did you mean `db`?\n"),
        ("hosts -db config.sqlite", "m2sh: hosts needs a -server, whose hosts it lists\n"),
        ("routes -db config.sqlite", "m2sh: routes needs either -host and -server, or -id alone\n"),
        (
            "routes -db config.sqlite -id 1 or 1=1",
            "m2sh: --id is \"1 or 1=1\", expected the id of a host, as m2sh hosts prints it\n",
        ),
        ("start -db config.sqlite", &format!("{start}0 given\n")),
        ("start -db config.sqlite -name test -host localhost", &format!("{start}2 given\n")),
        (
            "stop -db config.sqlite -name nosuch",
            "m2sh: no servers matched -name nosuch; there is test\n",
        ),
        ("route --match /x", "m2sh: route needs a pattern to use with --pattern\n"),
        ("route --pattern /x", "m2sh: route needs something to match against with --match\n"),
    ] {
        check(&program, line, 255, "", stderr);
    }
}

#[test]
fn a_database_that_is_not_there_is_not_made() {
    let program = Program::ours();
    for command in ["servers", "log", "commit"] {
        let ran = program.run(&[command, "-db", "nofile.sqlite"]);
        assert_eq!(ran.code, Some(1), "{command}");
        assert!(ran.stderr.contains("nofile.sqlite"), "{command}: {}", ran.stderr);
        assert!(!program.path("nofile.sqlite").exists(), "{command}");
    }
    let ran = program.run(&["load", "-db", "config.sqlite", "-config", "nofile.conf"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.starts_with("m2sh: can't read the config file \"nofile.conf\": "));
    assert!(!program.path("config.sqlite").exists());
}

#[test]
fn a_refused_load_leaves_the_database_as_it_was() {
    let program = loaded();
    let before = std::fs::read(program.path("config.sqlite")).unwrap();
    program.write("bad.conf", "servers = [Sever(), nosuch, 5]\nx = [,,]\n");
    let ran = program.run(&["load", "-db", "config.sqlite", "-config", "bad.conf"]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.stdout, "");
    for place in [
        "bad.conf:1:12: error: ",
        "bad.conf:1:21: error: ",
        "bad.conf:1:29: error: ",
        "bad.conf:2:7: error: ",
    ] {
        assert!(ran.stderr.contains(place), "{place}\n{}", ran.stderr);
    }
    let end = "m2sh: 4 errors in bad.conf; config.sqlite is as it was\n";
    assert!(ran.stderr.ends_with(end), "{}", ran.stderr);
    assert_eq!(std::fs::read(program.path("config.sqlite")).unwrap(), before);
}

#[test]
fn faults_of_the_rows_are_reported_in_the_file() {
    let program = Program::ours();
    let config = "a = Server(uuid='a' access_log='/a' error_log='/e' pid_file='/p' name='a'\n  \
                  chroot='./' default_host='nosuch' port=99999\n  \
                  hosts=[Host(name='h' routes={\n    '/x[(': Proxy(addr='b' port=0)\n    '/y([': Proxy(addr='c' port=1)\n  })])\n\
                  settings = {'limits.tick_timer': 'soon'}\nservers=[a]\n";
    let (ran, rows) = program.load(config.as_bytes());
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(rows.is_none());
    for place in [
        "mongrel2.conf:2:28: error: server, default_host 'nosuch': must be the name of a host of the server in line 1",
        "mongrel2.conf:2:42: error: ",
        "mongrel2.conf:4:33: error: ",
        "mongrel2.conf:5:5: error: route, path ",
        "mongrel2.conf:7:34: error: setting, value ",
    ] {
        assert!(ran.stderr.contains(place), "{place}\n{}", ran.stderr);
    }
    assert!(ran.stderr.contains("2 |   chroot='./' default_host='nosuch' port=99999\n"));
}

#[test]
fn help_names_every_command() {
    let program = Program::ours();
    let ran = program.run(&["help"]);
    assert_eq!(ran.code, Some(0));
    let recorded = golden("15-m2sh.json");
    let recorded = recorded["cases"][1]["stdout"].as_str().unwrap();
    let names = |text: &str| -> Vec<String> {
        let lines = text.lines().skip(2);
        lines.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
    };
    let ours = [names(recorded), vec!["keygen".to_owned()]].concat();
    assert_eq!(names(&ran.stdout), ours);
    let ran = program.run(&["help", "-on", "load"]);
    assert!(ran.stdout.starts_with("load\tLoad a config.\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("-config FILE"), "{}", ran.stdout);
    assert_eq!(program.run(&["help", "--on", "nosuch"]).code, Some(255));
}

#[test]
fn a_uuid_is_new_each_time() {
    let program = Program::ours();
    let [first, second] = [0, 1].map(|_| program.run(&["uuid"]));
    assert_eq!(first.code, Some(0));
    assert_eq!(first.stdout.len(), "f400bf85-4538-4f7a-8908-67e313d515c2\n".len());
    assert_ne!(first.stdout, second.stdout);
}

#[test]
fn patterns_are_tried_as_the_server_does() {
    let program = Program::ours();
    for (line, stdout) in [
        (
            "--match /images/x.jpg --pattern /images/(.*.jpg)",
            "Match passed on '/images/x.jpg' against '/images/(.*.jpg)'.\n\
             ROUTE: pattern='/images/(.*.jpg)', prefix='/images/'\n",
        ),
        (
            "--match /images/x.png --pattern /images/(.*.jpg)",
            "Match FAILED on '/images/x.png' against '/images/(.*.jpg)'.\n",
        ),
        ("--match /us --pattern /users", "Match FAILED on '/us' against '/users'.\n"),
        (
            "--match www.x.com --pattern x.com --suffix",
            "Match passed on 'www.x.com' against 'x.com'.\nROUTE: pattern='x.com', suffix='x.com'\n",
        ),
        (
            "--match evilx.com --pattern x.com -suffix",
            "Match FAILED on 'evilx.com' against 'x.com'.\n",
        ),
    ] {
        check(&program, &format!("route {line}"), 0, stdout, "");
    }
}

#[test]
fn the_access_log_is_printed_for_people() {
    let program = Program::ours();
    program.write(
        "access.log",
        "79:9:localhost,9:127.0.0.1,5:60736#10:1795273910#3:GET,3:/d/,8:HTTP/1.1,3:200#1:6#]\nx\n",
    );
    let line = "[1795273910] 127.0.0.1:60736 localhost \"GET /d/ HTTP/1.1\" 200 6\n";
    check(&program, "access -log access.log", 0, line, "m2sh: Malformed log line: 2.\n");
    assert_eq!(program.run(&["access", "-log", "nofile"]).code, Some(1));
}

#[test]
fn the_shell_reads_commands() {
    let program = loaded();
    let ran =
        program.run_with(&["shell"], "servers --db config.sqlite\nuuidx\nhelp --on version\n");
    assert_eq!(
        ran.stdout,
        "SERVERS:\n------\ntest localhost f400bf85-4538-4f7a-8908-67e313d515c2 \n\
         version\tPrints the version of m2sh.\n"
    );
    assert!(ran.stderr.contains("\"uuidx\"; did you mean `uuid`?"), "{}", ran.stderr);
    assert_eq!(ran.code, Some(0));
    let ran = program.run_with(&[], "version\n");
    assert_eq!(ran.stdout, concat!("Lurcher/", env!("CARGO_PKG_VERSION"), "\n"));
}
