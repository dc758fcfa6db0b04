//! libpng's simplified reader. It returns errors instead of jumping.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    os::fd::{IntoRawFd, OwnedFd},
    ptr,
};

use crate::DecodeError;

const VERSION: u32 = 1;
/// Red, green, blue and opacity, a byte each.
const RGBA: u32 = 3;

/// `png_image` of png.h.
#[repr(C)]
struct Image {
    opaque: *mut c_void,
    version: u32,
    width: u32,
    height: u32,
    format: u32,
    flags: u32,
    colormap_entries: u32,
    warning_or_error: u32,
    message: [c_char; 64],
}

#[link(name = "png16")]
unsafe extern "C" {
    fn png_image_begin_read_from_file(image: *mut Image, name: *const c_char) -> c_int;
    fn png_image_begin_read_from_stdio(image: *mut Image, stream: *mut libc::FILE) -> c_int;
    fn png_image_finish_read(
        image: *mut Image,
        background: *const c_void,
        buffer: *mut c_void,
        row_stride: i32,
        colormap: *mut c_void,
    ) -> c_int;
    fn png_image_free(image: *mut Image);
}

/// A stream that is closed when it is dropped.
struct Stream(*mut libc::FILE);

impl Stream {
    fn new(file: OwnedFd) -> Result<Self, DecodeError> {
        let raw = file.into_raw_fd();
        // SAFETY: `raw` is open and owned by nobody else, the mode is a C string.
        let stream = unsafe { libc::fdopen(raw, c"rb".as_ptr()) };
        if stream.is_null() {
            let error = std::io::Error::last_os_error();
            // SAFETY: the stream was not made, so `raw` is still owned here alone.
            let _closed = unsafe { libc::close(raw) };
            return Err(error.into());
        }
        Ok(Self(stream))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: the stream is open and is not used after this.
        let _closed = unsafe { libc::fclose(self.0) };
    }
}

/// A picture whose header has been read.
pub(crate) struct Reader {
    /// libpng keeps this address from the beginning to the end of a picture.
    image: *mut Image,
    /// What is read, where it was not opened by libpng, which closes it then.
    stream: Option<Stream>,
}

impl Reader {
    /// Of the file of this name.
    pub(crate) fn named(name: &CStr) -> Result<Self, DecodeError> {
        let reader = Self::new(None);
        // SAFETY: the image is initialised as png.h says and lives as long as the reader; the
        // name is a C string.
        let begun = unsafe { png_image_begin_read_from_file(reader.image, name.as_ptr()) };
        reader.checked(begun)?;
        Ok(reader)
    }

    /// Of a file that was opened.
    pub(crate) fn of_file(file: OwnedFd) -> Result<Self, DecodeError> {
        let reader = Self::new(Some(Stream::new(file)?));
        let stream = reader.stream.as_ref().map_or(ptr::null_mut(), |one| one.0);
        // SAFETY: the image is initialised as png.h says and, like the stream, lives as long
        // as the reader.
        let begun = unsafe { png_image_begin_read_from_stdio(reader.image, stream) };
        reader.checked(begun)?;
        Ok(reader)
    }

    fn new(stream: Option<Stream>) -> Self {
        let image = Box::into_raw(Box::new(Image {
            opaque: ptr::null_mut(),
            version: VERSION,
            width: 0,
            height: 0,
            format: 0,
            flags: 0,
            colormap_entries: 0,
            warning_or_error: 0,
            message: [0; 64],
        }));
        Self { image, stream }
    }

    /// Width and height in points.
    pub(crate) fn size(&self) -> (u32, u32) {
        // SAFETY: the image is initialised, and nothing writes to it meanwhile.
        let image = unsafe { &*self.image };
        (image.width, image.height)
    }

    /// Decodes all rows. The buffer has four bytes for each point.
    pub(crate) fn finish(&mut self, points: &mut [u8]) -> Result<(), DecodeError> {
        let (width, height) = self.size();
        let needed = u64::from(width)
            .saturating_mul(u64::from(height))
            .saturating_mul(4);
        if u64::try_from(points.len()).ok() != Some(needed) {
            return Err(DecodeError::Large(width, height));
        }
        // SAFETY: the image is initialised, and no reference to it is alive.
        unsafe { (*self.image).format = RGBA };
        // SAFETY: the buffer holds width × height × 4 bytes, what RGBA rows without a gap take;
        // neither background nor colour map is needed for that format.
        let finished = unsafe {
            png_image_finish_read(
                self.image,
                ptr::null(),
                points.as_mut_ptr().cast(),
                0,
                ptr::null_mut(),
            )
        };
        self.checked(finished)
    }

    fn checked(&self, result: c_int) -> Result<(), DecodeError> {
        if result != 0 {
            return Ok(());
        }
        // SAFETY: the image is initialised, and nothing writes to it meanwhile.
        let image = unsafe { &*self.image };
        let bytes = image.message.map(c_char::cast_unsigned);
        let text = CStr::from_bytes_until_nul(&bytes).unwrap_or(c"no message");
        Err(DecodeError::Libpng(text.to_string_lossy().into_owned()))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // SAFETY: the image is initialised; libpng accepts one that it has freed before.
        unsafe { png_image_free(self.image) };
        // SAFETY: it was made by `Box::into_raw`, and libpng has forgotten it.
        drop(unsafe { Box::from_raw(self.image) });
    }
}
