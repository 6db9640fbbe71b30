//! The variables of a file, which may be used before they are set.

use std::collections::{HashMap, HashSet};

use crate::language::problem::{Problem, Problems};
use crate::language::schema::TOP_LEVEL;
use crate::language::source::Span;
use crate::language::syntax::{Assignment, Config, Value, ValueKind};
use crate::nearest::nearest;

pub(super) struct Scope<'a> {
    variables: HashMap<&'a str, &'a Assignment>,
    used: HashSet<&'a str>,
    /// A name that is not there may stand in the part that could not be read.
    incomplete: bool,
}

impl<'a> Scope<'a> {
    pub(super) fn new(config: &'a Config, problems: &mut Problems) -> Self {
        let mut variables: HashMap<&str, &Assignment> = HashMap::new();
        for assignment in &config.assignments {
            let name = &assignment.name;
            if let Some(before) = variables.insert(&name.text, assignment) {
                let problem = Problem::Repeated { name: name.text.clone() };
                problems.warning(before.name.span, problem);
            }
        }
        Self { variables, used: HashSet::new(), incomplete: config.incomplete }
    }

    pub(super) fn incomplete(&self) -> bool {
        self.incomplete
    }

    /// The value of a variable that makes rows.
    pub(super) fn top_level(&mut self, name: &'static str) -> Option<&'a Assignment> {
        self.used.insert(name);
        self.variables.get(name).copied()
    }

    /// The value itself, or that of the variable it names. `None` when it could not be read or found,
    /// which has been reported.
    pub(super) fn resolve(
        &mut self,
        value: &'a Value,
        problems: &mut Problems,
    ) -> Option<&'a Value> {
        let mut value = value;
        let mut names: Vec<&str> = Vec::new();
        let place = value.span;
        loop {
            let name = match &value.kind {
                ValueKind::Variable(name) => name.as_str(),
                ValueKind::Broken => return None,
                _ => return Some(value),
            };
            if names.contains(&name) {
                problems.error(place, Problem::CircularVariable { name: name.to_owned() });
                return None;
            }
            names.push(name);
            let Some(assignment) = self.variables.get(name) else {
                self.unknown(name, value.span, problems);
                return None;
            };
            self.used.insert(name);
            value = &assignment.value;
        }
    }

    fn unknown(&self, name: &str, span: Span, problems: &mut Problems) {
        if self.incomplete {
            return;
        }
        let mut known: Vec<&str> = self.variables.keys().copied().collect();
        known.sort_unstable();
        let nearest = nearest(name, known).map(str::to_owned);
        problems.error(span, Problem::UnknownVariable { name: name.to_owned(), nearest });
    }

    /// Warns of variables that nothing uses: Mongrel2 ignores a misspelt `settings` without a word.
    pub(super) fn warn_unused(&self, problems: &mut Problems) {
        if self.incomplete {
            return;
        }
        for (name, assignment) in &self.variables {
            if !self.used.contains(name) {
                let nearest = nearest(name, TOP_LEVEL);
                let problem = Problem::UnusedVariable { name: (*name).to_owned(), nearest };
                problems.warning(assignment.name.span, problem);
            }
        }
    }
}
