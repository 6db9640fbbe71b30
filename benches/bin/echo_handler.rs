//! The handler behind every measured server: answers at once, and costs next to nothing itself.
//!
//! Two threads and blocking sockets: one turns requests into replies, a batch for each read; the
//! other answers the server's heartbeats on the way back.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use wire::ParsedRequest;
use zmtp::{Event, FrameHeader, Local, ProtocolFault, Security, Session, SocketType};

/// The server binds, and may not have done so yet.
const CONNECT_PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);
const READ_BYTES: usize = 64 * 1024;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok";

fn main() -> ExitCode {
    let specs: Vec<String> = std::env::args().skip(1).collect();
    let result = match specs.as_slice() {
        [send, recv] => run(send, recv),
        _ => Err("usage: echo_handler tcp://HOST:PORT tcp://HOST:PORT".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            #[expect(clippy::print_stderr, reason = "the one line of a program that failed")]
            {
                eprintln!("echo_handler: {reason}");
            }
            ExitCode::FAILURE
        }
    }
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Answers until the server closes.
fn run(send_spec: &str, recv_spec: &str) -> Result<()> {
    let mut replies = Link::open(recv_spec, SocketType::Pub)?;
    let out = Arc::new(Mutex::new(replies.stream.try_clone()?));
    let back = Arc::clone(&out);
    std::thread::spawn(move || {
        // Its end is the end of the whole program, which the requests will tell.
        while replies.read().is_ok_and(|more| more) {
            let mut pongs = Vec::new();
            while replies.next().is_ok_and(|event| event.is_some()) {}
            replies.session.take_output(&mut pongs);
            if write(&back, &pongs).is_err() {
                return;
            }
        }
    });
    let mut requests = Link::open(send_spec, SocketType::Pull)?;
    let (mut batch, mut reply) = (Vec::new(), BytesMut::new());
    loop {
        while let Some(event) = requests.next()? {
            if let Event::Frame(frame) = event {
                answer(&frame.payload, &mut reply, &mut batch)?;
            }
        }
        requests.flush()?;
        write(&out, &batch)?;
        batch.clear();
        if !requests.read()? {
            return Ok(());
        }
    }
}

/// Appends the reply to one message, framed.
fn answer(message: &[u8], reply: &mut BytesMut, batch: &mut Vec<u8>) -> Result<()> {
    let request = ParsedRequest::parse(message)?;
    if request.is_disconnect() {
        return Ok(());
    }
    let header = |name: &[u8]| {
        let mut headers = request.headers.0.iter().filter(|(key, _)| key.as_ref() == name);
        headers.find_map(|(_, values)| values.as_slice().first())
    };
    match (header(b"x-mongrel2-upload-start"), header(b"x-mongrel2-upload-done")) {
        (Some(_), None) => return Ok(()),
        (Some(_), Some(done)) => std::fs::remove_file(std::str::from_utf8(done)?)?,
        (None, _) => {}
    }
    reply.clear();
    let sender = std::str::from_utf8(request.sender)?;
    wire::reply::encode(sender, &[request.conn], ANSWER, reply);
    FrameHeader { more: false, command: false, length: reply.len() }.encode(batch);
    batch.extend_from_slice(reply);
    Ok(())
}

fn write(stream: &Mutex<TcpStream>, bytes: &[u8]) -> Result<()> {
    let mut stream = stream.lock().map_err(|_| "the other thread panicked")?;
    Ok(stream.write_all(bytes)?)
}

/// One ZeroMQ connection whose handshake is over.
struct Link {
    stream: TcpStream,
    session: Session,
    input: BytesMut,
    room: Vec<u8>,
}

impl Link {
    fn open(spec: &str, socket: SocketType) -> Result<Self> {
        let address = spec.strip_prefix("tcp://").ok_or("only tcp:// is spoken here")?;
        let stream = connect(address)?;
        stream.set_nodelay(true)?;
        let session = Session::new(Arc::new(Local {
            socket,
            identity: Bytes::new(),
            security: Security::Null,
            subscription: Bytes::new(),
            message_bytes_max: 64 << 20,
        }));
        let mut link = Self { stream, session, input: BytesMut::new(), room: vec![0; READ_BYTES] };
        loop {
            link.flush()?;
            if let Some(Event::Ready(_)) = link.next()? {
                link.flush()?;
                return Ok(link);
            }
            link.flush()?;
            if !link.read()? {
                return Err("closed in the handshake".into());
            }
        }
    }

    fn next(&mut self) -> std::result::Result<Option<Event>, ProtocolFault> {
        self.session.receive(&mut self.input)
    }

    /// Waits for bytes; false at the end of the connection.
    fn read(&mut self) -> Result<bool> {
        let length = self.stream.read(&mut self.room)?;
        self.input.extend_from_slice(self.room.get(..length).unwrap_or_default());
        Ok(length > 0)
    }

    /// Sends what the protocol owes: greeting, handshake, PONG.
    fn flush(&mut self) -> Result<()> {
        let mut bytes = Vec::new();
        self.session.take_output(&mut bytes);
        Ok(self.stream.write_all(&bytes)?)
    }
}

fn connect(address: &str) -> Result<TcpStream> {
    let deadline = Instant::now() + CONNECT_PATIENCE;
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() > deadline => return Err(error.into()),
            Err(_) => std::thread::park_timeout(PAUSE),
        }
    }
}
