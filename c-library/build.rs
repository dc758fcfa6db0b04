//! Names the shared library, so that programs ask for this version of it.

fn main() {
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libdoorward.so.0");
    println!("cargo::rerun-if-changed=build.rs");
}
