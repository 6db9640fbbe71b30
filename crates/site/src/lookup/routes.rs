//! Routes: the longest literal prefix whose pattern, if any, matches the rest of the path.

use crate::pattern::{Pattern, PatternFault, Steps, Verdict};
use crate::prefixes::Prefixes;
use crate::target::Target;

/// One row of the `route` table.
#[derive(Clone, Debug)]
pub struct Route {
    /// The path as configured; what handlers see as PATTERN.
    pub text: String,
    /// Bytes of `text` before its first `(`: these begin the request's path literally.
    pub prefix_len: usize,
    /// What the rest of the path has to match; none: any rest.
    pub pattern: Option<Pattern>,
    pub target: Target,
}

/// The routes of one host.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    /// In row order.
    routes: Vec<Route>,
    prefixes: Prefixes,
    /// For each prefix: positions in `routes`, those with a pattern first, in row order.
    by_prefix: Vec<Vec<u32>>,
    steps_max: u32,
}

/// A route that serves a path.
#[derive(Clone, Copy, Debug)]
pub struct Match<'a> {
    pub route: &'a Route,
    /// The route's literal prefix.
    pub prefix: &'a str,
    /// The path after the prefix.
    pub rest: &'a str,
}

/// Everything a search for a route found out.
#[derive(Clone, Copy, Debug, Default)]
pub struct RouteSearch<'a> {
    pub found: Option<Match<'a>>,
    /// The route whose pattern ran out of steps. Nothing is found then: a shorter prefix might lead
    /// to a target that was never meant for the path.
    pub out_of_steps: Option<&'a Route>,
}

impl Route {
    /// Cuts `text` at its first `(` and compiles what follows.
    ///
    /// # Errors
    /// The pattern is malformed; the offset counts from the start of `text`.
    pub fn new(text: impl Into<String>, target: Target) -> Result<Self, PatternFault> {
        let text = text.into();
        let prefix_len = text.find('(').unwrap_or(text.len());
        let pattern = match text.get(prefix_len..) {
            None | Some("") => None,
            Some(pattern) => Some(
                Pattern::compile(pattern)
                    .map_err(|fault| PatternFault { offset: fault.offset + prefix_len, ..fault })?,
            ),
        };
        Ok(Self { text, prefix_len, pattern, target })
    }

    /// The literal beginning of the paths this route takes.
    pub fn prefix(&self) -> &str {
        self.text.get(..self.prefix_len).unwrap_or(&self.text)
    }
}

impl Routes {
    /// Takes the routes in row order; `steps_max` is `Limits::pattern_steps_max`.
    pub fn new(routes: Vec<Route>, steps_max: u32) -> Self {
        let texts: Vec<&[u8]> = routes.iter().map(|route| route.prefix().as_bytes()).collect();
        let (prefixes, numbers) = Prefixes::new(&texts);
        let mut by_prefix = vec![Vec::new(); prefixes.len()];
        for with_pattern in [true, false] {
            for ((route, number), at) in routes.iter().zip(&numbers).zip(0..) {
                if route.pattern.is_some() == with_pattern
                    && let Some(group) = by_prefix.get_mut(*number)
                {
                    group.push(at);
                }
            }
        }
        Self { routes, prefixes, by_prefix, steps_max }
    }

    /// In row order.
    pub fn iter(&self) -> std::slice::Iter<'_, Route> {
        self.routes.iter()
    }

    /// The route that serves `path`, which is undecoded and normalised.
    pub fn search<'a>(&'a self, path: &'a str) -> RouteSearch<'a> {
        let mut steps = Steps::new(self.steps_max);
        for (number, len) in self.prefixes.of(path.as_bytes()) {
            let Some((prefix, rest)) = path.split_at_checked(len) else { continue };
            for &at in self.by_prefix.get(number).into_iter().flatten() {
                let Some(route) = self.routes.get(at as usize) else { continue };
                let verdict = match &route.pattern {
                    Some(pattern) => pattern.compare(rest.as_bytes(), &mut steps),
                    None => Verdict::Matches,
                };
                match verdict {
                    Verdict::Differs => {}
                    Verdict::Matches => {
                        let found = Some(Match { route, prefix, rest });
                        return RouteSearch { found, out_of_steps: None };
                    }
                    Verdict::OutOfSteps => {
                        return RouteSearch { found: None, out_of_steps: Some(route) };
                    }
                }
            }
        }
        RouteSearch::default()
    }
}

impl<'a> IntoIterator for &'a Routes {
    type Item = &'a Route;
    type IntoIter = std::slice::Iter<'a, Route>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::target::Proxy;

    fn route(text: &str) -> Route {
        let proxy = Proxy { index: 0, id: 1, addr: "localhost".into(), port: 80 };
        Route::new(text, Target::Proxy(Arc::new(proxy))).unwrap()
    }

    #[test]
    fn a_pattern_out_of_steps_finds_nothing() {
        let routes = Routes::new(vec![route("/"), route("/secret/(.*.*.*x)$")], 50);
        let path = format!("/secret/{}", "a".repeat(200));
        let search = routes.search(&path);
        assert!(search.found.is_none());
        assert_eq!(search.out_of_steps.unwrap().text, "/secret/(.*.*.*x)$");
        assert_eq!(routes.search("/secret/y").found.unwrap().route.text, "/");
    }

    #[test]
    fn a_fault_counts_from_the_start_of_the_route() {
        let proxy = Proxy { index: 0, id: 1, addr: "localhost".into(), port: 80 };
        let fault = Route::new("/f/([0-9)$", Target::Proxy(Arc::new(proxy))).unwrap_err();
        assert_eq!(fault.offset, 4);
    }

    #[test]
    fn prefixes_may_hold_any_character() {
        let routes = Routes::new(vec![route("/é"), route("@chat"), route("")], 1);
        let check = |path: &str, prefix: &str, rest: &str| {
            let found = routes.search(path).found.unwrap();
            assert_eq!((found.prefix, found.rest), (prefix, rest));
        };
        check("/éa", "/é", "a");
        check("@chat", "@chat", "");
        check("/è", "", "/è");
        check("", "", "");
    }

    proptest! {
        #[test]
        fn finds_what_a_linear_search_finds(
            texts in prop::collection::vec("[ab/]{0,4}(\\([ab][.ab]\\)\\$?)?", 0..20),
            path in "[ab/]{0,7}",
        ) {
            let routes: Vec<Route> = texts.iter().map(|text| route(text)).collect();
            let matches = |route: &Route| {
                let rest = path.strip_prefix(route.prefix())?;
                let verdict = route.pattern.as_ref().map_or(Verdict::Matches, |pattern| {
                    pattern.compare(rest.as_bytes(), &mut Steps::new(1000))
                });
                (verdict == Verdict::Matches).then_some(())
            };
            let expected = routes
                .iter()
                .enumerate()
                .filter(|(_, route)| matches(route).is_some())
                .min_by_key(|(at, route)| {
                    (std::cmp::Reverse(route.prefix_len), route.pattern.is_none(), *at)
                })
                .map(|(_, route)| route.text.clone());
            let routes = Routes::new(routes, 100_000);
            let found = routes.search(&path).found.map(|found| found.route.text.clone());
            prop_assert_eq!(found, expected);
        }
    }
}
