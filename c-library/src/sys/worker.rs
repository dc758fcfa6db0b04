//! Workers in C: a function that gets bytes and puts bytes out, called by a host in Rust.

use std::{
    ffi::{c_int, c_void},
    mem::MaybeUninit,
};

use doorward_protocol::codec::encode;
use doorward_sandboxee::{
    ClientError,
    worker::{self, Dispatch, Host, Refused, ServeError},
};
use rustix::io::Errno;

use super::{Bytes, client::taken, given};
use crate::errors::{answer, done};

/// A call that is served, as long as its method has not returned.
#[derive(Debug)]
pub struct Call<'a, 'b> {
    call: &'a mut worker::Call<'b>,
    arguments: &'a [u8],
    /// A copy of the input, once it was asked for.
    input: Option<Vec<u8>>,
}

/// A method. `number` is its place in the interface of the host, from 0; what it returns is the
/// result, an `i32` there. It may not call longjmp(3) out of itself.
pub type Method =
    Option<extern "C" fn(context: *mut c_void, call: &mut Call<'_, '_>, number: u16) -> i32>;

type Called = extern "C" fn(*mut c_void, &mut Call<'_, '_>, u16) -> i32;

struct Methods {
    method: Called,
    context: *mut c_void,
}

impl Dispatch for Methods {
    fn dispatch(
        &mut self,
        number: u16,
        arguments: &[u8],
        call: &mut worker::Call<'_>,
        result: &mut [u8],
    ) -> Result<usize, Refused> {
        let mut call = Call {
            call,
            arguments,
            input: None,
        };
        let returned = (self.method)(self.context, &mut call, number);
        encode(&returned, result).map_err(Refused::Result)
    }
}

/// Serves the calls of a host until that is gone: the whole life of a worker. `socket` and
/// `arena` are what the host was made of (`Host::into_descriptors`) and are closed.
///
/// Returns 0 when the host is gone, -1 with errno when it does not keep to the protocol (EPROTO).
#[unsafe(no_mangle)]
pub extern "C" fn doorward_serve(
    socket: c_int,
    arena: c_int,
    method: Method,
    context: *mut c_void,
) -> c_int {
    done(|| {
        let host = Host::new(taken(socket)?, taken(arena)?);
        let method = given(method)?;
        host.serve(&mut Methods { method, context })
            .map_err(|error| {
                ClientError::Errno(match error {
                    ServeError::Arena(_) => Errno::INVAL,
                    ServeError::Lane(_) | ServeError::Frame(_) | ServeError::Unasked => {
                        Errno::PROTO
                    }
                })
            })
    })
}

fn told(bytes: &[u8], length: Option<&mut MaybeUninit<usize>>) -> *const u8 {
    if let Some(length) = length {
        length.write(bytes.len());
    }
    bytes.as_ptr()
}

/// The input of a call: a copy, valid until the method returns. NULL with errno where the host
/// states what is none.
#[unsafe(no_mangle)]
pub extern "C" fn doorward_input(
    call: Option<&mut Call<'_, '_>>,
    length: Option<&mut MaybeUninit<usize>>,
) -> *const u8 {
    answer(std::ptr::null(), || {
        let call = given(call)?;
        if call.input.is_none() {
            let input = call.call.input();
            call.input = Some(input.map_err(|_| ClientError::Errno(Errno::PROTO))?);
        }
        Ok(told(call.input.as_deref().unwrap_or_default(), length))
    })
}

/// The arguments of a call as the protocol has them, valid until the method returns: numbers
/// little-endian without padding, texts behind their length of 8 bytes.
#[unsafe(no_mangle)]
pub extern "C" fn doorward_arguments(
    call: Option<&mut Call<'_, '_>>,
    length: Option<&mut MaybeUninit<usize>>,
) -> *const u8 {
    answer(std::ptr::null(), || {
        Ok(told(given(call)?.arguments, length))
    })
}

/// How many bytes of output fit; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn doorward_room(call: Option<&mut Call<'_, '_>>) -> usize {
    call.map_or(0, |call| call.call.room())
}

/// Puts these bytes out, in place of what was put out before. ENOSPC where they do not fit.
#[unsafe(no_mangle)]
pub extern "C" fn doorward_output(
    call: Option<&mut Call<'_, '_>>,
    bytes: Bytes,
    length: usize,
) -> c_int {
    done(|| {
        let put = given(call)?.call.output(bytes.read(length)?);
        put.map_err(|_| ClientError::Errno(Errno::NOSPC))
    })
}

/// Whether the host has given the call up. What takes long looks now and then, and returns.
#[unsafe(no_mangle)]
pub extern "C" fn doorward_is_cancelled(call: Option<&mut Call<'_, '_>>) -> bool {
    call.is_some_and(|call| call.call.is_cancelled())
}
