//! The library that takes a program's calls by the trap front.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::File,
    os::unix::{ffi::OsStrExt, fs::FileExt},
    path::{Path, PathBuf},
};

use doorward_policy::{AbsName, Policy};

use super::{HostError, ProgramError};

const FILE: &str = "libdoorward_preload.so";
const VARIABLE: &str = "LD_PRELOAD";
/// The loader of the GNU C library.
const LOADER: &str = "/ld-linux-x86-64.so.2";
/// Bytes of the header of a program, of one of its entries, and of the longest name of a loader.
const HEADER: usize = 64;
const ENTRY: usize = 56;
const LONGEST: u64 = 4096;

/// Has the program load it: names it before what else is to be loaded, and lets it be read.
pub(super) fn add(
    program: &Path,
    environment: &mut BTreeMap<OsString, OsString>,
    policy: &mut Policy,
) -> Result<(), HostError> {
    loadable(program)?;
    let library = find().ok_or(HostError::Preload(FILE))?;
    let name = AbsName::parse(library.as_os_str().as_bytes())
        .ok()
        // The loader takes both for the end of a name.
        .filter(|name| !name.as_bytes().iter().any(|byte| b" :".contains(byte)))
        .filter(|name| policy.read_also(name).is_some());
    name.ok_or(HostError::Preload(FILE))?;
    let mut all = library.into_os_string();
    if let Some(others) = environment.get(&OsString::from(VARIABLE)) {
        all.push(":");
        all.push(others);
    }
    environment.insert(VARIABLE.into(), all);
    Ok(())
}

/// Where it lies: beside this executable, or in the `lib` beside that one's directory.
fn find() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    let directory = own.parent()?;
    [directory.join(FILE), directory.join("../lib").join(FILE)]
        .iter()
        .find_map(|path| path.canonicalize().ok())
}

/// Refuses a program of ELF into which nothing can be loaded. Of what cannot be read, exec tells.
fn loadable(program: &Path) -> Result<(), ProgramError> {
    let path = program.display().to_string();
    match loader(program) {
        None => Ok(()),
        Some(None) => Err(ProgramError::Static(path)),
        Some(Some(loader)) if loader.ends_with(LOADER) => Ok(()),
        Some(Some(loader)) => Err(ProgramError::Loader { path, loader }),
    }
}

/// The loader that a program of ELF names, if it is such a program, and if it names one.
fn loader(program: &Path) -> Option<Option<String>> {
    const INTERPRETER: u32 = 3;
    let file = File::open(program).ok()?;
    let mut header = [0; HEADER];
    file.read_exact_at(&mut header, 0).ok()?;
    if !header.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let start = u64::from_le_bytes(part(&header, 32)?);
    let count = u16::from_le_bytes(part(&header, 56)?);
    for index in 0..u64::from(count) {
        let mut entry = [0; ENTRY];
        let at = index.saturating_mul(56).saturating_add(start);
        file.read_exact_at(&mut entry, at).ok()?;
        if u32::from_le_bytes(part(&entry, 0)?) != INTERPRETER {
            continue;
        }
        let length = u64::from_le_bytes(part(&entry, 32)?);
        let mut name = vec![0; usize::try_from(length.min(LONGEST)).ok()?];
        file.read_exact_at(&mut name, u64::from_le_bytes(part(&entry, 8)?))
            .ok()?;
        let name = String::from_utf8_lossy(&name);
        return Some(Some(name.trim_end_matches('\0').to_owned()));
    }
    Some(None)
}

/// Bytes of something, from there on.
fn part<const N: usize>(of: &[u8], at: usize) -> Option<[u8; N]> {
    of.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A program of ELF with one entry of this kind, and the name of a loader behind it.
    fn program(kind: u32) -> tempfile::NamedTempFile {
        let name = b"/lib/ld-musl-x86_64.so.1\0";
        let mut bytes = vec![0; HEADER + ENTRY];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[32] = 64;
        bytes[56] = 1;
        bytes[64..68].copy_from_slice(&kind.to_le_bytes());
        bytes[72] = 120;
        bytes[96] = u8::try_from(name.len()).unwrap();
        bytes.extend(name);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    #[test]
    fn what_nothing_can_be_loaded_into_is_refused() {
        assert!(loadable(Path::new("/usr/bin/cat")).is_ok());
        let plain = loadable(program(1).path());
        assert!(matches!(plain, Err(ProgramError::Static(_))), "{plain:?}");
        let other = loadable(program(3).path()).unwrap_err();
        assert!(other.to_string().contains("ld-musl-x86_64"), "{other}");
        let script = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(script.path(), "#!/bin/sh\n").unwrap();
        assert!(loadable(script.path()).is_ok());
    }
}
