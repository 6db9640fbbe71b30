//! The command line: one or two dashes, values of several words, nothing else.

use std::collections::HashMap;
use std::ffi::OsString;

use crate::failure::Failure;
use crate::nearest::nearest;

// Our own parser, because Mongrel2's command lines must keep working: long options with one dash
// (`-db x`) and unquoted values of several words (`--why testing things out`), which clap has not.

/// One option of a command.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec {
    pub name: &'static str,
    pub value: OptionValue,
    pub summary: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionValue {
    /// A flag: `-every`.
    None,
    /// A flag that may have a value, named so in the help: `-sudo [COMMAND]`.
    Optional(&'static str),
    /// Needs a value, named so in the help: `-db FILE`.
    Needed(&'static str),
}

/// The options of one invocation by name; a flag has an empty value.
#[derive(Clone, Debug, Default)]
pub struct Options {
    given: HashMap<&'static str, String>,
}

impl Options {
    /// Reads the words after the command's name.
    ///
    /// # Errors
    /// An option that the command has not, a needed value that is not there, words that belong to no
    /// option.
    pub fn parse(
        command: &'static str,
        specs: &'static [OptionSpec],
        words: &[String],
    ) -> Result<Self, Failure> {
        let mut options = Self::default();
        let mut extra: Vec<&str> = Vec::new();
        let mut words = words.iter().peekable();
        while let Some(word) = words.next() {
            let Some(option) = option_of(word) else {
                extra.push(word);
                continue;
            };
            let (name, inline) = match option.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (option, None),
            };
            let spec = find(command, specs, name)?;
            let mut values: Vec<String> = inline.into_iter().collect();
            let takes_words = values.is_empty() && spec.value != OptionValue::None;
            while let Some(value) = words.next_if(|next| takes_words && option_of(next).is_none()) {
                values.push(value.clone());
            }
            let value = values.join(" ");
            match spec.value {
                OptionValue::None if !value.is_empty() => {
                    let expected = "no value";
                    return Err(Failure::BadOption { option: spec.name, value, expected });
                }
                OptionValue::Needed(_) if values.is_empty() => {
                    let expected = "a value after it";
                    return Err(Failure::BadOption { option: spec.name, value, expected });
                }
                _ => options.given.insert(spec.name, value),
            };
        }
        if extra.is_empty() {
            Ok(options)
        } else {
            Err(Failure::ExtraWords { count: extra.len(), words: extra.join(" ") })
        }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.given.get(name).map(String::as_str)
    }

    pub fn has(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }
}

/// The words of the command line, which must be UTF-8 as the database is.
///
/// # Errors
/// The first argument that is not.
pub fn words(arguments: impl IntoIterator<Item = OsString>) -> Result<Vec<String>, Failure> {
    let utf8 = |argument: OsString| {
        argument.into_string().map_err(|argument| Failure::NotUtf8 {
            argument: argument.to_string_lossy().into_owned(),
        })
    };
    arguments.into_iter().map(utf8).collect()
}

/// The name in `-name` or `--name`; `-5` and `-` are values.
fn option_of(word: &str) -> Option<&str> {
    let name = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
    name.starts_with(|first: char| first.is_ascii_alphabetic()).then_some(name)
}

fn find(
    command: &'static str,
    specs: &'static [OptionSpec],
    name: &str,
) -> Result<&'static OptionSpec, Failure> {
    specs.iter().find(|spec| spec.name == name).ok_or_else(|| {
        let names: Vec<_> = specs.iter().map(|spec| format!("-{}", spec.name)).collect();
        let accepted = if names.is_empty() { "no options".to_owned() } else { names.join(", ") };
        let nearest = nearest(name, specs.iter().map(|spec| spec.name));
        Failure::UnknownOption { command, option: name.to_owned(), nearest, accepted }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECS: &[OptionSpec] = &[
        OptionSpec { name: "db", value: OptionValue::Needed("FILE"), summary: "" },
        OptionSpec { name: "why", value: OptionValue::Needed("TEXT"), summary: "" },
        OptionSpec { name: "every", value: OptionValue::None, summary: "" },
        OptionSpec { name: "sudo", value: OptionValue::Optional("COMMAND"), summary: "" },
    ];

    fn parse(line: &[&str]) -> Result<Options, Failure> {
        let words: Vec<_> = line.iter().map(|word| (*word).to_owned()).collect();
        Options::parse("test", SPECS, &words)
    }

    fn check(line: &[&str], expected: &[(&str, &str)]) {
        let options = parse(line).unwrap();
        let mut given: Vec<_> =
            options.given.iter().map(|(name, value)| (*name, value.as_str())).collect();
        given.sort_unstable();
        assert_eq!(given, expected, "{line:?}");
    }

    #[test]
    fn options_have_one_dash_or_two() {
        check(&[], &[]);
        check(&["-db", "a"], &[("db", "a")]);
        check(&["--db", "a"], &[("db", "a")]);
        check(&["--db=a", "-why=b=c"], &[("db", "a"), ("why", "b=c")]);
        check(&["--db="], &[("db", "")]);
        check(&["--db", "a", "--db", "b"], &[("db", "b")]);
    }

    #[test]
    fn values_are_words_up_to_the_next_option() {
        check(
            &["--why", "testing", "things", "out", "-every"],
            &[("every", ""), ("why", "testing things out")],
        );
        check(&["--why", "it's \"so\"", "-5", "-"], &[("why", "it's \"so\" -5 -")]);
        check(&["--why=-every"], &[("why", "-every")]);
        check(&["-sudo", "-every"], &[("every", ""), ("sudo", "")]);
        check(&["-sudo", "nice", "sudo"], &[("sudo", "nice sudo")]);
    }

    #[test]
    fn what_is_no_option_is_refused() {
        for (line, message) in [
            (&["x"][..], "commands only take --option style arguments, you have 1 extra: x"),
            (
                &["-every", "x", "y"],
                "commands only take --option style arguments, you have 2 extra: x y",
            ),
            (&["-dv", "x"], "test takes -db, -why, -every, -sudo, not -dv; did you mean `db`?"),
            (&["-db"], "--db is \"\", expected a value after it"),
            (&["-every=1"], "--every is \"1\", expected no value"),
        ] {
            let failure = parse(line).unwrap_err();
            assert_eq!(failure.to_string(), message);
            assert_eq!(failure.exit_code(), 255);
        }
    }
}
