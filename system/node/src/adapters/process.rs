//! What this process takes of its machine.

use crate::ports::ProcessStats;

/// The running process, as Linux tells of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThisProcess;

impl ProcessStats for ThisProcess {
    fn resident_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_where_the_system_tells_it() {
        let bytes = ThisProcess.resident_bytes();
        assert_eq!(bytes.is_some(), std::path::Path::new("/proc/self/status").exists());
        assert!(bytes.is_none_or(|bytes| bytes > 64 << 10), "{bytes:?}");
    }
}
