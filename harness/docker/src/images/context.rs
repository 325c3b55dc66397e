//! The build context: a Dockerfile and the root file system, as a tar archive in memory.

use std::io;
use std::path::Path;

use tar::{Builder, EntryType, Header};

use super::closure::Root;

/// Names are looked up in the hosts file first, then by DNS, as everywhere else.
const NSSWITCH: &str = "hosts: files dns\n";

/// Packs the archive: the same bytes for the same content.
pub(super) fn tar(dockerfile: &str, root: &Root) -> io::Result<Vec<u8>> {
    let mut archive = Builder::new(Vec::new());
    file(&mut archive, Path::new("Dockerfile"), 0o644, dockerfile.as_bytes())?;
    file(&mut archive, Path::new("rootfs/etc/nsswitch.conf"), 0o644, NSSWITCH.as_bytes())?;
    entry(&mut archive, Path::new("rootfs/tmp/"), EntryType::Directory, 0o1777, &[])?;
    for (path, content) in &root.files {
        let inside = Path::new("rootfs").join(path.strip_prefix("/").unwrap_or(path));
        file(&mut archive, &inside, 0o755, content)?;
    }
    archive.into_inner()
}

fn file(archive: &mut Builder<Vec<u8>>, path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    entry(archive, path, EntryType::Regular, mode, content)
}

fn entry(
    archive: &mut Builder<Vec<u8>>,
    path: &Path,
    kind: EntryType,
    mode: u32,
    content: &[u8],
) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(0);
    header.set_size(content.len() as u64);
    archive.append_data(&mut header, path, content)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read;

    use super::*;

    #[test]
    fn the_archive_holds_every_file_where_the_image_needs_it() {
        let root =
            Root { files: vec![("/lib/x.so".into(), b"lib".to_vec()), ("/p".into(), b"prog".to_vec())] };
        let packed = tar("FROM scratch\n", &root).unwrap();
        assert_eq!(packed, tar("FROM scratch\n", &root).unwrap());
        let mut archive = tar::Archive::new(packed.as_slice());
        let found: BTreeMap<_, _> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut content = String::new();
                entry.read_to_string(&mut content).unwrap();
                (entry.path().unwrap().display().to_string(), (entry.header().mode().unwrap(), content))
            })
            .collect();
        assert_eq!(found["Dockerfile"], (0o644, "FROM scratch\n".into()));
        assert_eq!(found["rootfs/p"], (0o755, "prog".into()));
        assert_eq!(found["rootfs/lib/x.so"], (0o755, "lib".into()));
        assert_eq!(found["rootfs/tmp/"].0, 0o1777);
    }
}
