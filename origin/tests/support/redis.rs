//! A redis-server of its own for a test, on a socket in a folder that goes with it.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pricecast_origin::config::{Config, FileText, RedisUrl};
use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, RedisError};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// Generous: only a busy machine needs it.
const START_WITHIN: Duration = Duration::from_secs(10);

/// A running server; dropped, it is killed.
pub struct Server {
    child: Child,
    folder: TempDir,
    client: redis::Client,
}

impl Server {
    /// Starts one; `None`, and a line that says so, where redis-server is not installed.
    pub async fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        let spawned = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no"])
            .args(["--enable-debug-command", "yes", "--enable-protected-configs", "yes"])
            .arg("--unixsocket")
            .arg(folder.path().join("redis.sock"))
            .arg("--dir")
            .arg(folder.path().join("data"))
            .stdout(Stdio::null())
            .spawn();
        let Ok(child) = spawned else {
            println!("SKIPPED: redis-server is not installed");
            return None;
        };
        let client = redis::Client::open(url(&folder, "")).unwrap();
        let server = Self { child, folder, client };
        let end = Instant::now() + START_WITHIN;
        while server.connect().await.is_err() {
            assert!(Instant::now() < end, "redis-server did not start");
            sleep(Duration::from_millis(20)).await;
        }
        Some(server)
    }

    /// Its address as an origin is told it.
    pub fn url(&self) -> RedisUrl {
        self.url_with("")
    }

    /// The same with a query, such as `?pass=secret`.
    pub fn url_with(&self, query: &str) -> RedisUrl {
        Self::address(&url(&self.folder, query))
    }

    /// Any address as an origin is told it.
    pub fn address(url: &str) -> RedisUrl {
        let text = format!("store = \"redis\"\nredis.url = \"{url}\"");
        let file = FileText { name: "test", text: &text };
        Config::load(Some(file), []).unwrap().redis.url.unwrap()
    }

    /// Lets it speak TLS too, as `localhost`: on which port, and the certificate (PEM) to believe it by.
    pub async fn serve_tls(&self) -> (u16, PathBuf) {
        let [key, cert] = ["key.pem", "cert.pem"].map(|name| self.folder.path().join(name));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-nodes", "-days", "2", "-subj", "/CN=localhost"])
            .args(["-addext", "subjectAltName=DNS:localhost"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&cert)
            .stderr(Stdio::null())
            .status();
        assert!(made.unwrap().success(), "openssl makes a certificate");
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let at = |path: &PathBuf| path.display().to_string();
        self.does(&format!(
            "CONFIG SET bind 127.0.0.1 tls-auth-clients no tls-cert-file {} tls-key-file {} tls-ca-cert-file {} tls-port {port}",
            at(&cert), at(&key), at(&cert)
        ))
        .await;
        (port, cert)
    }

    /// Where it would save its data.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        self.client.get_multiplexed_async_connection().await
    }

    /// One command, its words parted by spaces; a word in single quotes may hold some.
    pub async fn run<T: FromRedisValue>(&self, command: &str) -> Result<T, RedisError> {
        let mut call = redis::Cmd::new();
        for (nth, part) in command.split('\'').enumerate() {
            match nth % 2 {
                0 => call.arg(part.split_whitespace().collect::<Vec<_>>()),
                _ => call.arg(part),
            };
        }
        call.query_async(&mut self.connect().await?).await
    }

    /// The same, for its effect.
    pub async fn does(&self, command: &str) {
        let outcome: Result<redis::Value, _> = self.run(command).await;
        outcome.unwrap_or_else(|error| panic!("{command}: {error}"));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn url(folder: &TempDir, query: &str) -> String {
    format!("redis+unix://{}{query}", folder.path().join("redis.sock").display())
}
