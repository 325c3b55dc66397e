//! Lines appended to a file: whole, synced, or not there at all.

use std::fs::File;
use std::io::{self, Write as _};

/// What lines are appended to.
pub(super) trait Medium {
    /// Writes all bytes at the end, or fails with any number of them written.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns when what was appended survives the process.
    fn sync(&mut self) -> io::Result<()>;
    /// Drops everything after the first `length` bytes.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

/// A file opened for appending.
impl Medium for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

/// Appends lines, and takes back what a full disk left of one.
#[derive(Debug)]
pub(super) struct Lines<M> {
    medium: M,
    whole_bytes: u64,
    torn: bool,
}

impl<M: Medium> Lines<M> {
    /// Goes on after the first `whole_bytes`; what follows them is the rest of a line that was cut.
    pub(super) fn after(mut medium: M, whole_bytes: u64) -> io::Result<Self> {
        medium.cut(whole_bytes)?;
        Ok(Self { medium, whole_bytes, torn: false })
    }

    /// Goes on where a medium is that can't be cut.
    #[cfg(test)]
    pub(super) fn on(medium: M) -> Self {
        Self { medium, whole_bytes: 0, torn: false }
    }

    /// Appends a line, which ends with a newline, and returns when it is on disk.
    pub(super) fn push(&mut self, line: &[u8]) -> io::Result<()> {
        if self.torn {
            return Err(io::Error::other("an earlier line was written in part and could not be taken back"));
        }
        match self.medium.append(line).and_then(|()| self.medium.sync()) {
            Ok(()) => {
                self.whole_bytes += line.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.torn = self.medium.cut(self.whole_bytes).is_err();
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A disk that is full at times: it takes part of what is written.
    struct Full {
        bytes: Vec<u8>,
        takes: Option<usize>,
        cuts: bool,
    }

    impl Medium for Full {
        fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
            let taken = self.takes.unwrap_or(bytes.len()).min(bytes.len());
            self.bytes.extend_from_slice(&bytes[..taken]);
            if self.takes.is_some() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }

        fn sync(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn cut(&mut self, length: u64) -> io::Result<()> {
            if !self.cuts {
                return Err(io::ErrorKind::ReadOnlyFilesystem.into());
            }
            self.bytes.truncate(length as usize);
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn on_disk_are_the_lines_that_were_acknowledged_and_no_part_of_another(
            pushes in proptest::collection::vec(proptest::option::of(0usize..4), 0..12),
        ) {
            let mut lines = Lines::after(Full { bytes: b"old\nto".to_vec(), takes: None, cuts: true }, 4).unwrap();
            let mut expected = b"old\n".to_vec();
            for takes in pushes {
                lines.medium.takes = takes;
                if lines.push(b"new\n").is_ok() {
                    expected.extend_from_slice(b"new\n");
                }
                prop_assert_eq!(&lines.medium.bytes, &expected);
            }
        }
    }

    #[test]
    fn after_a_part_that_can_not_be_taken_back_nothing_is_appended_to_it() {
        let medium = Full { bytes: Vec::new(), takes: None, cuts: true };
        let mut lines = Lines::after(medium, 0).unwrap();
        (lines.medium.takes, lines.medium.cuts) = (Some(2), false);
        assert_eq!(lines.push(b"new\n").unwrap_err().kind(), io::ErrorKind::StorageFull);
        lines.medium.takes = None;
        assert!(lines.push(b"new\n").is_err());
        assert_eq!(lines.medium.bytes, b"ne");
    }
}
