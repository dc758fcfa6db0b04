//! What `builtin:default` keeps out of reach, by canaries beside what it grants.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use doorward_tests::Level;

use crate::place::Place;

/// A file with a text of its own, removed with the directories made for it.
struct Canary {
    path: PathBuf,
    made: Vec<PathBuf>,
    secret: String,
}

impl Canary {
    fn in_directory(directory: &str, number: usize) -> Self {
        let secret = format!("canary-{number}-{}", std::process::id());
        let path = PathBuf::from(directory).join(format!("doorward-{secret}"));
        let missing = |path: &&std::path::Path| !path.exists();
        let made = path
            .ancestors()
            .skip(1)
            .take_while(missing)
            .map(Into::into)
            .collect();
        fs::create_dir_all(directory).unwrap();
        fs::write(&path, &secret).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        Self { path, made, secret }
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.path);
        for directory in &self.made {
            let _gone = fs::remove_dir(directory);
        }
    }
}

#[test]
fn canaries_are_denied_where_the_user_could_read_them() {
    let directories = [
        "/etc/ssl/private",
        "/root",
        "/home",
        "/var",
        "/var/lib",
        "/run",
        "/etc",
    ];
    let canaries: Vec<Canary> = directories
        .iter()
        .enumerate()
        .map(|(number, directory)| Canary::in_directory(directory, number))
        .collect();
    let mut files: Vec<(String, String)> = canaries
        .iter()
        .map(|canary| (canary.path.display().to_string(), canary.secret.clone()))
        .collect();
    for file in ["/proc/1/status", "/sys/kernel/cpu_byteorder", "/etc/shadow"] {
        let text = fs::read_to_string(file).unwrap();
        let line = text.lines().next().unwrap().to_owned();
        files.push((file.to_owned(), line));
    }
    for level in Level::ALL {
        let place = Place::of(level);
        place.file("granted", "granted content", 0o644);
        let read = |file: &str| place.doorward(&["run", "--", "/bin/cat", file]);
        let mut readable = 0;
        for (file, secret) in &files {
            let native = place.native("/bin/cat").arg(file).output().unwrap();
            if String::from_utf8_lossy(&native.stdout).contains(secret) {
                readable += 1;
            }
            let said = read(file).ended(1);
            assert!(!said.out.contains(secret), "{file} was read: {said:#?}");
            said.complained(&["Permission denied", "1 operation was denied"]);
        }
        // The control: without doorward this user reads most of them.
        let root = matches!(level, Level::Root | Level::Nested);
        let least = if root { files.len() } else { 6 };
        assert!(readable >= least, "{level} reads {readable} natively");
        let granted = read("granted").ended(0);
        assert_eq!(
            (granted.out.as_str(), granted.err.as_str()),
            ("granted content", "")
        );
        let own = read("/proc/self/status").ended(0);
        assert!(own.out.starts_with("Name:\tcat\n"), "{own:#?}");
    }
}
