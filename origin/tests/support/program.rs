//! The program itself, as a process.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::{TempDir, tempdir};
use tokio::time::Instant;

const BUILT: &str = env!("CARGO_BIN_EXE_pricecast-origin");
/// Starting takes milliseconds; a busy machine may need longer.
const START_LIMIT: Duration = Duration::from_secs(20);

/// The program as these tests are built, without any environment.
pub fn program() -> Command {
    command(Path::new(BUILT))
}

/// The program as `make run` and `make faults` build it, if they have; else as these tests are.
pub fn optimised_program() -> Command {
    let target = Path::new(BUILT).ancestors().nth(2).unwrap();
    let optimised = target.join("release").join(Path::new(BUILT).file_name().unwrap());
    command(if optimised.exists() { &optimised } else { Path::new(BUILT) })
}

fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null());
    command
}

/// The program, started and listening on free ports; killed when dropped.
pub struct Running {
    pub child: Child,
    pub url: String,
    pub metrics_url: String,
    /// The line of its log that says where it listens.
    pub listens: String,
    directory: TempDir,
}

impl Running {
    /// Starts it in a folder of its own. `env` is further configuration; without any, its exchanges
    /// are not there.
    pub fn start(env: &[(&str, &str)]) -> Self {
        Self::start_as(program(), env)
    }

    /// The same with `program`.
    pub fn start_as(mut program: Command, env: &[(&str, &str)]) -> Self {
        let directory = tempdir().unwrap();
        let log = File::create(directory.path().join("log")).unwrap();
        let child = program
            .current_dir(&directory)
            .env("PRICECAST_HTTP__LISTEN", "127.0.0.1:0")
            .env("PRICECAST_METRICS__LISTEN", "127.0.0.1:0")
            .env("PRICECAST_KRAKEN__URL", "ws://127.0.0.1:1/v2")
            .env("PRICECAST_COINBASE__URL", "http://127.0.0.1:1")
            .envs(env.iter().copied())
            .stderr(log)
            .spawn()
            .unwrap();
        let [url, metrics_url, listens] = Default::default();
        let mut running = Self { child, url, metrics_url, listens, directory };
        running.await_start();
        running
    }

    fn await_start(&mut self) {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let log = self.log();
            if let Some(line) = log.lines().find(|line| line.contains("listens on")) {
                self.url = format!("http://{}", address(line, "http"));
                self.metrics_url = format!("http://{}/metrics", address(line, "metrics"));
                self.listens = line.to_owned();
                return;
            }
            assert!(Instant::now() < deadline, "it did not start: {log}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// How many files it has open.
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).map_or(0, Iterator::count)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&self.raw_log()).into_owned()
    }

    /// The same, byte for byte.
    pub fn raw_log(&self) -> Vec<u8> {
        std::fs::read(self.directory.path().join("log")).unwrap()
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The value of a field of a log line, written as text or as JSON.
fn address<'a>(line: &'a str, field: &str) -> &'a str {
    let text = || line.split_once(&format!(" {field}="));
    let json = || line.split_once(&format!("\"{field}\":\""));
    let (_, rest) = text().or_else(json).unwrap_or_else(|| panic!("no {field} in {line}"));
    rest.split([' ', '"']).next().unwrap()
}
