//! Finding the program, and the environment it gets.

use std::{
    collections::BTreeMap,
    ffi::{CString, OsStr, OsString},
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
};

use doorward_policy::{AbsName, Policy, Question};

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
    /// It is linked statically, and the trap front was asked for.
    #[error(
        "{0}: linked statically, so that nothing can be loaded into it; run it with --front notify"
    )]
    Static(String),
    /// Its loader is not the one that the library of the trap front is made for.
    #[error(
        "{path}: its loader is {loader}, and the library of the trap front is made for that of the GNU C library; run it with --front notify"
    )]
    Loader {
        /// The program.
        path: String,
        /// The loader that it names.
        loader: String,
    },
    /// No exec rule of the policy takes it.
    #[error("{path}: not allowed: {reason}; to allow it, {change} in the policy")]
    NotAllowed {
        /// The file that the command names.
        path: String,
        /// Why.
        reason: &'static str,
        /// What would change it.
        change: String,
    },
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

/// The program, absolute: as named, or by the PATH that the program itself will see. Like
/// execvp(3), the search goes on behind what may not be executed, by its mode or the policy.
pub(super) fn find(
    command: &[OsString],
    environment: &BTreeMap<OsString, OsString>,
    policy: &Policy,
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
    let mut failure = ProgramError::NotFound(shown());
    for candidate in candidates {
        match (judge(&candidate, policy), &failure) {
            (Ok(()), _) => {
                return CString::new(candidate.as_os_str().as_bytes())
                    .map_err(|_| ProgramError::NotFound(shown()));
            }
            (Err(ProgramError::NotFound(_)), _) | (Err(_), ProgramError::NotAllowed { .. }) => {}
            (Err(worse), _) => failure = worse,
        }
    }
    Err(failure)
}

/// Whether a file may be the program. Rules name the file that links lead to, as they do
/// when the sandboxee executes something.
fn judge(candidate: &Path, policy: &Policy) -> Result<(), ProgramError> {
    let shown = || candidate.display().to_string();
    let absent = |_| ProgramError::NotFound(shown());
    let real = candidate.canonicalize().map_err(absent)?;
    let status = real.metadata().map_err(absent)?;
    if !status.is_file() || status.permissions().mode() & 0o111 == 0 {
        return Err(ProgramError::NotExecutable(shown()));
    }
    let name =
        AbsName::parse(real.as_os_str().as_bytes()).map_err(|_| ProgramError::NotFound(shown()))?;
    let explanation = policy.explain(&Question::Exec(name), &[]);
    if explanation.verdict.is_allow() {
        return Ok(());
    }
    Err(ProgramError::NotAllowed {
        path: shown(),
        reason: explanation.reason,
        change: explanation.change,
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path};

    use doorward_policy::{Expansion, Policy};

    use super::{ProgramError, find, matches};

    fn place(directory: &Path, name: &str, mode: u32) -> String {
        fs::create_dir_all(directory).unwrap();
        let path = directory.join(name);
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    #[test]
    fn the_search_goes_on_behind_what_may_not_be_executed() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let [plain, refused, allowed] = ["plain", "refused", "allowed"].map(|name| root.join(name));
        place(&plain, "tool", 0o644);
        let other = place(&refused, "tool", 0o755);
        let wanted = place(&allowed, "tool", 0o755);
        let document = format!("version = 1\n[exec]\nallow = [\"{wanted}\"]\n");
        let loaded = Policy::parse(&document, "t", Path::new("/"), &Expansion::default());
        let policy = loaded.unwrap().policy;
        let search = |directories: &[&Path], command: &str| {
            let path = std::env::join_paths(directories).unwrap();
            let environment = BTreeMap::from([("PATH".into(), path)]);
            find(&[command.into()], &environment, &policy)
        };
        let found = search(&[&plain, &refused, &allowed], "tool").unwrap();
        assert_eq!(found.to_str().unwrap(), wanted);
        let error = search(&[&plain, &refused], "tool").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "{other}: not allowed: no rule of the policy names it; to allow it, add \"{other}\" to exec.allow in the policy"
            )
        );
        assert!(matches!(
            search(&[&plain], "tool"),
            Err(ProgramError::NotExecutable(_))
        ));
        assert!(matches!(
            search(&[&allowed], "none"),
            Err(ProgramError::NotFound(_))
        ));
        assert!(matches!(
            search(&[], &other),
            Err(ProgramError::NotAllowed { .. })
        ));
        std::os::unix::fs::symlink(&wanted, plain.join("link")).unwrap();
        assert!(search(&[&plain], "link").is_ok());
    }

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
