//! Listening on TCP ports and Unix socket files, and taking over what a dead process left.

use std::fs::{File, Permissions};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream, lookup_host};

use crate::fault::EndpointFault;
use crate::spec::{Host, Spec};
use crate::stream::Stream;

/// A bound listener; a socket file is removed when it is dropped.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix { listener: UnixListener, _file: SocketFile },
}

impl Listener {
    /// Binds, and says what is really bound.
    pub(crate) async fn bind(
        spec: &Spec,
        mode: Option<u32>,
    ) -> Result<(Self, Spec), EndpointFault> {
        match spec {
            Spec::Tcp { host, port } => {
                let addresses = resolve(host, *port).await?;
                let listener = TcpListener::bind(addresses.as_slice()).await;
                let listener = listener.map_err(system("listen on it"))?;
                let address = listener.local_addr().map_err(system("name the address"))?;
                Ok((Self::Tcp(listener), address.into()))
            }
            Spec::Ipc(path) => {
                let (listener, file) = bind_file(path, mode).await?;
                Ok((Self::Unix { listener, _file: file }, spec.clone()))
            }
        }
    }

    pub(crate) async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => Ok(Stream::Tcp(listener.accept().await?.0)),
            Self::Unix { listener, .. } => Ok(Stream::Unix(listener.accept().await?.0)),
        }
    }
}

/// Connects to where an endpoint listens.
pub(crate) async fn connect(spec: &Spec) -> Result<Stream, EndpointFault> {
    match spec {
        Spec::Tcp { host, port } => {
            let addresses = resolve(host, *port).await?;
            let stream = TcpStream::connect(addresses.as_slice()).await;
            Ok(Stream::Tcp(stream.map_err(system("connect to it"))?))
        }
        Spec::Ipc(path) => {
            Ok(Stream::Unix(UnixStream::connect(path).await.map_err(system("connect to it"))?))
        }
    }
}

impl From<SocketAddr> for Spec {
    fn from(address: SocketAddr) -> Self {
        let host = match address {
            SocketAddr::V4(v4) => Host::Name(v4.ip().to_string()),
            SocketAddr::V6(v6) => Host::V6(*v6.ip()),
        };
        Self::Tcp { host, port: address.port() }
    }
}

/// IPv4 first, as libzmq has it unless told otherwise.
async fn resolve(host: &Host, port: u16) -> Result<Vec<SocketAddr>, EndpointFault> {
    let name = match host {
        Host::Any => return Ok(vec![(Ipv4Addr::UNSPECIFIED, port).into()]),
        Host::V6(ip) => return Ok(vec![(*ip, port).into()]),
        Host::Name(name) => name,
    };
    let mut found: Vec<_> = match lookup_host((name.as_str(), port)).await {
        Ok(found) => found.collect(),
        Err(_) => Vec::new(),
    };
    found.sort_by_key(SocketAddr::is_ipv6);
    if found.is_empty() {
        return Err(EndpointFault::Unresolved { host: name.clone() });
    }
    Ok(found)
}

/// Removes its socket file when dropped, unless another process has replaced it meanwhile.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    id: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if file_id(&self.path).is_ok_and(|id| id == self.id)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket file");
        }
    }
}

/// Binds under another name and moves the file to its place: a stale file is replaced without a
/// moment in which there is none.
async fn bind_file(
    path: &Path,
    mode: Option<u32>,
) -> Result<(UnixListener, SocketFile), EndpointFault> {
    refuse_living(path).await?;
    let (listener, new) = listen_beside(path, mode).map_err(system("listen on it"))?;
    let place = || -> io::Result<SocketFile> {
        let id = file_id(&new)?;
        std::fs::rename(&new, path)?;
        Ok(SocketFile { path: path.to_owned(), id })
    };
    match place() {
        Ok(file) => Ok((listener, file)),
        Err(source) => {
            if let Err(error) = std::fs::remove_file(&new) {
                tracing::warn!(path = %new.display(), %error, "cannot remove the socket file");
            }
            Err(EndpointFault::System { doing: "put the socket file in its place", source })
        }
    }
}

/// Listens on a file of a free name in the same folder, which is no longer than `path`: that may
/// be as long as a socket address can be.
fn listen_beside(path: &Path, mode: Option<u32>) -> io::Result<(UnixListener, PathBuf)> {
    let own = path.file_name().ok_or(ErrorKind::IsADirectory)?;
    let length = own.len().min(NEW_NAME_BYTES_MAX);
    for attempt in 0..NEW_NAMES_MAX {
        let new = path.with_file_name(new_name(length, attempt));
        match listen(&new, mode) {
            // Taken: another endpoint is about to put it in its place, or did not live to do so.
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            listener => return Ok((listener?, new)),
        }
    }
    Err(ErrorKind::AddrInUse.into())
}

/// The mode is the socket's before it has a file, so that the file never has another one.
fn listen(path: &Path, mode: Option<u32>) -> io::Result<UnixListener> {
    let mut socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    if let Some(mode) = mode {
        let file = File::from(OwnedFd::from(socket));
        file.set_permissions(Permissions::from_mode(mode))?;
        socket = OwnedFd::from(file).into();
    }
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(BACKLOG)?;
    UnixListener::from_std(OwnedFd::from(socket).into())
}

/// `length` digits that differ from attempt to attempt, and at first from process to process.
fn new_name(length: usize, attempt: u64) -> String {
    let mut number = u64::from(std::process::id()) * NEW_NAMES_MAX + attempt;
    let digits = std::iter::repeat_with(|| {
        let digit = (number % 36) as u32;
        number /= 36;
        char::from_digit(digit, 36).unwrap_or('0')
    });
    digits.take(length).collect()
}

/// A fault if there is a socket file in use, or a file that is no socket.
async fn refuse_living(path: &Path) -> Result<(), EndpointFault> {
    let path_owned = || path.to_owned();
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(system("look at the socket file")(source)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(EndpointFault::NotASocket { path: path_owned() });
        }
        Ok(_) => {}
    }
    // A Unix connect never waits: taken by the backlog, refused, or the backlog is full.
    match UnixStream::connect(path).await {
        Ok(_) => Err(EndpointFault::InUse { path: path_owned() }),
        Err(error) => match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::NotFound => Ok(()),
            ErrorKind::WouldBlock => Err(EndpointFault::InUse { path: path_owned() }),
            _ => Err(system("see whether the socket file is in use")(error)),
        },
    }
}

fn file_id(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = std::fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

fn system(doing: &'static str) -> impl FnOnce(io::Error) -> EndpointFault {
    move |source| EndpointFault::System { doing, source }
}

/// Length of a socket file's name until it is ready, and how many are tried.
const NEW_NAME_BYTES_MAX: usize = 12;
const NEW_NAMES_MAX: u64 = 36;

/// Connections that wait to be accepted, as the standard library has it.
const BACKLOG: i32 = 128;
