//! What this process takes of its machine.

use std::time::Duration;

use crate::ports::ProcessStats;

/// The running process, as Linux tells of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThisProcess;

/// The kernel counts processor time for `/proc` in hundredths of a second, whatever its own clock does.
const TICK: Duration = Duration::from_millis(10);

impl ProcessStats for ThisProcess {
    fn resident_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    }

    fn cpu_time(&self) -> Option<Duration> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The second field is the program's name in parentheses and may hold anything.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_whitespace().skip(11);
        let mut ticks = || fields.next()?.parse::<u32>().ok();
        Some(TICK * ticks()?.saturating_add(ticks()?))
    }

    fn open_files(&self) -> Option<u64> {
        Some(std::fs::read_dir("/proc/self/fd").ok()?.count() as u64)
    }

    fn most_open_files(&self) -> Option<u64> {
        let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
        line.split_whitespace().next()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_process_takes_is_told_where_the_system_tells_it() {
        let there = std::path::Path::new("/proc/self/status").exists();
        let bytes = ThisProcess.resident_bytes();
        assert_eq!(bytes.is_some(), there);
        assert!(bytes.is_none_or(|bytes| bytes > 64 << 10), "{bytes:?}");
        if there {
            let before = ThisProcess.open_files().unwrap();
            let _open: Vec<_> = (0..50).map(|_| std::fs::File::open("/proc/self/stat").unwrap()).collect();
            assert!(ThisProcess.open_files().unwrap() >= before.saturating_sub(before / 2) + 25);
            assert!(ThisProcess.most_open_files().is_none_or(|most| most >= 50));
            let used = ThisProcess.cpu_time().unwrap();
            assert!(used < Duration::from_hours(1), "{used:?}");
        }
    }
}
