//! Long interleavings, picked by a fuzzer.

use rustix::fs::OFlags;

use super::{
    explorer::Explorer,
    request::Request,
    world::{World, worlds},
};

/// Paths beside those that a world asks for itself.
const PATHS: [&str; 16] = [
    "/in/d/f",
    "/in/l/f",
    "/in/l",
    "/in/d",
    "/in",
    "/shut/f",
    "/shut",
    "/in/d/../d/f",
    "/in/l/../d/f",
    "/in/../shut/f",
    "f",
    "..",
    "../d/f",
    "/in/n",
    "/in/d/n/",
    "/",
];
const FLAGS: [OFlags; 10] = [
    OFlags::RDONLY,
    OFlags::WRONLY,
    OFlags::RDWR.union(OFlags::TRUNC),
    OFlags::WRONLY.union(OFlags::CREATE),
    OFlags::RDWR.union(OFlags::CREATE).union(OFlags::EXCL),
    OFlags::RDONLY.union(OFlags::DIRECTORY),
    OFlags::PATH,
    OFlags::RDONLY.union(OFlags::NOFOLLOW),
    OFlags::WRONLY.union(OFlags::TMPFILE),
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::NOFOLLOW),
];

/// The worlds of the exhaustive exploration.
pub struct Worlds(Vec<World>);

impl std::fmt::Debug for Worlds {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} worlds", self.0.len())
    }
}

impl Worlds {
    /// All of them.
    pub fn new() -> Self {
        Self(worlds())
    }

    /// Asks something in one of them, and lets the adversary make moves between the calls;
    /// `pick` picks each out of so many, or ends it. What is done that no rule allows is told.
    ///
    /// # Errors
    /// The world, the request and the moves by which something was done that was not allowed.
    pub fn wander(&self, mut pick: impl FnMut(usize) -> Option<usize>) -> Result<(), String> {
        let Some(world) = pick(self.0.len()).and_then(|index| self.0.get(index)) else {
            return Ok(());
        };
        let Some(request) = request(world, &mut pick) else {
            return Ok(());
        };
        match Explorer::new(world, None).wander(&request, pick) {
            (true, _) => Ok(()),
            (false, script) => Err(format!("{}: {request:?} with {script:?}", world.name)),
        }
    }
}

impl Default for Worlds {
    fn default() -> Self {
        Self::new()
    }
}

fn request(world: &World, pick: &mut impl FnMut(usize) -> Option<usize>) -> Option<Request> {
    if pick(2)? == 0 {
        return world.requests.get(pick(world.requests.len())?).copied();
    }
    let mut path = || PATHS.get(pick(PATHS.len())?).copied();
    let (one, other) = (path()?, path()?);
    let follow = pick(2)? == 0;
    Some(match pick(16)? {
        0..4 => {
            let resolve = [0, 4, 8][pick(3)?];
            Request::Open(one, FLAGS[pick(FLAGS.len())?], resolve)
        }
        4 => Request::Stat(one, follow),
        5 => Request::Access(one, u32::try_from(pick(8)?).ok()?, follow),
        6 => Request::ReadLink(one),
        7 => Request::StatFs(one),
        8 => Request::ChangeDirectory(one),
        9 => Request::MakeDirectory(one),
        10 => Request::RemoveDirectory(one),
        11 => Request::Unlink(one),
        12 => Request::Rename(one, other, u32::try_from(pick(3)?).ok()?),
        13 => Request::Link(one, other, if follow { 0x400 } else { 0 }),
        14 => Request::Truncate(one),
        _ => Request::Mode(one, follow),
    })
}
