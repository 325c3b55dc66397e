//! Where the folders of worlds are: in memory where the machine has room there, else in the temporary directory.
//!
//! Services flush what they keep before they answer, and a disk that is shared with others takes a second for that now
//! and then: that would be measured in the place of the system. What a process kept outlives it in either.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use nix::unistd::{AccessFlags, access};

/// The file system in memory that programs share.
const MEMORY: &str = "/dev/shm";

/// How much must be free there, in bytes: several database servers, with room to spare.
const ROOM: u64 = 1 << 30;

/// Where a new world's folder is made: where `TMPDIR` says, if it says anything.
pub(crate) fn place() -> PathBuf {
    let memory = Path::new(MEMORY);
    let is_told = std::env::var_os("TMPDIR").is_some();
    if !is_told && is_roomy_memory(memory) { memory.to_owned() } else { std::env::temp_dir() }
}

/// Everywhere that one may be, whoever made it.
pub(crate) fn places() -> BTreeSet<PathBuf> {
    [std::env::temp_dir(), MEMORY.into()].into_iter().filter(|place| place.is_dir()).collect()
}

/// Whether it is a proper path to something below such a place.
pub(crate) fn is_scratch(folder: &Path) -> bool {
    places().iter().any(|place| {
        folder.strip_prefix(place).is_ok_and(|rest| {
            rest.components().next().is_some()
                && rest.components().all(|part| matches!(part, Component::Normal(_)))
        })
    })
}

fn is_roomy_memory(folder: &Path) -> bool {
    let is_writable = access(folder, AccessFlags::W_OK | AccessFlags::X_OK).is_ok();
    is_writable
        && statfs(folder).is_ok_and(|found| {
            let block = u64::try_from(found.block_size()).unwrap_or_default();
            found.filesystem_type() == TMPFS_MAGIC && found.blocks_available().saturating_mul(block) >= ROOM
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_proper_paths_below_a_place_for_folders_are_scratch() {
        let temporary = std::env::temp_dir();
        for place in places() {
            assert!(is_scratch(&place.join("a/b")), "{}", place.display());
        }
        for outside in [
            temporary.clone(),
            temporary.join(".."),
            temporary.join("a/../../etc"),
            MEMORY.into(),
            "/etc".into(),
            "a".into(),
        ] {
            assert!(!is_scratch(&outside), "{}", outside.display());
        }
    }

    #[test]
    fn a_world_is_where_its_folder_is_found_again() {
        assert!(places().contains(&place()));
        assert!(!is_roomy_memory(Path::new("/proc")) && !is_roomy_memory(Path::new("/nowhere")));
    }
}
