//! Hosts: the exact name, else the longest suffix at a label boundary, else a pattern, else the
//! default host.

use std::collections::HashMap;

use crate::lookup::routes::{Match, RouteSearch, Routes};
use crate::pattern::{Pattern, PatternFault, Steps, Verdict};
use crate::prefixes::Prefixes;

/// Names of up to this many bytes are folded to lower case without an allocation.
const INLINE_NAME_BYTES: usize = 256;

/// One row of the `host` table.
#[derive(Clone, Debug)]
pub struct Host {
    /// What `server.default_host` refers to.
    pub name: String,
    pub matching: HostMatching,
    pub routes: Routes,
}

/// Which `Host` fields a host answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostMatching {
    /// Empty in the database: reached only as the default host.
    DefaultOnly,
    /// This name and every name below it. In lower case, without port and final dot.
    Name { name: String, form: NameForm },
    /// What stands before `suffix` matches `pattern` as a whole.
    Pattern { pattern: Pattern, suffix: String },
}

/// How a name was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameForm {
    /// `example.com`: for the name itself it goes before a host written with a dot.
    Plain,
    /// `.example.com`: for names below it goes before a host written without.
    LeadingDot,
}

/// The hosts of a server.
#[derive(Clone, Debug)]
pub struct Hosts {
    /// In row order.
    hosts: Vec<Host>,
    default: usize,
    names: HashMap<Box<str>, Named>,
    /// Longer names than this need not be looked up.
    name_bytes_max: usize,
    /// The suffixes of hosts with a pattern, reversed.
    suffixes: Prefixes,
    /// For each suffix: positions in `hosts`, in row order.
    by_suffix: Vec<Vec<u32>>,
    steps_max: u32,
}

/// Positions of the hosts that take a name and the names below it.
#[derive(Clone, Copy, Debug)]
struct Named {
    itself: Position,
    below: Position,
}

#[derive(Clone, Copy, Debug)]
struct Position {
    host: u32,
    form: NameForm,
}

/// Everything a search for a host found out.
#[derive(Clone, Copy, Debug)]
pub struct HostSearch<'a> {
    pub host: &'a Host,
    /// The host whose pattern ran out of steps; the default host is found then.
    pub out_of_steps: Option<&'a Host>,
}

impl Host {
    /// The route that serves `path`.
    pub fn route<'a>(&'a self, path: &'a str) -> Option<Match<'a>> {
        self.routes.search(path).found
    }

    /// As `route`, and whether a pattern ran out of steps.
    pub fn search<'a>(&'a self, path: &'a str) -> RouteSearch<'a> {
        self.routes.search(path)
    }
}

impl HostMatching {
    /// Reads the `matching` column.
    ///
    /// # Errors
    /// The pattern is malformed.
    pub fn compile(text: &str) -> Result<Self, PatternFault> {
        if text.contains('(') {
            let cut = text.rfind(')').map_or(text.len(), |at| at + 1);
            let (pattern, suffix) = text.split_at_checked(cut).unwrap_or((text, ""));
            let pattern = Pattern::compile(&format!("{pattern}$"))?.fold_case();
            let suffix = suffix.strip_suffix('.').unwrap_or(suffix).to_ascii_lowercase();
            return Ok(Self::Pattern { pattern, suffix });
        }
        let name = name_of(text);
        let (name, form) = match name.strip_prefix('.') {
            Some(name) => (name, NameForm::LeadingDot),
            None => (name, NameForm::Plain),
        };
        if name.is_empty() {
            return Ok(Self::DefaultOnly);
        }
        Ok(Self::Name { name: name.to_ascii_lowercase(), form })
    }
}

impl Hosts {
    /// Takes the hosts in row order; none when `default` is not the position of one.
    /// `steps_max` is `Limits::pattern_steps_max`.
    pub fn new(hosts: Vec<Host>, default: usize, steps_max: u32) -> Option<Self> {
        hosts.get(default)?;
        let mut names = HashMap::new();
        let mut patterns = Vec::new();
        let mut reversed = Vec::new();
        for (host, at) in hosts.iter().zip(0..) {
            match &host.matching {
                HostMatching::DefaultOnly => {}
                HostMatching::Name { name, form } => {
                    add_name(&mut names, name, Position { host: at, form: *form });
                }
                HostMatching::Pattern { suffix, .. } => {
                    patterns.push(at);
                    reversed.push(suffix.bytes().rev().collect::<Vec<u8>>());
                }
            }
        }
        let texts: Vec<&[u8]> = reversed.iter().map(Vec::as_slice).collect();
        let (suffixes, numbers) = Prefixes::new(&texts);
        let mut by_suffix = vec![Vec::new(); suffixes.len()];
        for (at, number) in patterns.into_iter().zip(numbers) {
            if let Some(group) = by_suffix.get_mut(number) {
                group.push(at);
            }
        }
        let name_bytes_max = names.keys().map(|name| name.len()).max().unwrap_or(0);
        Some(Self { hosts, default, names, name_bytes_max, suffixes, by_suffix, steps_max })
    }

    /// In row order.
    pub fn iter(&self) -> std::slice::Iter<'_, Host> {
        self.hosts.iter()
    }

    /// The host of `server.default_host`.
    pub fn default_host(&self) -> &Host {
        self.hosts.get(self.default).expect("`new` checked that the default host is there")
    }

    /// The host that answers for a `Host` field.
    pub fn host(&self, authority: Option<&str>) -> &Host {
        self.search(authority).host
    }

    /// As `host`, and whether a pattern ran out of steps.
    pub fn search(&self, authority: Option<&str>) -> HostSearch<'_> {
        let name = authority.map_or("", name_of);
        if !name.bytes().any(|b| b.is_ascii_uppercase()) {
            return self.search_lower(name);
        }
        let mut inline = [0; INLINE_NAME_BYTES];
        if let Some(buffer) = inline.get_mut(..name.len()) {
            buffer.copy_from_slice(name.as_bytes());
            buffer.make_ascii_lowercase();
            self.search_lower(std::str::from_utf8(buffer).unwrap_or_default())
        } else {
            self.search_lower(&name.to_ascii_lowercase())
        }
    }

    fn search_lower(&self, name: &str) -> HostSearch<'_> {
        let default = HostSearch { host: self.default_host(), out_of_steps: None };
        if name.is_empty() {
            return default;
        }
        match self.named(name) {
            Some(host) => HostSearch { host, out_of_steps: None },
            None if self.by_suffix.is_empty() => default,
            None => self.by_pattern(name).unwrap_or(default),
        }
    }

    /// The host of the name or of the longest name it lies below.
    fn named(&self, name: &str) -> Option<&Host> {
        let mut at = 0;
        loop {
            let rest = name.get(at..)?;
            if rest.len() <= self.name_bytes_max
                && let Some(named) = self.names.get(rest)
            {
                let position = if at == 0 { named.itself } else { named.below };
                return self.hosts.get(position.host as usize);
            }
            // An address has no names above it.
            if name.starts_with('[') {
                return None;
            }
            at += memchr::memchr(b'.', rest.as_bytes())? + 1;
        }
    }

    fn by_pattern(&self, name: &str) -> Option<HostSearch<'_>> {
        let mut inline = [0; INLINE_NAME_BYTES];
        let mut heap = Vec::new();
        let reversed = match inline.get_mut(..name.len()) {
            Some(inline) => inline,
            None => {
                heap.resize(name.len(), 0);
                heap.as_mut_slice()
            }
        };
        for (to, from) in reversed.iter_mut().zip(name.bytes().rev()) {
            *to = from;
        }
        let mut steps = Steps::new(self.steps_max);
        for (number, len) in self.suffixes.of(reversed) {
            let Some(start) = name.as_bytes().get(..name.len().saturating_sub(len)) else {
                continue;
            };
            for &at in self.by_suffix.get(number).into_iter().flatten() {
                let Some(host) = self.hosts.get(at as usize) else { continue };
                let HostMatching::Pattern { pattern, .. } = &host.matching else { continue };
                match pattern.compare(start, &mut steps) {
                    Verdict::Differs => {}
                    Verdict::Matches => return Some(HostSearch { host, out_of_steps: None }),
                    Verdict::OutOfSteps => {
                        let host_out = Some(host);
                        return Some(HostSearch {
                            host: self.default_host(),
                            out_of_steps: host_out,
                        });
                    }
                }
            }
        }
        None
    }
}

impl<'a> IntoIterator for &'a Hosts {
    type Item = &'a Host;
    type IntoIter = std::slice::Iter<'a, Host>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The first row of a name takes it, except that the form that says so goes first.
fn add_name(names: &mut HashMap<Box<str>, Named>, name: &str, position: Position) {
    let named = names.entry(name.into()).or_insert(Named { itself: position, below: position });
    if position.form == NameForm::Plain && named.itself.form == NameForm::LeadingDot {
        named.itself = position;
    }
    if position.form == NameForm::LeadingDot && named.below.form == NameForm::Plain {
        named.below = position;
    }
}

/// An authority without port and final dot.
fn name_of(authority: &str) -> &str {
    let authority = authority.trim_matches([' ', '\t']);
    if authority.starts_with('[') {
        let end = authority.find(']').map_or(authority.len(), |at| at + 1);
        return authority.get(..end).unwrap_or(authority);
    }
    let end = memchr::memchr(b':', authority.as_bytes()).unwrap_or(authority.len());
    let name = authority.get(..end).unwrap_or(authority);
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(matching: &[&str], default: usize, steps_max: u32) -> Hosts {
        let hosts = matching
            .iter()
            .map(|text| Host {
                name: (*text).to_owned(),
                matching: HostMatching::compile(text).unwrap(),
                routes: Routes::default(),
            })
            .collect();
        Hosts::new(hosts, default, steps_max).unwrap()
    }

    #[test]
    fn hosts_are_found_by_name_then_suffix_then_pattern() {
        let hosts = hosts(
            &[
                "default",
                "example.com",
                "WWW.Example.com.",
                ".example.com",
                ".only-below.org",
                "[::1]",
                "localhost:6767",
                "([0-9]+).Num.org",
                "(x.*)num.org",
                "(\\u+).case.org",
                "",
                "example.com",
            ],
            0,
            1000,
        );
        let check = |asked: &str, expected: &str| {
            assert_eq!(hosts.host(Some(asked)).name, expected, "{asked}");
        };
        check("example.com", "example.com");
        check("Example.COM.:8080", "example.com");
        check("www.example.com", "WWW.Example.com.");
        check("a.www.example.com", "WWW.Example.com.");
        check("api.example.com", ".example.com");
        check("evilexample.com", "default");
        check("com", "default");
        check("only-below.org", ".only-below.org");
        check("x.only-below.org", ".only-below.org");
        check("[::1]:80", "[::1]");
        check("[::1]", "[::1]");
        check("[::2]", "default");
        check("[::1", "default");
        check("::1", "default");
        check(" localhost:1 ", "localhost:6767");
        check("12.num.org", "([0-9]+).Num.org");
        check("x12.NUM.org", "(x.*)num.org");
        check("12x.num.org", "default");
        check("AB.case.org", "(\\u+).case.org");
        check(".", "default");
        check("..", "default");
        check("..example.com", ".example.com");
        check("", "default");
        check(&"é".repeat(400), "default");
        check(&format!("{}.EXAMPLE.com", "A".repeat(400)), ".example.com");
        check(&format!("x{}num.org", "A".repeat(400)), "(x.*)num.org");
        assert_eq!(hosts.host(None).name, "default");
    }

    #[test]
    fn a_pattern_out_of_steps_leads_to_the_default_host() {
        let hosts = hosts(&["default", "(.*.*.*x)"], 0, 50);
        let asked = "a".repeat(200);
        let search = hosts.search(Some(&asked));
        assert_eq!(search.host.name, "default");
        assert_eq!(search.out_of_steps.unwrap().name, "(.*.*.*x)");
        assert!(hosts.search(Some("ax")).out_of_steps.is_none());
        assert_eq!(hosts.host(Some("ax")).name, "(.*.*.*x)");
    }

    #[test]
    fn the_default_host_must_be_there() {
        assert!(Hosts::new(Vec::new(), 0, 1).is_none());
    }
}
