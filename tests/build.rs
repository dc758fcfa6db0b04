//! Compiles the worker in C of `doorward-workers`.

use std::{env, error::Error, path::PathBuf, process::Command};

const SOURCE: &str = "src/bin/workers/decoder.c";
const HEADERS: &str = "../c-library/include";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rerun-if-changed={HEADERS}/doorward.h");
    let directory = env::var_os("OUT_DIR").ok_or("cargo names no OUT_DIR")?;
    let object = PathBuf::from(directory).join("decoder.o");
    let status = Command::new("cc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-O2", "-fPIC"])
        .args(["-I", HEADERS, "-c", SOURCE, "-o"])
        .arg(&object)
        .status()?;
    if !status.success() {
        return Err(format!("{SOURCE} was not compiled: {status}").into());
    }
    let object = object.display();
    println!("cargo::rustc-link-arg-bin=doorward-workers={object}");
    Ok(())
}
