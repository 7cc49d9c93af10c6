//! What a process costs, as Linux tells it.

use anyhow::Context as _;

/// Memory of a process in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Resident now.
    pub(crate) now: u64,
    /// The most that was ever resident.
    pub(crate) peak: u64,
}

/// Memory of a process.
pub(crate) fn memory(pid: u32) -> anyhow::Result<Memory> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("{path}: memory is told on Linux only"))?;
    Ok(Memory { now: kib(&status, "VmRSS:")? * 1024, peak: kib(&status, "VmHWM:")? * 1024 })
}

fn kib(status: &str, field: &str) -> anyhow::Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field)).with_context(|| format!("no {field}"))?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        let status = "Name:\tx\nVmHWM:\t   12345 kB\nVmRSS:\t    1234 kB\n";
        assert_eq!((kib(status, "VmHWM:").unwrap(), kib(status, "VmRSS:").unwrap()), (12_345, 1_234));
        assert!(kib(status, "VmSwap:").is_err());
    }
}
