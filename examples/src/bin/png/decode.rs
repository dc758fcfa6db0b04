//! Pictures from descriptors. Nothing here knows who opened them.

use std::{ffi::OsString, fmt::Display, os::fd::OwnedFd, path::Path};

use doorward_examples::Picture;

/// FNV-1a of the points.
fn checksum(picture: &Picture) -> u64 {
    picture
        .points
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
            (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
}

/// Decodes each, tells its size and checksum; the exit status.
pub(crate) fn all<E: Display>(
    names: Vec<OsString>,
    mut open: impl FnMut(&Path) -> Result<OwnedFd, E>,
) -> u8 {
    let mut status = 0;
    for name in names {
        let shown = name.display();
        let decoded = open(Path::new(&name))
            .map_err(|error| error.to_string())
            .and_then(|file| Picture::of_file(file).map_err(|error| error.to_string()));
        match decoded {
            Ok(picture) => {
                let (width, height) = (picture.width, picture.height);
                println!("{shown} {width}x{height} {:016x}", checksum(&picture));
            }
            Err(text) => {
                eprintln!("png: {shown}: {text}");
                status = 1;
            }
        }
    }
    status
}
