//! doorward built without one of its defences.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Builds the command with `--cfg doorward_control="NAME"` and tells where it is. The
/// libraries it uses are built once for all controls, in a target directory of their own.
///
/// # Panics
/// When it cannot be built.
#[must_use]
pub fn control(name: &str) -> PathBuf {
    control_of(name, "doorward", "doorward")
}

/// As [`control`], of a program of another package of this workspace.
///
/// # Panics
/// When it cannot be built.
#[must_use]
pub fn control_of(name: &str, package: &str, program: &str) -> PathBuf {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = root.join("target/control");
    let place = target.join(name);
    std::fs::create_dir_all(&place).expect("the target directory can be written");
    // cargo tells builds of the workspace apart by the path of this wrapper.
    let wrapper = place.join("rustc");
    let script = format!(
        "#!/bin/sh\nexec \"$@\" --cfg doorward_control --cfg 'doorward_control=\"{name}\"'\n"
    );
    if std::fs::read_to_string(&wrapper).ok().as_deref() != Some(script.as_str()) {
        std::fs::write(&wrapper, script).expect("the target directory can be written");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&wrapper, mode).expect("its mode can be set");
    }
    let wrapper = wrapper.canonicalize().expect("it was just written");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--locked", "--package", package, "--bin", program])
        .arg("--target-dir")
        .arg(&target)
        .current_dir(&root)
        .env("RUSTC_WORKSPACE_WRAPPER", wrapper)
        .output()
        .expect("cargo can be run");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "control {name}: {error}");
    let built = place.join(program);
    // Another test may be running the last one.
    let fresh = place.join("fresh");
    std::fs::copy(target.join("debug").join(program), &fresh).expect("the control can be copied");
    std::fs::rename(&fresh, &built).expect("the control can be put in its place");
    built
}
