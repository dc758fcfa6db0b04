//! Typed spawns.

use std::{ffi::c_int, mem::MaybeUninit, os::unix::process::ExitStatusExt, time::Duration};

use doorward_sandboxee::{ClientError, Program};
use rustix::io::Errno;

use super::{Client, Directory, Text, Texts, given, invalid};
use crate::errors::answer;

/// Arguments of a program, and bytes of each.
const MOST_ARGUMENTS: usize = 1024;
const LONGEST_ARGUMENT: usize = 64 * 1024;

/// Starts a program that the policy names, with these arguments after its name: a list with
/// NULL at its end, or NULL. Returns its number, which is 0 or more.
#[unsafe(no_mangle)]
pub extern "C" fn doorward_spawn(
    client: Option<&mut Client>,
    at: Option<&Directory>,
    path: Text,
    arguments: Texts,
) -> c_int {
    answer(-1, || {
        let arguments = arguments.read(MOST_ARGUMENTS)?.iter();
        let arguments = arguments.map(|text| text.bytes(LONGEST_ARGUMENT, Errno::TOOBIG));
        let arguments = arguments.collect::<Result<Vec<_>, _>>()?;
        let program = given(client)?.0.spawn(path.at(at)?, &arguments)?;
        c_int::try_from(program.number()).map_err(|_| ClientError::Errno(Errno::OVERFLOW))
    })
}

/// Waits for a program to end, so many milliseconds and at most ten seconds. Returns 1 when it
/// has ended, with how in `status`, as wait(2) has it; 0 when it goes on.
#[unsafe(no_mangle)]
pub extern "C" fn doorward_wait(
    client: Option<&mut Client>,
    program: c_int,
    milliseconds: c_int,
    status: Option<&mut MaybeUninit<c_int>>,
) -> c_int {
    answer(-1, || {
        let place = given(status)?;
        let number = u32::try_from(program).map_err(|_| invalid())?;
        let limit = u64::try_from(milliseconds).map_err(|_| invalid())?;
        let program = Program::from_number(number);
        let ended = given(client)?
            .0
            .wait(program, Duration::from_millis(limit))?;
        Ok(match ended {
            Some(ended) => {
                place.write(ended.into_raw());
                1
            }
            None => 0,
        })
    })
}
