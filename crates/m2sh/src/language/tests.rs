//! The language as a whole: what is accepted, what rows it makes, and where each problem is reported.

use store::rows::Cell;

use super::{Compiled, Severity, Source, compile};

const SERVER: &str = r#"uuid="u1" access_log="/a.log" error_log="/e.log" chroot="./" default_host="h"
    name="test" pid_file="/m.pid" port=80"#;
const DIR: &str = "Dir(base='s/' index_file='i' default_ctype='t/p')";

/// A file with one server whose host has these routes.
fn site(routes: &str) -> String {
    format!(
        "main = Server({SERVER}\n hosts=[Host(name='h' routes={{{routes}}})])\nservers=[main]\n"
    )
}

fn compiled(text: &str) -> Compiled {
    compile(&Source::new("x.conf", text), Vec::new())
}

/// `line:column severity message` of each problem.
fn problems(text: &str) -> Vec<String> {
    let source = Source::new("x.conf", text);
    let compiled = compile(&source, Vec::new());
    let line = |found: &super::Diagnostic| {
        let place = found.span.map(|span| source.place(span.start));
        let place = place
            .map_or_else(|| "-".to_owned(), |place| format!("{}:{}", place.line, place.column));
        let severity = if found.severity == Severity::Error { "error" } else { "warning" };
        format!("{place} {severity}: {}", found.problem)
    };
    compiled.diagnostics.iter().map(line).collect()
}

fn check(text: &str, expected: &[&str]) {
    assert_eq!(problems(text), expected, "{text}");
}

#[track_caller]
fn accepted(text: &str) -> Compiled {
    let compiled = compiled(text);
    assert!(compiled.is_accepted(), "{text}\n{:?}", problems(text));
    compiled
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

#[test]
fn commas_are_optional_and_may_lead() {
    for config in [
        site(&format!("'/a': {DIR} '/b': {DIR}")),
        site(&format!("'/a':{DIR},'/b':{DIR}")),
        site(&format!(",'/a':{DIR}'/b':{DIR}")),
        site("'/a': Dir(,base='s/',index_file='i',default_ctype='t/p')'/b':Proxy(addr='a'port=1)"),
    ] {
        assert_eq!(accepted(&config).rows.routes.len(), 2, "{config}");
    }
}

#[test]
fn extra_commas_are_all_reported() {
    let extra =
        "error: one comma too many; a comma may stand only before an item, and may be left out";
    let text = "a = [1,,2]\nb = [1,]\nc = {'a': 1,,'b': 2,}\nd = Proxy(addr='a',)\nservers=[]";
    let places = ["1:8", "2:7", "3:13", "3:20", "4:19"];
    let expected: Vec<_> = places.iter().map(|place| format!("{place} {extra}")).collect();
    let errors: Vec<_> = problems(text).into_iter().filter(|line| line.contains("error")).collect();
    assert_eq!(errors, expected);
}

#[test]
fn every_syntax_error_is_found_in_one_pass() {
    check(
        "a = [1 ) 2]\nb = Proxy(addr 'x')\nimport x\nc = {f: 1}\n= 5\nd = Proxy('x')\ne = [\nf = =\n\
         servers = [nosuch]\n",
        &[
            "1:8 error: found `)`, expected a text, a number, a variable, a class, `[` or `{` \
             (the `[` stands in line 1)",
            "2:16 error: found the text \"x\", expected `=` (the `(` stands in line 2)",
            "3:8 error: found the name `x`, expected `=`",
            "4:6 error: found the name `f`, expected a key in quotes or `}` (the `{` stands in line 4)",
            "5:1 error: found `=`, expected `name = value`",
            "6:11 error: found the text \"x\", expected `parameter = value` or `)` \
             (the `(` stands in line 6)",
            "8:3 error: found `=`, expected a text, a number, a variable, a class, `[` or `{` \
             (the `[` stands in line 7)",
            "8:5 error: found `=`, expected a text, a number, a variable, a class, `[` or `{`",
        ],
    );
}

#[test]
fn what_is_not_closed_is_reported_where_it_was_opened() {
    check(
        "servers = [Server(uuid='u'\nsettings = {}\n",
        &["1:18 error: this `(` is never closed; expected a `)` before the end of the file"],
    );
    check(
        "servers = [Server(hosts={'/': Dir(base='x'))])",
        &["1:44 error: found `)`, expected a key in quotes or `}` (the `{` stands in line 1)"],
    );
}

#[test]
fn a_bad_character_has_no_echo() {
    let invalid =
        "cannot stand here; outside of quotes there are names, digits and = , : ( ) [ ] { }";
    check(
        "a-b = 1\nservers = []",
        &[
            &format!("1:2 error: \"-\" {invalid}"),
            "2:11 warning: `servers` is empty: the database will hold no server",
        ],
    );
    check(
        "p = 6000+767\nservers = []\nq = %",
        &[
            &format!("1:9 error: \"+\" {invalid}"),
            "2:11 warning: `servers` is empty: the database will hold no server",
            &format!("3:5 error: \"%\" {invalid}"),
        ],
    );
}

#[test]
fn small_class_names_and_capital_variables_are_explained() {
    check(
        "a = server(uuid='x')\nservers=[a]",
        &["1:5 error: `server` is not a class; did you mean `Server`?; a class is one of \
         `Server`, `Host`, `Dir`, `Handler`, `Proxy`, `Filter` or `Xrequest`"],
    );
    check(
        "ABC = 1\nservers = [ABC]",
        &[
            "1:1 error: `ABC` is a class name, because it is a capital followed by letters only; \
         a variable has a small first letter, a digit or an underscore",
            "2:15 error: found `]`, expected `(` (the `[` stands in line 2)",
        ],
    );
}

#[test]
fn nesting_has_a_bound() {
    let deep = format!("servers = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    check(&deep, &["1:75 error: nested deeper than 64 levels"]);
}

#[test]
fn variables_may_be_used_before_they_are_set_and_name_each_other() {
    let config = format!(
        "servers = [a]\na = b\nb = main\nn = m\nm = 'x'\nhs = [h]\nr = {{'/': t}}\nt = {DIR}\n\
         h = Host(name=n routes=r)\nmain = Server({SERVER} hosts=hs name=n)\n"
    );
    let rows = accepted(&config).rows;
    assert_eq!(rows.servers[0].name, text("x"));
    assert_eq!(rows.hosts[0].name, text("x"));
    assert_eq!(rows.routes.len(), 1);
}

#[test]
fn wrong_variables_are_named() {
    check(
        "main = 5\nservers = [mian]\n",
        &[
            "1:1 warning: nothing uses the variable `main`",
            "2:12 error: no variable is named `mian`; did you mean `main`?",
        ],
    );
    check("a = b\nb = a\nservers = [a]", &["3:12 error: the variable `a` is made of itself"]);
    check(
        "servers = []\nsetings = {}",
        &[
            "1:11 warning: `servers` is empty: the database will hold no server",
            "2:1 warning: nothing uses the variable `setings`; did you mean `settings`?",
        ],
    );
    check(
        "",
        &["- error: no `servers = [...]`: it lists the servers that the database shall hold"],
    );
    check(
        "# hi",
        &["- error: no `servers = [...]`: it lists the servers that the database shall hold"],
    );
    check("servers = 5", &["1:11 error: `servers` is the number 5, expected a list in [ ]"]);
}

#[test]
fn the_last_one_wins_with_a_warning() {
    let config = format!(
        "main = 5\nmain = Server({SERVER} name='first' name='last' hosts=[Host(name='h' routes={{\
         '/': Proxy(addr='a' port=1) '/': Proxy(addr='b' port=2)}})])\nservers=[main]\n\
         settings={{'a': 1 'a': 2}}"
    );
    let compiled = accepted(&config);
    assert_eq!(compiled.rows.servers[0].name, text("last"));
    assert_eq!(compiled.rows.proxies.len(), 1);
    assert_eq!(compiled.rows.proxies[0].addr, text("b"));
    assert_eq!(compiled.rows.settings.len(), 1);
    assert_eq!(compiled.rows.settings[0].value, text("2"));
    let repeated =
        problems(&config).into_iter().filter(|line| line.contains("is given again below"));
    assert_eq!(repeated.count(), 5, "main, name twice, '/', 'a'");
}

#[test]
fn a_target_in_a_variable_is_one_row() {
    let shared = format!("d = {DIR}\n{}", site("'/a': d '/b': d"));
    let rows = accepted(&shared).rows;
    assert_eq!((rows.routes.len(), rows.directories.len()), (2, 1));
    let rows = accepted(&site(&format!("'/a': {DIR} '/b': {DIR}"))).rows;
    assert_eq!((rows.routes.len(), rows.directories.len()), (2, 2));
}

#[test]
fn defaults_are_those_of_mongrel2() {
    let config = site(&format!(
        "'/d': {DIR} '/h': Handler(send_spec='tcp://1' send_ident='' recv_spec='tcp://2' recv_ident='')"
    ))
    .replace("chroot=\"./\"", "");
    let rows = accepted(&config).rows;
    let server = &rows.servers[0];
    assert_eq!(server.chroot, text(""));
    assert_eq!(server.bind_addr, text("0.0.0.0"));
    assert_eq!(server.control_port, text(""));
    assert_eq!(server.use_ssl, Cell::Integer(0));
    assert_eq!(rows.hosts[0].matching, rows.hosts[0].name);
    assert_eq!(rows.hosts[0].maintenance, Cell::Integer(0));
    assert_eq!(rows.directories[0].cache_ttl, Cell::Integer(0));
    assert_eq!(rows.handlers[0].protocol, text("json"));
    assert_eq!(rows.handlers[0].raw_payload, Cell::Integer(0));
    assert_eq!(rows.routes[0].reversed, Cell::Integer(0));
}

#[test]
fn settings_are_text_and_keep_their_zeros() {
    let config = site("") + "v = 5\nsettings = {'a': 1 'mode': 0666 'c': 'x y' 'd': v}";
    let rows = accepted(&config).rows;
    let pairs: Vec<_> = rows.settings.iter().map(|row| (&row.key, &row.value)).collect();
    let expected =
        [("a", "1"), ("mode", "0666"), ("c", "x y"), ("d", "5")].map(|(k, v)| (text(k), text(v)));
    assert_eq!(pairs, expected.iter().map(|(key, value)| (key, value)).collect::<Vec<_>>());
    check(
        "servers = [] settings = {'a': [1]}",
        &[
            "1:11 warning: `servers` is empty: the database will hold no server",
            "1:31 error: `a` is a list, expected a text in quotes or a number",
        ],
    );
}

#[test]
fn mimetypes_replace_and_add() {
    let row = |id, extension, mimetype| store::rows::MimetypeRow {
        id,
        mimetype: text(mimetype),
        extension: text(extension),
    };
    let defaults = vec![row(1, ".html", "text/html"), row(2, ".png", "image/png")];
    let source = Source::new("x", "servers=[] mimetypes={'.html': 'text/x' '.zz': 'a/zz'}");
    let compiled = compile(&source, defaults);
    assert!(compiled.is_accepted());
    let expected =
        vec![row(1, ".html", "text/x"), row(2, ".png", "image/png"), row(3, ".zz", "a/zz")];
    assert_eq!(compiled.rows.mimetypes, expected);
    check(
        "servers=[] mimetypes={'zz': 'a/b' '.y': 1}",
        &[
            "1:9 warning: `servers` is empty: the database will hold no server",
            "1:23 error: the extension \"zz\" does not begin with a dot, expected \".zz\"",
            "1:41 error: `.y` is the number 1, expected a text in quotes",
        ],
    );
}

#[test]
fn plugin_settings_become_a_tnetstring() {
    let config = format!(
        "f = Filter(name='null.so' settings={{'a': [1, 'x', {{'k': 002}}] 'e': {{}} 'r': v}})\nv = 'ref'\n\
         main = Server({SERVER} hosts=[Host(name='h' routes={{}})] filters=[f] \
         xrequests=[Xrequest(name='x' settings={{}})])\nservers=[main]"
    );
    let rows = accepted(&config).rows;
    let settings = "44:1:a,19:1:1#1:x,8:1:k,1:2#}]1:e,0:}1:r,3:ref,}";
    assert_eq!(rows.filters[0].settings, text(settings));
    assert_eq!(rows.filters[0].server_id, Cell::Integer(1));
    assert_eq!(rows.xrequests[0].settings, text("0:}"));
}

#[test]
fn variables_that_multiply_are_bounded() {
    let mut config = String::from("v0 = [1]\n");
    for level in 1..40 {
        config += &format!("v{level} = [v{0} v{0}]\n", level - 1);
    }
    config += &format!(
        "main = Server({SERVER} hosts=[Host(name='h' routes={{}})] \
         filters=[Filter(name='f' settings={{'v': v39}})])\nservers=[main]"
    );
    let found = problems(&config);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].ends_with("error: these settings hold more than 65536 values"), "{found:?}");
}

#[test]
fn a_value_within_itself_is_named() {
    let filter = |settings: &str, before: &str| {
        format!(
            "{before}main = Server({SERVER} hosts=[Host(name='h' routes={{}})]\n\
             filters=[Filter(name='f' settings={settings})])\nservers=[main]"
        )
    };
    let check = |config: &str, expected: &str| assert_eq!(problems(config), [expected], "{config}");
    check(&filter("{'k': a}", "a = [a]\n"), "1:6 error: the variable `a` is made of itself");
    check(
        &filter("{'k': a}", "a = [b]\nb = {'a': a}\n"),
        "2:11 error: the variable `a` is made of itself",
    );
    check(&filter("a", "a = {'k': a}\n"), "1:11 error: the variable `a` is made of itself");
    let chain: String = (1..=10_000).map(|n| format!("v{n} = [v{}]\n", n - 1)).collect();
    let found = problems(&filter("{'k': v10000}", &format!("v0 = []\n{chain}")));
    let errors: Vec<_> = found.iter().filter(|found| found.contains(" error: ")).collect();
    assert_eq!(errors, ["9939:10 error: nested deeper than 64 levels"]);
}

#[test]
fn parameters_are_checked() {
    check(
        &site("'/': Dir(base='s' indexfile='i' default_ctype=5 cache_ttl='1')"),
        &[
            "3:36 error: this `Dir` has no `index_file`, which is a text in quotes",
            "3:45 error: base is \"s\", expected a directory with a `/` at its end: \"s/\"",
            "3:49 warning: `Dir` has no parameter `indexfile`, so it is ignored; did you mean `index_file`?",
            "3:77 error: `default_ctype` is the number 5, expected a text in quotes",
            "3:89 error: `cache_ttl` is the text \"1\", expected a number",
        ],
    );
    check(
        &site(
            "'/': Handler(send_spec='a' send_ident='b' recv_spec='c' recv_ident='d' raw_payload=10)",
        ),
        &["3:114 error: `raw_payload` is 10, expected 0 or 1"],
    );
    check(
        &site("'/': Proxy(addr='a' port=99999999999999999999)"),
        &["3:56 error: `port` is 99999999999999999999, expected at most 9223372036854775807"],
    );
    check(
        &site("'/': Prozy(addr='a') '/b': Host(name='x') '/c': 'x'"),
        &[
            "3:36 error: no class is named `Prozy`; did you mean `Proxy`?; here stands `Dir`, `Handler` or `Proxy`",
            "3:58 error: found a `Host(...)`, expected `Dir`, `Handler` or `Proxy`",
            "3:79 error: found the text \"x\", expected `Dir`, `Handler` or `Proxy`",
        ],
    );
}

#[test]
fn a_class_with_everything_missing_names_everything() {
    let found = problems("servers = [Server()]");
    for parameter in
        ["uuid", "access_log", "error_log", "pid_file", "default_host", "port", "hosts", "name"]
    {
        let message = format!("this `Server` has no `{parameter}`");
        assert!(found.iter().any(|line| line.contains(&message)), "{parameter}: {found:?}");
    }
    assert_eq!(found.len(), 8, "{found:?}");
    assert_eq!(found.iter().filter(|line| line.contains("warning")).count(), 1, "{found:?}");
}

#[test]
fn a_problem_in_a_shared_variable_is_reported_once() {
    check(
        &format!("d = Dir(base='x/')\n{}", site("'/a': d '/b': d")),
        &[
            "1:5 error: this `Dir` has no `index_file`, which is a text in quotes",
            "1:5 error: this `Dir` has no `default_ctype`, which is a text in quotes",
        ],
    );
}

#[test]
fn origins_lead_back_to_the_file() {
    let config = site("'/x': Proxy(addr='a' port=77)");
    let source = Source::new("x.conf", config.as_str());
    let origins = accepted(&config).origins;
    let at = |table, column| {
        let span = origins.find(table, 1, column).unwrap();
        std::str::from_utf8(&source.bytes()[span.start..span.end]).unwrap().to_owned()
    };
    assert_eq!(at("server", "port"), "80");
    assert_eq!(at("server", "use_ssl"), "Server", "a column that was not written");
    assert_eq!(at("host", "name"), "'h'");
    assert_eq!(at("route", "path"), "'/x'");
    assert_eq!(at("route", "target_id"), "Proxy(addr='a' port=77)");
    assert_eq!(at("proxy", "port"), "77");
    assert_eq!(origins.find("proxy", 2, "port"), None);
    assert_eq!(origins.find("nosuch", 1, "port"), None);
}

#[test]
fn a_diagnostic_shows_its_line() {
    let source = Source::new("x.conf", "servers = [\n  Sever(uuid='u')\n]");
    let found = compile(&source, Vec::new()).diagnostics;
    assert_eq!(
        found[0].render(&source),
        "x.conf:2:3: error: no class is named `Sever`; did you mean `Server`?; here stands `Server`\n \
         2 |   Sever(uuid='u')\n   |   ^^^^^\n"
    );
}

mod properties {
    use proptest::prelude::*;

    use super::compiled;

    /// Pieces that make files which get past the first token.
    fn piece() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("servers".to_owned()),
            Just("\nx = ".to_owned()),
            Just("Server(".to_owned()),
            Just("Dir(base='a/'".to_owned()),
            Just("'/': ".to_owned()),
            "[=,:()\\[\\]{}'\"#\n\\\\ ]",
            "[a-z]{1,3}",
            "[0-9]{1,21}",
            any::<char>().prop_map(String::from),
        ]
    }

    proptest! {
        #[test]
        fn no_text_panics(pieces in proptest::collection::vec(piece(), 0..60)) {
            let text = pieces.concat();
            let source = super::Source::new("x", text.as_str());
            for found in compiled(&text).diagnostics {
                prop_assert!(found.render(&source).ends_with('\n'));
            }
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let source = super::Source::new("x", bytes);
            for found in super::compile(&source, Vec::new()).diagnostics {
                prop_assert!(found.render(&source).ends_with('\n'));
            }
        }
    }
}
