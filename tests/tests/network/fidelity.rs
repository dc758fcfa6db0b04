//! The same output natively and sandboxed.

use super::*;

#[test]
fn asyncio_streams_are_as_natively() {
    let server = Echo::on("127.0.0.1:0");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = closed.local_addr().unwrap();
    drop(closed);
    let net = format!("connect = [\"tcp:{}\", \"tcp:{nobody}\"]", server.address);
    let client = Client::new(Level::User, include_str!("scripts/streams.py"), &net);
    let text = client.same(&["127.0.0.1", &server.port(), &nobody.port().to_string()]);
    assert_eq!(text.matches("True").count(), 20, "{text}");
    assert!(text.contains("ECONNREFUSED"), "{text}");
    assert_eq!(server.came(), 40);
}

#[test]
fn polling_options_and_duplicates_are_as_natively() {
    let server = Echo::on("127.0.0.1:0");
    let net = format!("connect = [\"tcp:{}\"]", server.address);
    let client = Client::new(Level::Root, include_str!("scripts/polling.py"), &net);
    let text = client.same(&["127.0.0.1", &server.port()]);
    assert!(text.contains("connect EINPROGRESS"), "{text}");
    assert!(text.contains("read b'hello'"), "{text}");
}
