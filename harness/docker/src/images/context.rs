//! The build context: a Dockerfile and the files to copy, as a tar archive in a file of its own.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek as _, Write as _};
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;
use tar::{Archive, Builder, EntryType, Header};

use super::closure::Root;
use super::recipe::Recipe;

/// The folder whose content is root's.
pub(super) const ROOT: &str = "rootfs";
/// Names are looked up in the hosts file first, then by DNS, as everywhere else.
const NSSWITCH: &str = "hosts: files dns\n";

/// The folder of an unpacked archive, by its place in the recipe.
pub(super) fn owned(at: usize) -> String {
    format!("owned/{at}")
}

/// Packs the context, to be read from its beginning: the same bytes for the same content. `archives` are the
/// fetched files of the recipe's `maven`, in its order.
pub(super) fn pack(dockerfile: &str, recipe: &Recipe, root: &Root, archives: &[PathBuf]) -> io::Result<File> {
    let mut context = Builder::new(BufWriter::new(tempfile::tempfile()?));
    put(&mut context, Path::new("Dockerfile"), EntryType::Regular, 0o644, dockerfile.as_bytes())?;
    put(&mut context, Path::new(&format!("{ROOT}/")), EntryType::Directory, 0o755, &[])?;
    if recipe.build.debian.is_none() {
        let inside = |path| Path::new(ROOT).join(path);
        put(&mut context, &inside("etc/nsswitch.conf"), EntryType::Regular, 0o644, NSSWITCH.as_bytes())?;
        put(&mut context, &inside("tmp/"), EntryType::Directory, 0o1777, &[])?;
    }
    let place = |path: &Path| Path::new(ROOT).join(path.strip_prefix("/").unwrap_or(path));
    for (path, content) in &root.files {
        put(&mut context, &place(path), EntryType::Regular, 0o755, content)?;
    }
    for file in &recipe.build.file {
        let mode = if file.executable { 0o755 } else { 0o644 };
        put(&mut context, &place(Path::new(&file.to)), EntryType::Regular, mode, file.content.as_bytes())?;
    }
    for (at, archive) in archives.iter().enumerate() {
        unpack(archive, Path::new(&owned(at)), &mut context)?;
    }
    let mut file = context.into_inner()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.flush()?;
    file.rewind()?;
    Ok(file)
}

fn put(
    context: &mut Builder<impl io::Write>,
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
    context.append_data(&mut header, path, content)
}

/// Copies an archive's entries to below `folder`, without the one folder that holds them all.
fn unpack(archive: &Path, folder: &Path, context: &mut Builder<impl io::Write>) -> io::Result<()> {
    let odd = |path: &Path| io::Error::other(format!("{}: no entry that can be unpacked", path.display()));
    put(context, &folder.join(""), EntryType::Directory, 0o755, &[])?;
    let mut archive = Archive::new(GzDecoder::new(BufReader::new(File::open(archive)?)));
    for entry in archive.entries()? {
        let entry = entry?;
        let path = entry.path()?.into_owned();
        let mut parts = path.components().filter(|part| *part != Component::CurDir);
        let top = parts.next();
        if top.into_iter().chain(parts.clone()).any(|part| !matches!(part, Component::Normal(_))) {
            return Err(odd(&path));
        }
        let inner: PathBuf = parts.collect();
        if inner.as_os_str().is_empty() {
            continue;
        }
        let mut header = entry.header().clone();
        match header.entry_type() {
            EntryType::Directory => {
                context.append_data(&mut header, folder.join(inner).join(""), io::empty())?;
            }
            EntryType::Regular => {
                context.append_data(&mut header, folder.join(inner), entry)?;
            }
            EntryType::Symlink => {
                let to = entry.link_name()?.ok_or_else(|| odd(&path))?.into_owned();
                context.append_link(&mut header, folder.join(inner), to)?;
            }
            _ => return Err(odd(&path)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read;

    use super::super::recipe::tests::{KEYCLOAK, OPA};
    use super::*;

    fn content(mut file: File) -> Vec<u8> {
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        content
    }

    fn entries(packed: &[u8]) -> BTreeMap<String, (u32, String)> {
        let mut archive = Archive::new(packed);
        let read = |entry: io::Result<tar::Entry<'_, &[u8]>>| {
            let mut entry = entry.unwrap();
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            (entry.path().unwrap().display().to_string(), (entry.header().mode().unwrap(), content))
        };
        archive.entries().unwrap().map(read).collect()
    }

    #[test]
    fn the_archive_holds_every_file_where_the_image_needs_it() {
        let recipe = Recipe::parse(OPA).unwrap();
        let root =
            Root { files: vec![("/lib/x.so".into(), b"lib".to_vec()), ("/p".into(), b"prog".to_vec())] };
        let packed = || content(pack("FROM scratch\n", &recipe, &root, &[]).unwrap());
        assert_eq!(packed(), packed());
        let found = entries(&packed());
        assert_eq!(found["Dockerfile"], (0o644, "FROM scratch\n".into()));
        assert_eq!(found["rootfs/p"], (0o755, "prog".into()));
        assert_eq!(found["rootfs/lib/x.so"], (0o755, "lib".into()));
        assert_eq!(found["rootfs/tmp/"].0, 0o1777);
    }

    fn gzipped(entries: &[(&str, EntryType, &str)]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let gz = flate2::write::GzEncoder::new(file.reopen().unwrap(), flate2::Compression::fast());
        let mut archive = Builder::new(gz);
        for (path, kind, text) in entries {
            let mut header = Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o750);
            header.set_size(0);
            // As it is: a path that leads out can't be said otherwise.
            header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
            if *kind == EntryType::Regular {
                header.set_size(text.len() as u64);
            } else if *kind != EntryType::Directory {
                header.set_link_name(text).unwrap();
            }
            header.set_cksum();
            archive.append(&header, if *kind == EntryType::Regular { text.as_bytes() } else { b"" }).unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap();
        file
    }

    #[test]
    fn an_archive_is_unpacked_without_its_top_folder() {
        let recipe = Recipe::parse(KEYCLOAK).unwrap();
        let archive = gzipped(&[
            ("kc-1/", EntryType::Directory, ""),
            ("kc-1/bin/", EntryType::Directory, ""),
            ("kc-1/bin/kc.sh", EntryType::Regular, "#!/bin/sh"),
            ("./kc-1/link", EntryType::Symlink, "bin/kc.sh"),
        ]);
        let root = Root { files: Vec::new() };
        let packed = pack("", &recipe, &root, &[archive.path().to_owned()]).unwrap();
        let found = entries(&content(packed));
        assert_eq!(found["owned/0/bin/kc.sh"], (0o750, "#!/bin/sh".into()));
        assert!(found.contains_key("owned/0/link") && found.contains_key("owned/0/bin/"), "{found:?}");
        assert!(!found.contains_key("rootfs/etc/nsswitch.conf"), "the distribution has its own");
    }

    #[test]
    fn an_entry_that_leads_out_or_is_no_file_is_refused() {
        let recipe = Recipe::parse(KEYCLOAK).unwrap();
        for bad in
            [("kc/../../x", EntryType::Regular), ("/kc/x", EntryType::Regular), ("kc/x", EntryType::Link)]
        {
            let archive = gzipped(&[(bad.0, bad.1, "y")]);
            let packed = pack("", &recipe, &Root { files: Vec::new() }, &[archive.path().to_owned()]);
            assert!(packed.is_err(), "{bad:?}");
        }
    }
}
