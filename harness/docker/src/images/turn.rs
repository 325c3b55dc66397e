//! One process at a time makes an image of a name; the next finds it there.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::ImageError;

/// Waits for the turn, and has it until the file is dropped.
pub(super) async fn take(name: &str) -> Result<File, ImageError> {
    let path = lock_path(&std::env::temp_dir(), name);
    let lock = |path: PathBuf| -> Result<File, ImageError> {
        let take = || {
            let file = File::options().create(true).truncate(false).write(true).open(&path)?;
            file.lock()?;
            Ok(file)
        };
        take().map_err(|why| ImageError::Lock { path: path.clone(), why })
    };
    let place = path.clone();
    tokio::task::spawn_blocking(move || lock(place))
        .await
        .unwrap_or_else(|join| Err(ImageError::Lock { path, why: std::io::Error::other(join) }))
}

/// One file for each user: another's could not be opened.
fn lock_path(folder: &Path, name: &str) -> PathBuf {
    let user = std::fs::metadata("/proc/self").map_or(0, |me| me.uid());
    folder.join(format!("chaos-image-{name}-{user}.lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_one_at_a_time_has_the_turn() {
        let name = format!("test-{}", std::process::id());
        let first = take(&name).await.unwrap();
        let path = lock_path(&std::env::temp_dir(), &name);
        assert!(File::open(&path).unwrap().try_lock().is_err());
        drop(first);
        drop(take(&name).await.unwrap());
        std::fs::remove_file(path).unwrap();
    }
}
