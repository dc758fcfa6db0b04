//! The machine's own addresses, which no wildcard reaches.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use nix::ifaddrs::getifaddrs;
use rustix::io::Errno;

/// How long they are believed.
const FRESH: Duration = Duration::from_secs(1);

/// The addresses of all interfaces of the broker's network namespace, read now and then.
#[derive(Debug, Default)]
pub(super) struct OwnAddresses(Mutex<Option<(Instant, Arc<[IpAddr]>)>>);

impl OwnAddresses {
    /// They, at most a second old.
    ///
    /// # Errors
    /// What asking the kernel meets: then nothing may be decided.
    pub(super) fn get(&self) -> Result<Arc<[IpAddr]>, Errno> {
        let mut known = self.0.lock().map_err(|_| Errno::IO)?;
        if let Some((read, addresses)) = &*known
            && read.elapsed() < FRESH
        {
            return Ok(Arc::clone(addresses));
        }
        let addresses: Arc<[IpAddr]> = getifaddrs()
            .map_err(|errno| Errno::from_raw_os_error(errno as i32))?
            .filter_map(|interface| {
                let address = interface.address?;
                let four = address.as_sockaddr_in().map(|four| IpAddr::V4(four.ip()));
                four.or_else(|| address.as_sockaddr_in6().map(|six| IpAddr::V6(six.ip())))
            })
            .collect();
        *known = Some((Instant::now(), Arc::clone(&addresses)));
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_among_them() {
        let own = OwnAddresses::default().get().unwrap();
        assert!(own.iter().any(IpAddr::is_loopback), "{own:?}");
    }
}
