//! The route and host vectors recorded from Mongrel2: equal, or listed with the rule that differs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "the counts are part of the result")]

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;
use site::{Host, HostMatching, Hosts, Limits, Proxy, Route, Routes, Target};

/// A vector that has another answer here than in Mongrel2.
struct Differs {
    /// Routes or hosts in row order, separated by spaces.
    among: &'static str,
    /// The path or the `Host` field.
    asked: &'static str,
    ours: &'static str,
    rule: &'static str,
}

const LONGER: &str = "a route that is longer than the path never matches";
const SHORTER: &str = "if its pattern fails, the next shorter one";
const ROW_ORDER: &str = "same prefix twice: patterns in row order, the plain one last";
const EMPTY: &str = "the longest literal prefix that begins the path, and '' begins every path";
const BAD_PATTERN: &str = "a bad pattern is a fault at load";
const NO_BACKTRACKING: &str = "no pattern and path take exponential time";
const LABEL: &str = "the longest suffix at a label boundary";
const FOLD: &str = "hosts match without regard to case, port and trailing dot";
const CATCH_ALL: &str = "(.+) matches every host";

#[test]
fn routes_match_as_in_mongrel2_or_by_a_listed_rule() {
    let mut book = Book::new(ROUTES);
    for file in ["05-routes.json", "05-routes-order.json"] {
        for case in cases(file) {
            let routes = strings(&case["routes"]);
            let path = case["path"].as_str().unwrap();
            let theirs = match (case["status"].as_u64(), case["pattern"].as_str()) {
                (_, Some(pattern)) => pattern,
                (Some(404), None) => "404",
                _ => "no answer",
            };
            book.compare(&routes.join(" "), path, theirs, &route(&routes, path));
        }
    }
    book.close("routes", 157);
}

#[test]
fn hosts_match_as_in_mongrel2_or_by_a_listed_rule() {
    let mut book = Book::new(HOSTS);
    for case in cases("05-hosts.json") {
        let rows: Vec<Vec<String>> =
            case["hosts"].as_array().unwrap().iter().map(strings).collect();
        let default = case["default_host"].as_str().unwrap();
        let asked = case["host_header"].as_str();
        let theirs = case["matched_host"].as_str().unwrap_or("refused");
        let among: Vec<&str> = rows.iter().map(|row| row[1].as_str()).collect();
        book.compare(&among.join(" "), asked.unwrap_or("-"), theirs, &host(&rows, default, asked));
    }
    book.close("hosts", 58);
}

/// Compares answers and keeps the count.
struct Book {
    listed: HashMap<String, &'static Differs>,
    seen: HashSet<String>,
    equal: usize,
    differing: usize,
    wrong: Vec<String>,
}

impl Book {
    fn new(list: &'static [Differs]) -> Self {
        let listed = list.iter().map(|entry| (key(entry.among, entry.asked), entry)).collect();
        Self { listed, seen: HashSet::new(), equal: 0, differing: 0, wrong: Vec::new() }
    }

    fn compare(&mut self, among: &str, asked: &str, theirs: &str, ours: &str) {
        let key = key(among, asked);
        let entry = self.listed.get(&key);
        self.seen.insert(key);
        match entry {
            None if ours == theirs => self.equal += 1,
            Some(entry) if ours != theirs && ours == entry.ours => self.differing += 1,
            Some(entry) => self.wrong.push(format!(
                "{among} | {asked}: Mongrel2 {theirs}, ours {ours}, listed {} by '{}'",
                entry.ours, entry.rule
            )),
            None => self
                .wrong
                .push(format!("{among} | {asked}: Mongrel2 {theirs}, ours {ours}, not listed")),
        }
    }

    fn close(self, what: &str, total: usize) {
        assert!(self.wrong.is_empty(), "\n{}", self.wrong.join("\n"));
        let unseen: Vec<_> = self.listed.keys().filter(|key| !self.seen.contains(*key)).collect();
        assert!(unseen.is_empty(), "listed, but there is no such vector: {unseen:?}");
        assert_eq!(self.equal + self.differing, total);
        println!(
            "{what}: {total} vectors, {} equal, {} differ by a rule",
            self.equal, self.differing
        );
    }
}

fn key(among: &str, asked: &str) -> String {
    format!("{among} | {asked}")
}

fn cases(file: &str) -> Vec<Value> {
    let path = format!("{}/../../tests/golden/{file}", env!("CARGO_MANIFEST_DIR"));
    let json: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    json["cases"].as_array().unwrap().clone()
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|s| s.as_str().unwrap().to_owned()).collect()
}

fn target() -> Target {
    Target::Proxy(Arc::new(Proxy { index: 0, id: 1, addr: "127.0.0.1".into(), port: 80 }))
}

fn route(texts: &[String], path: &str) -> String {
    let routes: Result<Vec<Route>, _> =
        texts.iter().map(|text| Route::new(text.as_str(), target())).collect();
    let Ok(routes) = routes else { return "refused".into() };
    let routes = Routes::new(routes, Limits::default().pattern_steps_max);
    let search = routes.search(path);
    assert!(search.out_of_steps.is_none());
    search.found.map_or_else(
        || "404".into(),
        |found| {
            assert_eq!(format!("{}{}", found.prefix, found.rest), path);
            found.route.text.clone()
        },
    )
}

fn host(rows: &[Vec<String>], default: &str, asked: Option<&str>) -> String {
    let hosts: Vec<Host> = rows
        .iter()
        .map(|row| Host {
            name: row[0].as_str().into(),
            matching: HostMatching::compile(&row[1]).unwrap(),
            routes: Routes::default(),
        })
        .collect();
    let Some(default) = hosts.iter().rposition(|host| &*host.name == default) else {
        return "refused".into();
    };
    let hosts = Hosts::new(hosts, default, Limits::default().pattern_steps_max).unwrap();
    hosts.host(asked).name.to_string()
}

const ROUTES: &[Differs] = &[
    Differs {
        among: "/ /users /users/([0-9]+) /cars-fast/([a-z]-)$ /users/people/([0-9]+)$",
        asked: "/us",
        ours: "/",
        rule: LONGER,
    },
    Differs {
        among: "/ /users /users/([0-9]+) /cars-fast/([a-z]-)$ /users/people/([0-9]+)$",
        asked: "/u",
        ours: "/",
        rule: LONGER,
    },
    Differs {
        among: "/ /users /users/([0-9]+) /cars-fast/([a-z]-)$ /users/people/([0-9]+)$",
        asked: "/users/",
        ours: "/users",
        rule: SHORTER,
    },
    Differs {
        among: "/ /users /users/([0-9]+) /cars-fast/([a-z]-)$ /users/people/([0-9]+)$",
        asked: "/users/abc",
        ours: "/users",
        rule: SHORTER,
    },
    Differs {
        among: "/ /users /users/([0-9]+) /cars-fast/([a-z]-)$ /users/people/([0-9]+)$",
        asked: "/users/people/12a",
        ours: "/users",
        rule: SHORTER,
    },
    Differs {
        among: "/ /users /users/([0-9]+) /cars-fast/([a-z]-)$ /users/people/([0-9]+)$",
        asked: "/users/people/",
        ours: "/users",
        rule: SHORTER,
    },
    Differs {
        among: "/ /users /users/([0-9]+) /cars-fast/([a-z]-)$ /users/people/([0-9]+)$",
        asked: "/users/people",
        ours: "/users",
        rule: LONGER,
    },
    Differs {
        among: "/ /users /users/([0-9]+) /cars-fast/([a-z]-)$ /users/people/([0-9]+)$",
        asked: "/cars-fast/Cadillac",
        ours: "/",
        rule: SHORTER,
    },
    Differs {
        among: "/ /users /users/([0-9]+) /cars-fast/([a-z]-)$ /users/people/([0-9]+)$",
        asked: "/cars",
        ours: "/",
        rule: LONGER,
    },
    Differs {
        among: "/ /users /users/([0-9]+) /cars-fast/([a-z]-)$ /users/people/([0-9]+)$",
        asked: "/users/people/1234/",
        ours: "/users",
        rule: SHORTER,
    },
    Differs { among: "/users /images/(.*.jpg)", asked: "/us", ours: "404", rule: LONGER },
    Differs { among: "/users /images/(.*.jpg)", asked: "/", ours: "404", rule: LONGER },
    Differs { among: "/ /images/(.*.jpg)", asked: "/images/x.png", ours: "/", rule: SHORTER },
    Differs { among: "/ /images/(.*.jpg)", asked: "/images/", ours: "/", rule: SHORTER },
    Differs { among: "/ /images/(.*.jpg)", asked: "/images", ours: "/", rule: LONGER },
    Differs { among: "/ /images/(.*.jpg)", asked: "/i", ours: "/", rule: LONGER },
    Differs { among: "/foo/ /foo/(.*)", asked: "/foo/", ours: "/foo/(.*)", rule: ROW_ORDER },
    Differs { among: "/foo/ /foo/(.*)", asked: "/foo/bar", ours: "/foo/(.*)", rule: ROW_ORDER },
    Differs { among: "/foo/ /foo/(.*)", asked: "/foo", ours: "404", rule: LONGER },
    Differs { among: "/foo/ /foo/(.*)", asked: "/fo", ours: "404", rule: LONGER },
    Differs { among: "/a /ab /abc /abcd/", asked: "/abcd", ours: "/abc", rule: LONGER },
    Differs { among: "/a /ab /abc /abcd/", asked: "/", ours: "404", rule: LONGER },
    Differs { among: "/usable /users", asked: "/us", ours: "404", rule: LONGER },
    Differs { among: "/usable /users", asked: "/use", ours: "404", rule: LONGER },
    Differs { among: "/usable /users", asked: "/usa", ours: "404", rule: LONGER },
    Differs { among: "/usable /users", asked: "/u", ours: "404", rule: LONGER },
    Differs { among: "/usable /users", asked: "/", ours: "404", rule: LONGER },
    Differs { among: "@chat /chat", asked: "/ch", ours: "404", rule: LONGER },
    Differs { among: "/deep/path/only/", asked: "/deep/path/only", ours: "404", rule: LONGER },
    Differs { among: "/deep/path/only/", asked: "/deep", ours: "404", rule: LONGER },
    Differs { among: "/deep/path/only/", asked: "/", ours: "404", rule: LONGER },
    Differs { among: "/f/([0-9)$", asked: "/f/1", ours: "refused", rule: BAD_PATTERN },
    Differs { among: "/f/([0-9)$", asked: "/f/", ours: "refused", rule: BAD_PATTERN },
    Differs { among: "/foo/ /foo/(x.*)$", asked: "/foo/xy", ours: "/foo/(x.*)$", rule: ROW_ORDER },
    Differs {
        among: "/p/([0-9]+)$ /p/([a-z]+)$ /p/(z9)$ /p/(.*)$",
        asked: "/p/a",
        ours: "/p/([a-z]+)$",
        rule: ROW_ORDER,
    },
    Differs {
        among: "/p/([0-9]+)$ /p/([a-z]+)$ /p/(z9)$ /p/(.*)$",
        asked: "/p/z9",
        ours: "/p/(z9)$",
        rule: ROW_ORDER,
    },
    Differs { among: "/users /usable", asked: "/us", ours: "404", rule: LONGER },
    Differs { among: "/users /usable", asked: "/use", ours: "404", rule: LONGER },
    Differs { among: "/users /usable", asked: "/usa", ours: "404", rule: LONGER },
    Differs { among: "/u /usable/x /users", asked: "/us", ours: "/u", rule: LONGER },
    Differs { among: "/u /usable/x /users", asked: "/usable", ours: "/u", rule: LONGER },
    Differs { among: "/u /usable/x /users", asked: "/use", ours: "/u", rule: LONGER },
    Differs { among: "", asked: "/", ours: "", rule: EMPTY },
    Differs { among: "(.*)", asked: "/", ours: "(.*)", rule: EMPTY },
    Differs { among: "(.*)", asked: "/x", ours: "(.*)", rule: EMPTY },
    Differs { among: "/f/([0-9)$", asked: "/f/2", ours: "refused", rule: BAD_PATTERN },
    Differs { among: "/f/(a\\", asked: "/f/a", ours: "refused", rule: BAD_PATTERN },
    Differs { among: "/f/(\\b", asked: "/f/a", ours: "refused", rule: BAD_PATTERN },
    Differs {
        among: "/f/(a*a*a*a*a*a*a*a*a*a*a*a*b)$",
        asked: "/f/aaaaaaaaaaaaaaaaaaaaaaaa",
        ours: "404",
        rule: NO_BACKTRACKING,
    },
];

const HOSTS: &[Differs] = &[
    Differs {
        among: "localhost example.com www.example.com api.example.com",
        asked: "evilexample.com",
        ours: "localhost",
        rule: LABEL,
    },
    Differs {
        among: "localhost example.com www.example.com api.example.com",
        asked: "evil-www.example.com",
        ours: "example.com",
        rule: LABEL,
    },
    Differs {
        among: "localhost example.com www.example.com api.example.com",
        asked: "m",
        ours: "localhost",
        rule: LABEL,
    },
    Differs {
        among: "localhost example.com www.example.com api.example.com",
        asked: "com",
        ours: "localhost",
        rule: LABEL,
    },
    Differs {
        among: "localhost example.com www.example.com api.example.com",
        asked: "e.com",
        ours: "localhost",
        rule: LABEL,
    },
    Differs {
        among: "localhost example.com www.example.com api.example.com",
        asked: "example.com.",
        ours: "example.com",
        rule: FOLD,
    },
    Differs {
        among: "localhost example.com www.example.com api.example.com",
        asked: "EXAMPLE.com",
        ours: "example.com",
        rule: FOLD,
    },
    Differs {
        among: "localhost example.com www.example.com api.example.com",
        asked: "w.example.com",
        ours: "example.com",
        rule: LABEL,
    },
    Differs {
        among: "localhost example.com www.example.com api.example.com",
        asked: "ww.example.com",
        ours: "example.com",
        rule: LABEL,
    },
    Differs { among: "(.+) b.org", asked: "zzz", ours: "a", rule: CATCH_ALL },
    Differs { among: "(.+) b.org", asked: "g", ours: "a", rule: CATCH_ALL },
];
