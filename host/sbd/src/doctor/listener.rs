//! Who listens on a port of this machine, as far as one may see.

use std::fs;
use std::path::Path;

/// A process.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) process: u32,
    /// What it is called.
    pub(super) name: String,
}

/// The process that listens on a port.
pub(super) fn of(port: u16) -> Option<Listener> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].iter();
    let sockets: Vec<String> = tables
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening(&table, port))
        .collect();
    let entries = fs::read_dir("/proc").ok()?.flatten();
    let mut processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes.find_map(|process: u32| {
        let folder = Path::new("/proc").join(process.to_string());
        let mut open = fs::read_dir(folder.join("fd")).ok()?.flatten();
        let is_one = |target: &Path| sockets.iter().any(|socket| target == Path::new(socket));
        open.find(|file| fs::read_link(file.path()).is_ok_and(|target| is_one(&target)))?;
        let name = fs::read_to_string(folder.join("comm")).ok()?;
        Some(Listener {
            process,
            name: name.trim().to_owned(),
        })
    })
}

/// The sockets in a table of the kernel that listen on a port, as the files of a process name them.
fn listening(table: &str, port: u16) -> Vec<String> {
    const LISTENS: &str = "0A";
    let at = format!(":{port:04X}");
    let found = table.lines().skip(1).filter_map(|line| {
        let mut columns = line.split_whitespace();
        let (address, state) = (columns.nth(1)?, columns.nth(1)?);
        let inode = columns.nth(5)?;
        (address.ends_with(&at) && state == LISTENS).then(|| format!("socket:[{inode}]"))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_listener_is_found_by_its_port() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = std::net::TcpListener::bind(address) else {
                // Not every machine has both kinds of addresses.
                continue;
            };
            let port = listener.local_addr().unwrap().port();
            assert_eq!(of(port).unwrap().process, std::process::id());
            drop(listener);
            assert!(of(port).is_none_or(|other| other.process != std::process::id()));
        }
    }
}
