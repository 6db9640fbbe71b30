//! Large bodies against back ends and clients that read in bursts: all of it arrives, whatever stops and starts.

use super::support::{bench, field, serve, status, text, within};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

const MIB: usize = 1 << 20;
/// The length of one body, in pieces of 1 MiB.
const PIECES: usize = 64;
const IN_PARALLEL: usize = 4;
/// All bodies, in a build without optimisation on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);
/// What a back end reads at once, and then nothing until the next tick.
const BURST_BYTES: usize = 3 << 18;
const TICK: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Framed {
    ByLength,
    InChunks,
}

impl Framed {
    fn field(self) -> String {
        match self {
            Self::ByLength => format!("Content-Length: {}", PIECES * MIB),
            Self::InChunks => "Transfer-Encoding: chunked".to_owned(),
        }
    }
}

/// A period that is no power of two, so that a piece lost, doubled or moved shows.
fn content() -> Vec<u8> {
    (0..MIB).map(|at| (at % 251) as u8).collect()
}

async fn send_body(mut to: impl AsyncWrite + Unpin, framed: Framed) {
    let content = content();
    for _ in 0..PIECES {
        if framed == Framed::InChunks {
            to.write_all(b"100000\r\n").await.unwrap();
        }
        to.write_all(&content).await.unwrap();
        if framed == Framed::InChunks {
            to.write_all(b"\r\n").await.unwrap();
        }
    }
    if framed == Framed::InChunks {
        to.write_all(b"0\r\n\r\n").await.unwrap();
    }
}

/// Reads the whole body and checks every byte. Chunks may have been divided anew.
async fn check_body(from: impl AsyncRead + Unpin, framed: Framed) {
    let mut from = tokio::io::BufReader::with_capacity(BURST_BYTES, from);
    let expected = content();
    let mut got = 0;
    let mut piece = vec![0; MIB];
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let mut left = match framed {
            Framed::ByLength => MIB.min(PIECES * MIB - got),
            Framed::InChunks => chunk_size(&mut from).await,
        };
        if left == 0 {
            break;
        }
        while left > 0 {
            tick.tick().await;
            let at = got % MIB;
            let count = left.min(MIB - at).min(BURST_BYTES);
            from.read_exact(&mut piece[..count]).await.unwrap();
            assert!(piece[..count] == expected[at..at + count], "other bytes after {got}");
            got += count;
            left -= count;
        }
        if framed == Framed::InChunks {
            assert_eq!(from.read_u16().await.unwrap(), u16::from_be_bytes(*b"\r\n"));
        }
    }
    assert_eq!(got, PIECES * MIB);
}

async fn chunk_size(from: &mut (impl AsyncRead + Unpin)) -> usize {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(from.read_u8().await.unwrap());
    }
    usize::from_str_radix(text(&line).trim_end(), 16).unwrap()
}

async fn head(from: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(from.read_u8().await.unwrap());
    }
    text(&head)
}

/// A listener whose connections hold little that was not read.
fn narrow() -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket.listen(16).unwrap()
}

/// What one back end does with its only request.
async fn serve_one(stream: TcpStream, framed: Framed, echoes: bool) {
    let (mut read, mut write) = stream.into_split();
    let request = head(&mut read).await;
    assert!(request.contains(&framed.field()), "{request}");
    if !echoes {
        check_body(&mut read, framed).await;
        let answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nwhole";
        write.write_all(answer).await.unwrap();
        return;
    }
    write
        .write_all(format!("HTTP/1.1 200 OK\r\n{}\r\n\r\n", framed.field()).as_bytes())
        .await
        .unwrap();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut burst = vec![0; BURST_BYTES];
    loop {
        tick.tick().await;
        match read.read(&mut burst).await.unwrap_or(0) {
            0 => break,
            count => write.write_all(&burst[..count]).await.unwrap(),
        }
    }
}

/// `IN_PARALLEL` uploads at once; with `echoes`, they come back meanwhile.
async fn uploads(framed: Framed, echoes: bool) {
    let backend = narrow();
    let server = serve("127.0.0.1", backend.local_addr().unwrap().port(), site::Limits::default());
    let server = server.await;
    let mut clients = JoinSet::new();
    let mut backends = JoinSet::new();
    for _ in 0..IN_PARALLEL {
        clients.spawn(async move {
            let (mut read, mut write) = TcpStream::connect(server).await.unwrap().into_split();
            let request = format!("POST / HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n", framed.field());
            write.write_all(request.as_bytes()).await.unwrap();
            let sending = send_body(&mut write, framed);
            let receiving = async {
                let answer = head(&mut read).await;
                assert_eq!(status(&answer), 200);
                if echoes {
                    check_body(&mut read, framed).await;
                } else {
                    assert_eq!(field(&answer, "content-length"), Some("5"));
                    let mut word = [0; 5];
                    read.read_exact(&mut word).await.unwrap();
                    assert_eq!(&word, b"whole");
                }
            };
            tokio::join!(sending, receiving);
        });
        let (stream, _) = within(backend.accept()).await.unwrap();
        backends.spawn(serve_one(stream, framed, echoes));
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    backends.abort_all();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_arrive_whole_at_a_back_end_that_reads_in_bursts() {
    for framed in [Framed::ByLength, Framed::InChunks] {
        let done = timeout(DEADLINE, uploads(framed, false)).await;
        done.unwrap_or_else(|_| panic!("an upload {framed:?} stalls"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_come_back_whole_from_a_back_end_that_echoes_in_bursts() {
    for framed in [Framed::ByLength, Framed::InChunks] {
        let done = timeout(DEADLINE, uploads(framed, true)).await;
        done.unwrap_or_else(|_| panic!("an echo {framed:?} stalls"));
    }
}

/// Nothing is lost between the back end's buffer, which empties at once, and the client's.
#[tokio::test]
async fn an_upload_goes_on_after_all_that_was_held_back_is_gone() {
    const MOMENT: Duration = Duration::from_millis(100);
    let bench = bench().await;
    let mut client = bench.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n").await;
    let mut backend = bench.accepted().await;
    backend.head().await;
    for round in 0..5 {
        let taken = client.flood(&[b'x'; 1 << 16], MOMENT).await;
        assert!(taken > 0, "round {round}: nothing is taken any more");
        let got = backend.bytes(taken).await;
        assert!(got.iter().all(|&byte| byte == b'x'));
    }
}

/// More than the sockets between three parties hold.
const LARGE_BYTES: usize = 48 * MIB;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_goes_on_while_the_client_does_not_take_the_answer() {
    let backend = narrow();
    let server = serve("127.0.0.1", backend.local_addr().unwrap().port(), site::Limits::default());
    let server = server.await;
    for framed in [Framed::ByLength, Framed::InChunks] {
        let (mut from_server, mut to_server) =
            TcpStream::connect(server).await.unwrap().into_split();
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n", framed.field());
        to_server.write_all(request.as_bytes()).await.unwrap();
        let (stream, _) = within(backend.accept()).await.unwrap();
        let (mut read, mut write) = stream.into_split();
        head(&mut read).await;
        tokio::spawn(async move {
            let fields = format!("Connection: close\r\nContent-Length: {LARGE_BYTES}");
            let mut answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n").into_bytes();
            answer.resize(answer.len() + LARGE_BYTES, b'x');
            write.write_all(&answer).await.unwrap();
        });
        let received = tokio::spawn(check_body(read, framed));
        let sent = timeout(DEADLINE, async {
            send_body(&mut to_server, framed).await;
            received.await.unwrap();
        });
        sent.await.unwrap_or_else(|_| panic!("an upload {framed:?} waits for its client to read"));
        assert_eq!(status(&head(&mut from_server).await), 200);
        let mut content = vec![0; LARGE_BYTES];
        within(from_server.read_exact(&mut content)).await.unwrap();
        assert!(content.iter().all(|&byte| byte == b'x'));
    }
}
