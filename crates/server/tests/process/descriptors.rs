//! When descriptors run out: accepting goes on as soon as it can, and those inside are served.

use crate::harness::{Program, Setup, UUID, get, send};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use std::io::{Read, Write};
use std::net::TcpStream;

const ASK: &[u8] = b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// The status of the next response, which has no content.
fn status(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head[9..12]).into_owned()
}

fn allow_descriptors(program: &Program, count: u64) {
    let pid = Pid::from_raw(program.pid());
    let limit = Rlimit { current: Some(count), maximum: Some(4096) };
    prlimit(pid, Resource::Nofile, limit).unwrap();
}

#[test]
fn without_descriptors_a_client_waits_and_those_inside_are_served() {
    let setup = Setup::new();
    let (program, _) = setup.serve();
    let mut inside = send(setup.addr(), ASK);
    assert_eq!(status(&mut inside), "204");
    // One less than the highest that is in use: not even a gap is left.
    let open = std::fs::read_dir(format!("/proc/{}/fd", program.pid())).unwrap();
    let numbers = open.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let count = numbers.filter_map(|name| name.parse::<u64>().ok()).count() as u64;
    allow_descriptors(&program, count);
    let mut waiting = send(setup.addr(), ASK);
    program.logs("can't accept a connection");
    inside.write_all(ASK).unwrap();
    assert_eq!(status(&mut inside), "204");
    allow_descriptors(&program, 4096);
    assert_eq!(status(&mut waiting), "204");
}

#[test]
fn few_descriptors_mean_few_clients_and_a_clear_answer_for_the_rest() {
    let setup = Setup::new().setting("superpoll.max_fd", "64");
    let database = setup.database();
    let command = format!(
        "ulimit -n 64; exec {} {} {UUID}",
        env!("CARGO_BIN_EXE_server"),
        database.to_str().unwrap()
    );
    let program = Program::run("/bin/sh", &["-c", &command]);
    program.says();
    let mut clients: Vec<TcpStream> = (0..60).map(|_| send(setup.addr(), ASK)).collect();
    let statuses: Vec<String> = clients.iter_mut().map(status).collect();
    let served = statuses.iter().filter(|status| *status == "204").count();
    let refused = statuses.iter().filter(|status| *status == "503").count();
    assert_eq!((served + refused, served), (60, 23), "{statuses:?}");
    // Whoever is inside still gets files.
    clients[0].write_all(b"GET /f HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_eq!(status(&mut clients[0]), "200");
    drop(clients);
    crate::harness::until("a place is free", || get(setup.addr(), "/f").0 == "200");
}
