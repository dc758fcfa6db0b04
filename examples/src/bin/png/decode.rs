//! Pictures from descriptors. Nothing here knows who opened them.

use std::{ffi::OsString, fmt::Display, os::fd::OwnedFd, path::Path};

use crate::sys::Reader;

/// Bytes of the largest picture that is decoded.
const MOST: usize = 256 * 1024 * 1024;

/// A picture, four bytes for each point: red, green, blue, opacity.
pub(crate) struct Picture {
    width: u32,
    height: u32,
    points: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error("cannot be read as a stream: {0}")]
    Stream(#[from] std::io::Error),
    #[error("libpng: {0}")]
    Libpng(String),
    #[error("{0}x{1} points are more than this example decodes")]
    Large(u32, u32),
}

impl Picture {
    fn decode(file: OwnedFd) -> Result<Self, DecodeError> {
        let mut reader = Reader::begin(file)?;
        let (width, height) = reader.size();
        let bytes = u64::from(width)
            .checked_mul(u64::from(height))
            .and_then(|points| points.checked_mul(4))
            .and_then(|bytes| usize::try_from(bytes).ok())
            .filter(|bytes| *bytes <= MOST)
            .ok_or(DecodeError::Large(width, height))?;
        let mut points = vec![0; bytes];
        reader.finish(&mut points)?;
        Ok(Self {
            width,
            height,
            points,
        })
    }

    /// FNV-1a of the points.
    fn checksum(&self) -> u64 {
        self.points.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
            (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }
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
            .and_then(|file| Picture::decode(file).map_err(|error| error.to_string()));
        match decoded {
            Ok(picture) => {
                let (width, height) = (picture.width, picture.height);
                println!("{shown} {width}x{height} {:016x}", picture.checksum());
            }
            Err(text) => {
                eprintln!("png: {shown}: {text}");
                status = 1;
            }
        }
    }
    status
}
