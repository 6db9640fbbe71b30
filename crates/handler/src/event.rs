//! Server-sent events, written as HTTP chunks.

use std::fmt::Write as _;

/// One event of a `text/event-stream`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// The `event` field: what a page listens for; `message` if absent.
    pub name: Option<String>,
    /// The `id` field: what a browser that comes back sends as `Last-Event-ID`.
    pub id: Option<String>,
    /// The `data` field, any number of lines.
    pub data: String,
}

pub(crate) const HEAD: &str = "HTTP/1.1 200 OK\r\n\
    Content-Type: text/event-stream\r\n\
    Cache-Control: no-store\r\n\
    Transfer-Encoding: chunked\r\n\r\n";

pub(crate) const END: &str = "0\r\n\r\n";

impl Event {
    /// An event with data only.
    pub fn new(data: impl Into<String>) -> Self {
        Self { data: data.into(), ..Self::default() }
    }

    /// The event as one chunk. Line ends in a name or id end it, as a browser would read them.
    pub(crate) fn encode_chunk(&self) -> String {
        let mut text = String::new();
        for (field, value) in [("event", &self.name), ("id", &self.id)] {
            if let Some(line) = value.as_deref().and_then(|value| value.split(['\r', '\n']).next())
            {
                text += field;
                text += ": ";
                text += line;
                text += "\n";
            }
        }
        for line in self.data.replace("\r\n", "\n").split(['\r', '\n']) {
            text += "data: ";
            text += line;
            text += "\n";
        }
        text += "\n";
        let mut chunk = String::with_capacity(text.len().saturating_add(16));
        write!(chunk, "{:x}\r\n", text.len()).expect("a String takes all that is written");
        chunk + &text + "\r\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_chunks() {
        let check = |event: Event, want: &str| assert_eq!(event.encode_chunk(), want);
        check(Event::new("7"), "9\r\ndata: 7\n\n\r\n");
        check(Event::new(""), "8\r\ndata: \n\n\r\n");
        check(Event::new("a\r\nb\rc\nd"), "21\r\ndata: a\ndata: b\ndata: c\ndata: d\n\n\r\n");
        let named = Event {
            name: Some("tick\ndata: forged".to_owned()),
            id: Some("4".to_owned()),
            data: "x".to_owned(),
        };
        check(named, "1b\r\nevent: tick\nid: 4\ndata: x\n\n\r\n");
    }
}
