//! What the examples with pictures share: the C library libpng, which runs where it is called.

#[allow(unsafe_code, reason = "libpng is a C library")]
mod sys;

use std::{ffi::CStr, os::fd::OwnedFd};

use sys::Reader;

/// Bytes of the largest picture that is decoded.
const MOST: usize = 256 * 1024 * 1024;

/// A picture, four bytes for each point: red, green, blue, opacity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// In points.
    pub width: u32,
    /// In points.
    pub height: u32,
    /// Line by line from the top, without gaps.
    pub points: Vec<u8>,
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The descriptor is of no use to libc.
    #[error("cannot be read as a stream: {0}")]
    Stream(#[from] std::io::Error),
    /// What libpng says.
    #[error("libpng: {0}")]
    Libpng(String),
    /// It would take too much memory.
    #[error("{0}x{1} points are more than this example decodes")]
    Large(u32, u32),
}

impl Picture {
    /// Decodes a PNG file that was opened.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn of_file(file: OwnedFd) -> Result<Self, DecodeError> {
        Self::read(Reader::of_file(file)?)
    }

    /// Decodes the PNG file of this name. libpng opens it, with fopen(3).
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn named(name: &CStr) -> Result<Self, DecodeError> {
        Self::read(Reader::named(name)?)
    }

    fn read(mut reader: Reader) -> Result<Self, DecodeError> {
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
}
