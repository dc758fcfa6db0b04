//! `${CWD}`, `${HOME}` and `${UID}`, expanded by the host; in patterns the value is
//! escaped, so that a directory called `[x]` means itself.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::document::spelling::did_you_mean;

/// The values of the words that a document may leave to the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expansion {
    /// `${CWD}`: the directory doorward was started in.
    pub cwd: Option<PathBuf>,
    /// `${HOME}`: the host user's home.
    pub home: Option<PathBuf>,
    /// `${UID}`: the host user's number.
    pub uid: u32,
}

const KNOWN: [&str; 3] = ["${CWD}", "${HOME}", "${UID}"];

/// Why a text cannot be expanded: the message and the help.
pub(crate) type Bad = (String, Option<String>);

impl Expansion {
    /// The values of this process: its directory, `$HOME` and real user.
    pub fn of_process(uid: u32) -> Self {
        Self {
            cwd: std::env::current_dir().ok(),
            home: std::env::var_os("HOME")
                .map(PathBuf::from)
                .filter(|home| home.is_absolute()),
            uid,
        }
    }

    /// The current directory, if a profile should not give it as a whole: the root, a
    /// parent of other people's directories, or part of the running system.
    pub(crate) fn unfit_directory(&self) -> Option<String> {
        let cwd = self.cwd.as_ref()?;
        let system = ["/boot", "/dev", "/etc", "/proc", "/run", "/sys"];
        let whole = ["/", "/home", "/var", "/var/lib", "/tmp", "/var/tmp"]
            .iter()
            .any(|name| cwd.as_os_str() == *name);
        (whole || system.iter().any(|name| cwd.starts_with(name)))
            .then(|| cwd.display().to_string())
    }

    fn value(&self, word: &str) -> Result<Vec<u8>, Bad> {
        let path = |path: &Option<PathBuf>, word: &str| match path {
            Some(path) if path.is_absolute() => Ok(path.as_os_str().as_bytes().to_vec()),
            Some(_) => Err((
                format!("the value of `{word}` is not an absolute path"),
                None,
            )),
            None => Err((
                format!("`{word}` is not known here"),
                Some("write the path itself".to_owned()),
            )),
        };
        match word {
            "${CWD}" => path(&self.cwd, word),
            "${HOME}" => path(&self.home, word),
            "${UID}" => Ok(self.uid.to_string().into_bytes()),
            _ => {
                let help = did_you_mean(word, KNOWN)
                    .unwrap_or_else(|| format!("known are {}", KNOWN.join(", ")));
                Err((
                    format!("`{word}` is not a word doorward expands"),
                    Some(help),
                ))
            }
        }
    }

    fn expand(&self, text: &str, escape: bool) -> Result<Vec<u8>, Bad> {
        let mut out = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            out.extend_from_slice(before.as_bytes());
            let Some((word, after)) = after.split_once('}') else {
                return Err((
                    "`${` is not closed".to_owned(),
                    Some("write `${CWD}`".to_owned()),
                ));
            };
            for byte in self.value(&format!("${{{word}}}"))? {
                if escape && b"*?[]{}\\".contains(&byte) {
                    out.push(b'\\');
                }
                out.push(byte);
            }
            rest = after;
        }
        out.extend_from_slice(rest.as_bytes());
        Ok(out)
    }

    /// Expands a pattern; values are escaped.
    pub(crate) fn pattern(&self, text: &str) -> Result<Vec<u8>, Bad> {
        self.expand(text, true)
    }

    /// Expands plain text.
    pub(crate) fn text(&self, text: &str) -> Result<Vec<u8>, Bad> {
        self.expand(text, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_in_patterns_only() {
        let expansion = Expansion {
            cwd: Some("/tmp/a*[b]".into()),
            home: None,
            uid: 7,
        };
        assert_eq!(
            expansion.pattern("${CWD}/**").unwrap(),
            b"/tmp/a\\*\\[b\\]/**"
        );
        assert_eq!(expansion.text("${CWD}/x").unwrap(), b"/tmp/a*[b]/x");
        assert_eq!(
            expansion.text("/run/user/${UID}/bus").unwrap(),
            b"/run/user/7/bus"
        );
        assert!(
            expansion
                .text("${HOME}/x")
                .unwrap_err()
                .0
                .contains("${HOME}")
        );
        let (_, help) = expansion.text("${PWD}/x").unwrap_err();
        assert_eq!(help.as_deref(), Some("did you mean `${CWD}`?"));
        assert!(expansion.text("${CWD").is_err());
        assert_eq!(expansion.text("$5").unwrap(), b"$5");
    }
}
