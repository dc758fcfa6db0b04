//! curl and psql against local servers.

use std::{
    fs::Permissions,
    os::unix::{fs::PermissionsExt, net::UnixListener},
    process::{Child, Stdio},
};

use super::*;

/// Answers every request with the same few words.
fn serve_http<S: Read + Write>(mut stream: S) {
    let mut request = Vec::new();
    let mut bytes = [0; 1024];
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut bytes) {
            Ok(count @ 1..) => request.extend_from_slice(&bytes[..count]),
            _ => return,
        }
    }
    let answer = "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nserved";
    let _gone = stream.write_all(answer.as_bytes());
}

/// A policy for one program, written into the tree.
fn policy(tree: &Tree, program: &str, read: &str, net: &str) -> PathBuf {
    let text = format!(
        "version = 1\nname = \"program\"\ninclude = [\"builtin:runtime\"]\n\
         [fs]\nread = [{read}]\n[exec]\nallow = [\"{program}\"]\n[net]\n{net}\n\
         [env]\npass = [\"PATH\", \"LANG\", \"LC_*\", \"HOME\"]\n"
    );
    tree.file("../policies/program.toml", text)
}

#[test]
fn curl_fetches_by_address_and_by_unix_socket() {
    for level in [Level::User, Level::UserNoNs] {
        let tree = Tree::new(level);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let socket = tree.path().join("http");
        let local = UnixListener::bind(&socket).unwrap();
        std::fs::set_permissions(&socket, Permissions::from_mode(0o777)).unwrap();
        std::thread::spawn(move || listener.incoming().flatten().for_each(serve_http));
        std::thread::spawn(move || local.incoming().flatten().for_each(serve_http));
        let net = format!(
            "connect = [\"tcp:{at}\"]\nunix = [\"{}\"]",
            socket.display()
        );
        let read = "\"/etc/ssl/openssl.cnf\", \"/etc/hosts\", \"/etc/nsswitch.conf\"";
        let policy = policy(&tree, "/usr/bin/curl", read, &net);
        let url = format!("http://{at}/");
        let words = ["/usr/bin/curl", "-sS", "--max-time", "10", &url];
        let ended = Run::new(&tree, words).under_file(&policy).succeeded();
        assert_eq!(ended.text(), "served", "{level}");
        let socket = socket.to_str().unwrap();
        let words = ["/usr/bin/curl", "-sS", "--unix-socket", socket, "http://x/"];
        let ended = Run::new(&tree, words).under_file(&policy).succeeded();
        assert_eq!(ended.text(), "served", "{level}");
        let canary = Echo::on("127.0.0.1:0");
        let url = format!("http://{}/", canary.address);
        let words = ["/usr/bin/curl", "-sS", "--max-time", "5", &url];
        let ended = Run::new(&tree, words).under_file(&policy);
        assert_eq!(ended.code(), 7, "{level} {}", ended.error());
        assert_eq!(canary.came(), 0);
    }
}

/// A database of the ordinary user, ended when dropped.
struct Database {
    tree: Tree,
    server: Child,
    port: u16,
}

impl Database {
    const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

    fn start() -> Self {
        let tree = Tree::new(Level::User);
        let program = |name: &str| format!("{}/{name}", Self::PROGRAMS);
        let data = tree.name("data");
        let data = data.to_str().unwrap();
        let words = [&program("initdb"), "-D", data, "--auth-local=peer", "-N"];
        let words = words.into_iter().chain(["--auth-host=trust"]);
        let _made = Run::new(&tree, words).native().succeeded();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let sockets = tree.directory("sockets");
        let mut command = tree.level().command(program("postgres"));
        command
            .args(["-D", data, "-h", "127.0.0.1", "-p", &port.to_string(), "-k"])
            .arg(&sockets)
            .env("LC_ALL", "C.UTF-8")
            .current_dir(tree.work())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let server = command.spawn().unwrap();
        let database = Self { tree, server, port };
        let begun = Instant::now();
        while !database.answers() {
            assert!(begun.elapsed() < Duration::from_secs(30), "no answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        database
    }

    /// A socket alone is not enough: the server may still be starting up.
    fn answers(&self) -> bool {
        let ready = format!("{}/pg_isready", Self::PROGRAMS);
        let port = self.port.to_string();
        let words = [&ready, "-q", "-h", "127.0.0.1", "-p", &port];
        Run::new(&self.tree, words).native().code() == 0
    }

    fn socket(&self) -> PathBuf {
        self.tree.name(&format!("sockets/.s.PGSQL.{}", self.port))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let server = nix::unistd::Pid::from_raw(self.server.id().try_into().unwrap());
        let _gone = nix::sys::signal::kill(server, nix::sys::signal::Signal::SIGINT);
        let _ended = self.server.wait();
    }
}

#[test]
fn psql_queries_by_address_and_by_unix_socket() {
    let database = Database::start();
    let tree = &database.tree;
    let psql = format!("{}/psql", Database::PROGRAMS);
    let net = format!(
        "connect = [\"tcp:127.0.0.1:{}\"]\nunix = [\"{}\"]",
        database.port,
        database.socket().display()
    );
    let read = "\"/etc/passwd\", \"/etc/nsswitch.conf\", \"/etc/ssl/openssl.cnf\", \
                \"/usr/share/postgresql-common/**\"";
    let policy = policy(tree, &psql, read, &net);
    let port = database.port.to_string();
    let sockets = tree.name("sockets");
    // Over the UNIX socket the server asks the kernel who is there ("peer").
    for host in ["127.0.0.1", sockets.to_str().unwrap()] {
        let query = "select 6 * 7, current_user";
        let words = [
            &psql, "-h", host, "-p", &port, "-d", "postgres", "-AtXc", query,
        ];
        let run = Run::new(tree, words);
        let native = run.native().succeeded();
        assert_eq!(native.text(), "42|doorward-ci\n");
        let ended = run.under_file(&policy).succeeded();
        assert_eq!(ended.text(), native.text(), "{host}");
    }
}
