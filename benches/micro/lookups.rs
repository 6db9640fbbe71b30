//! Lookups among ten thousand: the route of a path, the host of a name.

use std::sync::Arc;

use benches::Ruler;
use site::{Host, HostMatching, Hosts, Proxy, Route, Routes, Target};

const MANY: usize = 10_000;
const STEPS_MAX: u32 = 1_000_000;

pub(crate) fn measure(ruler: &Ruler) {
    let few = routes(["/", "/static/", "/api/v1/([0-9]+)$", "/chat"].map(str::to_owned));
    ruler.measure("site: route among 4", || few.search("/static/css/site.css").found.is_some());

    let many = routes((0..MANY).map(|n| format!("/area-{}/section-{n}/", n % 100)));
    ruler.measure("site: route among 10,000, hit", || {
        many.search("/area-34/section-1234/page.html").found.is_some()
    });
    ruler.measure("site: route among 10,000, miss", || {
        many.search("/area-34/section-none/page.html").found.is_some()
    });

    let patterns = routes((0..MANY).map(|n| format!("/user-{n}/([0-9]+)$")));
    ruler.measure("site: pattern among 10,000", || {
        patterns.search("/user-7777/123456").found.is_some()
    });

    let hosts = hosts();
    for (name, host) in [
        ("site: host among 10,000, exact", "site-1234.example.com"),
        ("site: host among 10,000, below, port", "www.Site-1234.Example.com:8080"),
        ("site: host among 10,000, miss", "www.unknown.test"),
    ] {
        ruler.measure(name, || hosts.host(Some(host)).name.len());
    }
}

fn routes(texts: impl IntoIterator<Item = String>) -> Routes {
    let proxy = Arc::new(Proxy { index: 0, id: 1, addr: "127.0.0.1".into(), port: 80 });
    let route = |text| Route::new(text, Target::Proxy(proxy.clone())).expect("the route is valid");
    Routes::new(texts.into_iter().map(route).collect(), STEPS_MAX)
}

fn hosts() -> Hosts {
    let host = |n: usize| {
        let name = format!("site-{n}.example.com");
        let matching = HostMatching::compile(&name).expect("a plain name is valid");
        Host { name: name.into(), matching, routes: Routes::default() }
    };
    Hosts::new((0..MANY).map(host).collect(), 0, STEPS_MAX).expect("host 0 is there")
}
