//! The interface, its worker, and what a worker may do.

use std::{ffi::CString, path::Path, sync::Arc};

use doorward::{
    Entry, Sandboxee,
    host::{Program, Sandbox},
    worker::{Call, Local, Nest, Pool, Reuse, Upkeep},
};
use doorward_examples::Picture;
use doorward_policy::{Expansion, Policy};
use serde::{Deserialize, Serialize};

use crate::{Failure, shrink};

const POLICY: &str = include_str!("../../../thumbnails.toml");
const NAME: &str = "thumbnails";
/// Workers at a time.
pub(crate) const PLACES: u32 = 4;
/// Bytes of the largest thumbnail.
pub(crate) const OUTPUT: usize = 1 << 20;

/// Of a picture, in points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Size {
    pub(crate) width: u32,
    pub(crate) height: u32,
}

doorward::interface! {
    /// Makes pictures small.
    pub(crate) trait Thumbnailer, stub Thumbnails {
        /// The PNG file of this name, its longer side at most so many points: its output are
        /// red, green and blue, a byte each. Where it is no picture, why.
        fn shrink(file: Vec<u8>, side: u32) -> Result<Size, String>, idempotent;
    }
}

struct Libpng;

impl Thumbnailer for Libpng {
    fn shrink(&mut self, call: &mut Call<'_>, file: Vec<u8>, side: u32) -> Result<Size, String> {
        let name = CString::new(file).map_err(|error| error.to_string())?;
        let picture = Picture::named(&name).map_err(|error| error.to_string())?;
        let (size, points) = shrink::shrink(&picture, side);
        call.output(&points).map_err(|error| error.to_string())?;
        Ok(size)
    }
}

pub(crate) const ENTRY: Entry = Entry {
    name: NAME,
    run: serve,
};

fn serve(sandboxee: Sandboxee) -> u8 {
    let interface: &mut dyn Thumbnailer = &mut Libpng;
    sandboxee.serve(interface)
}

/// Workers that may read the pictures of a directory.
pub(crate) fn pool(pictures: &Path, reuse: Reuse) -> Result<Pool, Failure> {
    let expansion = Expansion {
        cwd: Some(pictures.to_owned()),
        ..Expansion::of_process(rustix::process::getuid().as_raw())
    };
    let policy = Policy::parse(POLICY, NAME, Path::new("/"), &expansion)?.policy;
    let policy = Arc::new(policy);
    let sandbox = move || {
        let program = Program::Entry {
            name: NAME.to_owned(),
            arguments: Vec::new(),
        };
        Sandbox::new(Arc::clone(&policy), program)
    };
    let upkeep = Upkeep {
        nest: Nest {
            places: PLACES,
            arena: OUTPUT << 1,
        },
        reuse,
        ..Upkeep::default()
    };
    Ok(Pool::start(sandbox, upkeep)?)
}

/// The same code in this process.
pub(crate) fn local() -> Result<Local<dyn Thumbnailer>, Failure> {
    let libpng: Box<dyn Thumbnailer> = Box::new(Libpng);
    Local::new(libpng, OUTPUT << 1).map_err(|error| Failure::Arena(error.to_string()))
}
