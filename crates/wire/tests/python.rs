//! Whatever bytes a client's headers hold, Python and Rust read the JSON and find them again.
//!
//! `LURCHER_PYTHON` names the interpreter, else `python3`. Without one the test is skipped, or fails
//! if `CI` is `true`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use bytes::BytesMut;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use wire::request::{ClientFields, FieldPolicy, VALUES_MAX};
use wire::{HandlerRequest, HeaderDict, Protocol, json_text};

type Bytes = Vec<u8>;
type Named = Vec<(Bytes, Vec<Bytes>)>;

/// An interpreter that answers line by line.
struct Python {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Drop for Python {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Python {
    fn start() -> Option<Self> {
        let program = std::env::var("LURCHER_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/headers.py");
        let spawned =
            Command::new(program).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.ok()?;
        let (stdin, stdout) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
        Some(Self { child, stdin, stdout })
    }

    fn read(&mut self, message: &[u8]) -> Named {
        let hex: String = message.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(self.stdin, "{hex}").unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "Python does not read {}", message.escape_ascii());
        let pairs: Vec<(String, Vec<String>)> = serde_json::from_str(&line).unwrap();
        let decode = |(name, values): (String, Vec<String>)| {
            (unhex(&name), values.iter().map(|value| unhex(value)).collect())
        };
        pairs.into_iter().map(decode).collect()
    }
}

fn unhex(text: &str) -> Bytes {
    let digits = |at: usize| u8::from_str_radix(text.get(at..at + 2).unwrap(), 16).unwrap();
    (0..text.len()).step_by(2).map(digits).collect()
}

/// The same through `serde_json`.
fn read_in_rust(message: &[u8]) -> Named {
    let rest = message.splitn(4, |byte| *byte == b' ').nth(3).unwrap();
    let start = rest.iter().position(|byte| *byte == b':').unwrap() + 1;
    let json = rest.get(start..rest.len() - b",0:,".len()).unwrap();
    let value: serde_json::Value = serde_json::from_slice(json).unwrap();
    let undone =
        |value: &serde_json::Value| json_text::unescape(value.as_str().unwrap()).into_owned();
    let values = |value: &serde_json::Value| match value.as_array() {
        Some(values) => values.iter().map(undone).collect(),
        None => vec![undone(value)],
    };
    let pairs = value.as_object().unwrap().iter();
    pairs.map(|(name, value)| (json_text::unescape(name).into_owned(), values(value))).collect()
}

fn bytes() -> impl Strategy<Value = Bytes> {
    let special: Vec<&[u8]> = vec![
        b"\"",
        b"\\",
        b"\0",
        b"\t",
        b"\n",
        b"\x7f",
        b"\xc3\xa9",
        b"\xe9",
        b"\xee\xbe\x80",
        b"\xee\xbf\xbf",
        b"\xee\xbe",
        b"\xed\xa0\x80",
        b"\xf0\x9f\x98\x80",
        b"\xe2\x80\xa8",
        b"</",
    ];
    let piece = prop_oneof![
        prop::sample::select(special).prop_map(<[u8]>::to_vec),
        any::<Bytes>(),
        ".{0,4}".prop_map(String::into_bytes),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

/// By lower-cased name, in order of first occurrence.
fn expected(fields: &[(Bytes, Bytes)]) -> Named {
    let mut named = Named::new();
    for (name, value) in fields {
        let name = name.to_ascii_lowercase();
        match named.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) if values.len() < VALUES_MAX => values.push(value.clone()),
            Some(_) => {}
            None => named.push((name, vec![value.clone()])),
        }
    }
    named
}

#[test]
fn any_header_bytes_are_json_that_decodes_back() {
    let Some(python) = Python::start() else {
        let on_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!on_ci, "python3 is missing, or LURCHER_PYTHON names no interpreter");
        println!("skipped: python3 is missing");
        return;
    };
    let python = RefCell::new(python);
    let config = Config { cases: 2000, failure_persistence: None, ..Config::default() };
    // A name that no server key and no policy claims.
    let field = (bytes().prop_map(|name| [b"h".as_slice(), &name].concat()), bytes());
    let strategy = (prop::collection::vec(field, 0..12), "/[!-~]{0,20}");
    let result = TestRunner::new(config).run(&strategy, |(fields, path)| {
        let mut client =
            ClientFields::new(FieldPolicy { keep_underscores: true, ..FieldPolicy::default() });
        for (name, value) in &fields {
            client.push(name, value);
        }
        let headers = HeaderDict { client, method: b"GET", pattern: b"/", ..HeaderDict::default() };
        let path = path.as_bytes();
        let request = HandlerRequest { sender: "me", conn: 1, path, headers: &headers, body: b"" };
        let mut message = BytesMut::new();
        request.encode(Protocol::Json, &mut message);
        let in_python = python.borrow_mut().read(&message);
        prop_assert_eq!(&in_python, &read_in_rust(&message));
        prop_assert_eq!(&in_python[0], &(b"PATH".to_vec(), vec![path.to_vec()]));
        let wanted = expected(&fields);
        prop_assert_eq!(in_python.get(1..=wanted.len()).unwrap(), &wanted[..]);
        Ok(())
    });
    result.unwrap();
}
