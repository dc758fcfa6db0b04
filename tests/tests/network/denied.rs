//! A brokered socket is used in every way but through the broker.

use std::net::UdpSocket;

use super::*;

const SCRIPT: &str = include_str!("scripts/denied.py");

#[test]
fn no_other_way_leads_out_of_a_brokered_socket() {
    let allowed = Echo::on("127.0.0.1:0");
    let canary = Echo::on("127.0.0.1:0");
    let datagrams = UdpSocket::bind(canary.address).unwrap();
    datagrams.set_nonblocking(true).unwrap();
    let net = format!("connect = [\"tcp:{}\"]", allowed.address);
    let client = Client::new(Level::Root, SCRIPT, &net);
    let arguments = [allowed.port(), canary.port()];
    let arguments = [arguments[0].as_str(), arguments[1].as_str()];
    let ended = client.sandboxed(&arguments).succeeded();
    let text = ended.text();
    let told: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .collect();
    assert_eq!(
        told,
        [
            ("sendto-fastopen", "EPERM"),
            ("sendmsg-fastopen", "EPERM"),
            ("sendto-address", "EPERM"),
            ("fastopen-connect", "ENOPROTOOPT"),
            ("bindtodevice", "ENOPROTOOPT"),
            ("unspecified", "EACCES"),
            ("again-elsewhere", "EACCES"),
            ("still-connected", "True"),
            ("short", "EINVAL"),
            ("huge", "EINVAL"),
            ("bad-pointer", "EFAULT"),
            ("bad-descriptor", "EBADF"),
            ("not-a-socket", "ENOTSOCK"),
            ("bind", "EACCES"),
            ("listen", "EACCES"),
            ("accept", "EINVAL"),
            ("udp-connect", "EACCES"),
            ("udp-sendmsg", "ENETUNREACH"),
            ("unix-dgram", "EAFNOSUPPORT"),
            ("unix-raw", "EAFNOSUPPORT"),
            ("unix-dgram-pair", "EAFNOSUPPORT"),
            ("vsock", "EAFNOSUPPORT"),
            ("packet", "EAFNOSUPPORT"),
            ("permitted", "hello"),
        ]
    );
    assert_eq!((allowed.came(), canary.came()), (2, 0));
    assert!(datagrams.recv(&mut [0; 8]).is_err());
    // The control: without the sandbox, fast open, dissolving and datagrams arrive.
    let native = client.run(&arguments).native().succeeded().text();
    for arrived in [
        "sendto-fastopen 1\n",
        "unspecified done\n",
        "udp-sendmsg 1\n",
    ] {
        assert!(native.contains(arrived), "{native}");
    }
    assert!(canary.came() >= 1, "{native}");
    assert_eq!(datagrams.recv(&mut [0; 8]).unwrap(), 1);
}
