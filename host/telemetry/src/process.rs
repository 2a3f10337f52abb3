//! What the operating system says about this process.

/// Resident memory of this process in bytes: `VmRSS` of `/proc/self/status`, which counts in KiB
/// and so needs no page size. `None` where there is no such file.
pub(crate) fn resident_bytes() -> Option<u64> {
    parse_resident(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn parse_resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::parse_resident;

    #[test]
    fn reads_the_resident_line() {
        let status = "Name:\tsbd\nVmSize:\t  999 kB\nVmRSS:\t   1234 kB\nThreads:\t3\n";
        assert_eq!(parse_resident(status), Some(1234 * 1024));
        assert_eq!(parse_resident("Name:\tsbd\n"), None);
        assert_eq!(parse_resident("VmRSS:\tmany kB\n"), None);
    }
}
