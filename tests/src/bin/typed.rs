//! `doorward-typed OPEN STAT DENIED PROGRAM`: a program that asks by typed calls on the lane
//! left for it, and prints a line for each. `doorward-typed COUNT`: breaks the protocol on so
//! many lanes.

#![allow(
    clippy::print_stdout,
    clippy::arithmetic_side_effects,
    reason = "its output is what the tests read, and it counts"
)]

use std::{
    fs::File,
    io::{Read, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

use doorward_sandboxee::{Client, ClientError, Links, Mode, OFlags};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [open, stat, denied, program] = match words.as_slice() {
        [count] => return println!("broken {}", shown(broken(count))),
        [open, stat, denied, program] => [open, stat, denied, program],
        _ => return println!("doorward-typed OPEN STAT DENIED PROGRAM"),
    };
    let mut client = match Client::from_environment() {
        Ok(client) => client,
        Err(error) => return println!("{error}"),
    };
    println!("open {}", shown(opened(&mut client, open)));
    let size = client.stat(stat.as_str(), Links::Follow);
    println!("stat {}", shown(size.map(|stat| stat.size.to_string())));
    println!("denied {}", shown(opened(&mut client, denied)));
    for program in [program, denied] {
        println!("spawn {}", shown(spawned(&mut client, program)));
    }
    println!(
        "again {}",
        shown(Client::from_environment().map(|_| String::new()))
    );
}

fn broken(count: &str) -> Result<String, ClientError> {
    let mut client = Client::from_environment()?;
    let mut broken = 0_u32;
    for _ in 0..count.parse().unwrap_or(0) {
        let lane = UnixStream::from(client.another_lane()?);
        let sent = (&lane).write(b"no frame").is_ok();
        broken += u32::from(sent && matches!((&lane).read(&mut [0; 64]), Ok(0) | Err(_)));
    }
    Ok(broken.to_string())
}

fn opened(client: &mut Client, path: &str) -> Result<String, ClientError> {
    let file = client.open(path, OFlags::RDONLY, Mode::empty())?;
    let mut text = String::new();
    let read = File::from(file).read_to_string(&mut text);
    Ok(read.map_or_else(|error| error.to_string(), |_| text))
}

fn spawned(client: &mut Client, path: &str) -> Result<String, ClientError> {
    let program = client.spawn(path, &[])?;
    let ended = client.wait(program, Duration::from_secs(10))?;
    Ok(ended.map_or_else(|| "late".to_owned(), |status| status.to_string()))
}

fn shown(result: Result<String, ClientError>) -> String {
    result.unwrap_or_else(|error| error.to_string())
}
