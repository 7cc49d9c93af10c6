//! Free loopback ports.
//!
//! They lie below the range that systems give to outgoing connections, so none of these takes a port between its being
//! found free and being listened on, nor while a server is down for a restart.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

const FIRST: u32 = 12_000;
const COUNT: u32 = 20_000;

/// `N` different ports that nothing listens on at 127.0.0.1. No two calls in a process give the same.
///
/// # Errors
/// Where the machine has no port left.
pub fn free_ports<const N: usize>() -> io::Result<[u16; N]> {
    let mut ports = [0; N];
    for port in &mut ports {
        *port = free_port()?;
    }
    Ok(ports)
}

/// One port that nothing listens on at 127.0.0.1. No two calls in a process give the same.
///
/// # Errors
/// Where the machine has no port left.
pub fn free_port() -> io::Result<u16> {
    // Test processes that run at once begin far from each other.
    static NEXT: LazyLock<AtomicU32> = LazyLock::new(|| AtomicU32::new(std::process::id().wrapping_mul(211)));
    (0..COUNT)
        .map(|_| FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT)
        .filter_map(|port| u16::try_from(port).ok())
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::AddrNotAvailable, "no free port at 127.0.0.1"))
}
