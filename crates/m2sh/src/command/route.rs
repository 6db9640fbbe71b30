//! `route`: what a route or host pattern matches, as the server would.

use std::sync::Arc;

use site::target::{Proxy, Target};
use site::{Host, HostMatching, Hosts, Limits, Route, Routes};

use crate::Terminal;
use crate::arguments::Options;
use crate::failure::Failure;

pub(super) fn run(options: &Options, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let Some(pattern) = options.get("pattern") else {
        let what = "a pattern to use with --pattern";
        return Err(Failure::MissingOption { command: "route", what });
    };
    let Some(text) = options.get("match") else {
        let what = "something to match against with --match";
        return Err(Failure::MissingOption { command: "route", what });
    };
    let matched = if options.has("suffix") || options.has("reversed") {
        host(pattern, text)
    } else {
        path(pattern, text)
    };
    let matched =
        matched.map_err(|source| Failure::Pattern { pattern: pattern.to_owned(), source })?;
    match matched {
        None => writeln!(terminal.out, "Match FAILED on '{text}' against '{pattern}'.")?,
        Some(literal) => {
            writeln!(terminal.out, "Match passed on '{text}' against '{pattern}'.")?;
            writeln!(terminal.out, "ROUTE: pattern='{pattern}', {literal}")?;
        }
    }
    Ok(())
}

fn path(pattern: &str, text: &str) -> Result<Option<String>, site::PatternFault> {
    let routes =
        Routes::new(vec![Route::new(pattern, target())?], Limits::default().pattern_steps_max);
    Ok(routes.search(text).found.map(|found| format!("prefix='{}'", found.prefix)))
}

fn host(pattern: &str, text: &str) -> Result<Option<String>, site::PatternFault> {
    let matching = HostMatching::compile(pattern)?;
    let suffix = match &matching {
        HostMatching::DefaultOnly => String::new(),
        HostMatching::Name { name, .. } => name.clone(),
        HostMatching::Pattern { suffix, .. } => suffix.clone(),
    };
    let named =
        |name: &str, matching| Host { name: name.into(), matching, routes: Routes::default() };
    let hosts = vec![named("default", HostMatching::DefaultOnly), named("asked", matching)];
    let hosts = Hosts::new(hosts, 0, Limits::default().pattern_steps_max);
    let found = hosts.is_some_and(|hosts| *hosts.host(Some(text)).name == *"asked");
    Ok(found.then(|| format!("suffix='{suffix}'")))
}

/// Routes need one; nothing is sent to it.
fn target() -> Target {
    Target::Proxy(Arc::new(Proxy { index: 0, id: 0, addr: String::new(), port: 0 }))
}
