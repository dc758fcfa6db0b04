//! Finding the program, and the environment it gets.

use std::{
    collections::BTreeMap,
    ffi::{CString, OsStr, OsString},
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
};

use doorward_policy::Policy;

use super::scratch::Scratch;

const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Why there is no program to run.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// No command was given.
    #[error("no command is given; write it after `--`")]
    None,
    /// It does not exist.
    #[error("{0}: not found; give its path, or pass a PATH that has it in [env]")]
    NotFound(String),
    /// It exists, but is no executable file.
    #[error("{0}: not executable; see its mode bits")]
    NotExecutable(String),
}

/// The variables that the policy passes on and sets.
pub(super) fn environment(policy: &Policy) -> BTreeMap<OsString, OsString> {
    let passed = |name: &OsStr| {
        let name = name.to_string_lossy();
        policy
            .environment
            .pass
            .iter()
            .any(|pattern| matches(pattern, &name))
    };
    let mut environment: BTreeMap<OsString, OsString> = std::env::vars_os()
        .filter(|(name, _)| passed(name))
        .collect();
    for (name, value) in &policy.environment.set {
        environment.insert(name.into(), value.into());
    }
    environment
}

/// A name or a glob with one or more `*`.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        if let Some(between) = last.replace(part) {
            let Some((_, after)) = rest.split_once(between) else {
                return false;
            };
            rest = after;
        }
    }
    match last {
        None => rest.is_empty(),
        Some(end) => rest.ends_with(end),
    }
}

/// The environment as execve(2) takes it.
pub(super) fn block(
    environment: &BTreeMap<OsString, OsString>,
    scratch: &Scratch,
    view: bool,
) -> Vec<CString> {
    let mut environment = environment.clone();
    if let Some(path) = scratch.path() {
        let seen = if view { Path::new("/tmp") } else { path };
        environment.insert("TMPDIR".into(), seen.into());
    }
    environment
        .iter()
        .filter_map(|(name, value)| {
            CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok()
        })
        .collect()
}

/// The program, absolute: as named, or by the PATH that the program itself will see.
pub(super) fn find(
    command: &[OsString],
    environment: &BTreeMap<OsString, OsString>,
) -> Result<CString, ProgramError> {
    let name = command
        .first()
        .filter(|name| !name.is_empty())
        .ok_or(ProgramError::None)?;
    let shown = || name.to_string_lossy().into_owned();
    let candidates: Vec<PathBuf> = if name.as_bytes().contains(&b'/') {
        vec![std::path::absolute(name).map_err(|_| ProgramError::NotFound(shown()))?]
    } else {
        let path = environment
            .get(OsStr::new("PATH"))
            .cloned()
            .unwrap_or_else(|| DEFAULT_PATH.into());
        std::env::split_paths(&path)
            .filter(|entry| entry.is_absolute())
            .map(|entry| entry.join(name))
            .collect()
    };
    let mut found = Err(ProgramError::NotFound(shown()));
    for candidate in candidates {
        match std::fs::metadata(&candidate) {
            Ok(status) if status.is_file() && status.permissions().mode() & 0o111 != 0 => {
                return CString::new(candidate.as_os_str().as_bytes())
                    .map_err(|_| ProgramError::NotFound(shown()));
            }
            Ok(_) => found = Err(ProgramError::NotExecutable(shown())),
            Err(_) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn environment_patterns_match_whole_names() {
        assert!(matches("PATH", "PATH"));
        assert!(!matches("PATH", "PATHS"));
        assert!(matches("LC_*", "LC_ALL"));
        assert!(!matches("LC_*", "XLC_ALL"));
        assert!(matches("A*C", "ABC"));
        assert!(!matches("A*C", "ABCD"));
    }
}
