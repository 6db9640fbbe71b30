//! Nanoseconds to find a route among many and a host among many: `cargo bench -p site`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program for people to run")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use site::{Host, HostMatching, Hosts, Limits, Proxy, Route, Routes, Target};

const MEASURE: Duration = Duration::from_millis(300);

fn main() {
    for count in [5, 100, 10_000] {
        let hosts = hosts(count);
        let asked = some(count, |n| format!("host{n}.example{}.com:8080", n % 97));
        measure(&format!("exact host among {count}"), &asked, |asked| hosts.host(Some(asked)));
        let asked = some(count, |n| format!("a.b.host{n}.example{}.com", n % 97));
        measure(&format!("suffix host among {count}"), &asked, |asked| hosts.host(Some(asked)));
        let asked = some(count, |n| format!("Host{n}.Example{}.Com", n % 97));
        measure(&format!("host in mixed case among {count}"), &asked, |asked| {
            hosts.host(Some(asked))
        });
        let asked = some(count, |n| format!("host{n}.other.org"));
        measure(&format!("no host among {count}"), &asked, |asked| hosts.host(Some(asked)));

        let routes = routes(count);
        let asked = some(count, |n| format!("/area{}/page{n}/index.html", n % 97));
        measure(&format!("route among {count}"), &asked, |path| routes.search(path));
        let asked = some(count, |n| format!("/area{}/user{n}/12345", n % 97));
        measure(&format!("route with a pattern among {count}"), &asked, |path| routes.search(path));
        let asked = some(count, |n| format!("/area{}/user{n}/x", n % 97));
        measure(&format!("pattern fails, next shorter, among {count}"), &asked, |path| {
            routes.search(path)
        });
    }
    let evil = Routes::new(
        vec![Route::new("/(a*a*a*a*a*a*a*a*a*a*a*a*b)$", target()).unwrap()],
        Limits::default().pattern_steps_max,
    );
    let path = vec![format!("/{}", "a".repeat(8000))];
    measure("a*a*...b on 8,000 bytes", &path, |path| evil.search(path));
    let path = vec![format!("/{}", "a".repeat(24))];
    measure("a*a*...b on 24 bytes", &path, |path| evil.search(path));
}

/// A thousand questions spread over what there is.
fn some(count: usize, question: impl Fn(usize) -> String) -> Vec<String> {
    (0..1000).map(|n| question(n * 7919 % count)).collect()
}

fn measure<'a, T>(what: &str, asked: &'a [String], look_up: impl Fn(&'a str) -> T) {
    let start = Instant::now();
    let mut lookups = 0u32;
    while start.elapsed() < MEASURE {
        for asked in asked {
            black_box(look_up(black_box(asked)));
            lookups += 1;
        }
    }
    println!("{what:45} {:>9} ns", start.elapsed().as_nanos() / u128::from(lookups));
}

fn hosts(count: usize) -> Hosts {
    let host = |n| Host {
        name: format!("host{n}").into(),
        matching: HostMatching::compile(&format!("host{n}.example{}.com", n % 97)).unwrap(),
        routes: Routes::default(),
    };
    Hosts::new((0..count).map(host).collect(), 0, Limits::default().pattern_steps_max).unwrap()
}

fn routes(count: usize) -> Routes {
    let text = |n: usize| match n % 2 {
        0 => format!("/area{}/page{}", n / 2 % 97, n / 2),
        _ => format!("/area{}/user{}/([0-9]+)$", n / 2 % 97, n / 2),
    };
    let mut routes: Vec<Route> =
        (0..count * 2).map(|n| Route::new(text(n), target()).unwrap()).collect();
    routes.truncate(count * 2);
    routes.push(Route::new("/", target()).unwrap());
    Routes::new(routes, Limits::default().pattern_steps_max)
}

fn target() -> Target {
    Target::Proxy(Arc::new(Proxy { index: 0, id: 1, addr: "localhost".into(), port: 80 }))
}
