//! Asks an origin that runs beside us whether it lives: for an image that has no other program to ask with.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, ensure};

/// How long each step of the question may take. `/live` is answered within milliseconds.
const LIMIT: Duration = Duration::from_secs(2);
/// More than any status line.
const LINE_LEN_MAX: u64 = 256;

/// Asks `/live` at `metrics`, the listener that answers whatever crowd stands before the public one. Whether
/// prices are fresh is not asked: a restart helps against nothing but a process that does not live.
///
/// # Errors
/// When nobody answers 200; the error says who was asked and what came.
pub fn ask(metrics: SocketAddr) -> anyhow::Result<()> {
    let asked = format!("ask http://{metrics}/live (metrics.listen)");
    let line = status_line(metrics).context(asked.clone())?;
    ensure!(line.starts_with("HTTP/1.1 200 "), "{asked}: answered {line:?}");
    Ok(())
}

fn status_line(address: SocketAddr) -> io::Result<String> {
    let mut connection = TcpStream::connect_timeout(&address, LIMIT)?;
    connection.set_read_timeout(Some(LIMIT))?;
    connection.set_write_timeout(Some(LIMIT))?;
    let question = format!("GET /live HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    connection.write_all(question.as_bytes())?;
    let mut line = String::new();
    BufReader::new(connection.take(LINE_LEN_MAX)).read_line(&mut line)?;
    Ok(line)
}
