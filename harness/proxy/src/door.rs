//! The listening socket: a door that really closes and opens again on the same port.
//!
//! Closed, the kernel refuses connections: there is no listener, nor a backlog that would still accept. The closing
//! is done when `close` returns, whatever the accept loop is doing. A bound socket that never listens keeps the port
//! from being handed out to somebody else meanwhile.

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

const BACKLOG: i32 = 1024;

fn bound(addr: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    if addr.ip().is_unspecified() && addr.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    Ok(socket)
}

fn listening(addr: SocketAddr, runtime: &Handle) -> io::Result<TcpListener> {
    let socket = bound(addr)?;
    socket.listen(BACKLOG)?;
    let _context = runtime.enter();
    TcpListener::from_std(socket.into())
}

/// What a door is made of, taken before it is moved.
#[derive(Debug)]
pub(crate) struct Sockets {
    addr: SocketAddr,
    listener: Option<TcpListener>,
    /// Only Linux lets a listener share the port with it.
    _reserved: Option<Socket>,
}

impl Sockets {
    fn bind(addr: SocketAddr, open: bool, runtime: &Handle) -> io::Result<Self> {
        if cfg!(target_os = "linux") {
            let reserved = bound(addr)?;
            let local = reserved.local_addr()?.as_socket();
            let addr = local.ok_or_else(|| io::Error::other("a TCP socket without an address"))?;
            let listener = if open { Some(listening(addr, runtime)?) } else { None };
            Ok(Self { addr, listener, _reserved: Some(reserved) })
        } else {
            let listener = listening(addr, runtime)?;
            let addr = listener.local_addr()?;
            Ok(Self { addr, listener: open.then_some(listener), _reserved: None })
        }
    }
}

#[derive(Debug)]
pub(crate) struct Door {
    runtime: Handle,
    sockets: Mutex<Sockets>,
    opened: AtomicWaker,
}

impl Door {
    /// Takes the port (0: a free one) and opens, unless it shall stay closed.
    pub(crate) fn new(addr: SocketAddr, open: bool, runtime: Handle) -> io::Result<Self> {
        let sockets = Mutex::new(Sockets::bind(addr, open, &runtime)?);
        Ok(Self { runtime, sockets, opened: AtomicWaker::new() })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.sockets.lock().addr
    }

    pub(crate) fn is_open(&self) -> bool {
        self.sockets.lock().listener.is_some()
    }

    pub(crate) fn open(&self) -> io::Result<()> {
        {
            let mut sockets = self.sockets.lock();
            if sockets.listener.is_none() {
                sockets.listener = Some(listening(sockets.addr, &self.runtime)?);
            }
        }
        self.opened.wake();
        Ok(())
    }

    /// From now on connections are refused, those in the backlog are reset.
    pub(crate) fn close(&self) {
        drop(self.sockets.lock().listener.take());
    }

    /// Takes the sockets that [`Door::replace`] moves to.
    pub(crate) fn prepare(&self, addr: SocketAddr, open: bool) -> io::Result<Sockets> {
        Sockets::bind(addr, open, &self.runtime)
    }

    pub(crate) fn replace(&self, sockets: Sockets) {
        *self.sockets.lock() = sockets;
        self.opened.wake();
    }

    /// Moves to another address; when that can't be had, everything stays as it was.
    pub(crate) fn rebind(&self, addr: SocketAddr, open: bool) -> io::Result<()> {
        {
            let mut sockets = self.sockets.lock();
            *sockets = match Sockets::bind(addr, open, &self.runtime) {
                Err(e) if e.kind() == io::ErrorKind::AddrInUse && addr.port() == sockets.addr.port() => {
                    // Perhaps only this very door is in the way.
                    let was_open = sockets.listener.take().is_some();
                    match Sockets::bind(addr, open, &self.runtime) {
                        Ok(moved) => moved,
                        Err(e) => {
                            if was_open {
                                sockets.listener = Some(listening(sockets.addr, &self.runtime)?);
                            }
                            return Err(e);
                        }
                    }
                }
                moved => moved?,
            };
        }
        self.opened.wake();
        Ok(())
    }

    /// The next connection; pending while closed.
    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.opened.register(cx.waker());
        match &self.sockets.lock().listener {
            Some(listener) => listener.poll_accept(cx),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream as Blocking;

    fn door(open: bool) -> Door {
        Door::new(([127, 0, 0, 1], 0).into(), open, Handle::current()).unwrap()
    }

    #[tokio::test]
    async fn closed_refuses_at_once_and_open_takes_the_same_port_again() {
        let door = door(true);
        let addr = door.addr();
        for _ in 0..20 {
            assert!(Blocking::connect(addr).is_ok());
            door.close();
            assert_eq!(Blocking::connect(addr).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
            door.open().unwrap();
        }
        assert_eq!(door.addr(), addr);
    }

    #[tokio::test]
    async fn a_move_that_fails_leaves_the_door_as_it_was() {
        let (door, other) = (door(true), door(true));
        let addr = door.addr();
        assert!(door.rebind(other.addr(), true).is_err());
        assert_eq!((door.addr(), door.is_open()), (addr, true));
        assert!(Blocking::connect(addr).is_ok());
        door.rebind(([127, 0, 0, 1], 0).into(), true).unwrap();
        assert!(Blocking::connect(door.addr()).is_ok());
        assert_eq!(Blocking::connect(addr).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_port_of_a_closed_door_is_not_handed_out() {
        let door = door(false);
        let others: Vec<_> = (0..200).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        assert!(others.iter().all(|l| l.local_addr().unwrap() != door.addr()));
        door.open().unwrap();
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error() {
        let first = door(true);
        let second = Door::new(first.addr(), true, Handle::current());
        assert_eq!(second.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn an_accept_waiting_at_a_closed_door_wakes_when_it_opens() {
        let door = std::sync::Arc::new(door(false));
        let waiting = tokio::spawn({
            let door = std::sync::Arc::clone(&door);
            async move { std::future::poll_fn(|cx| door.poll_accept(cx)).await.is_ok() }
        });
        tokio::task::yield_now().await;
        door.open().unwrap();
        let _client = TcpStream::connect(door.addr()).await.unwrap();
        assert!(waiting.await.unwrap());
    }
}
