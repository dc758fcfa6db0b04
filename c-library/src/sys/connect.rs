//! Connections.

use std::{ffi::c_int, os::fd::IntoRawFd};

use libc::{sockaddr, sockaddr_storage, socklen_t};

use super::{Bytes, Client, given, invalid};
use crate::errors::answer;

/// An address of the caller's.
#[derive(Debug)]
#[repr(transparent)]
pub struct Address(*const sockaddr);

/// A connected stream socket: TCP, or UNIX by path or abstract name. The address is that of
/// connect(2). It is closed on exec.
#[unsafe(no_mangle)]
pub extern "C" fn doorward_connect(
    client: Option<&mut Client>,
    address: Address,
    length: socklen_t,
) -> c_int {
    answer(-1, || {
        let length = usize::try_from(length).map_err(|_| invalid())?;
        if length > size_of::<sockaddr_storage>() {
            return Err(invalid());
        }
        let address = Bytes(address.0.cast());
        let socket = given(client)?.0.connect_address(address.read(length)?)?;
        Ok(socket.into_raw_fd())
    })
}
