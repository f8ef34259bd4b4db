//! SIGINT and SIGTERM: the first asks to stop, the second of either kind ends the process.

use std::io;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Exit code after a second signal: 128 + SIGINT, as a shell would tell it.
const EXIT_FORCED: i32 = 130;

/// A token that is cancelled by the first signal.
///
/// # Errors
/// When the handlers cannot be installed.
#[cfg(unix)]
pub fn on_signal() -> io::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let token = CancellationToken::new();
    let stop = token.clone();
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = interrupt.recv() => "SIGINT",
                _ = terminate.recv() => "SIGTERM",
            }
        };
        let name = next().await;
        info!("{name}: finishing the requests under way; a second signal ends at once");
        stop.cancel();
        let name = next().await;
        warn!("{name} again: ending at once");
        std::process::exit(EXIT_FORCED);
    });
    Ok(token)
}

/// A token that is cancelled by Ctrl-C.
///
/// # Errors
/// Never here.
#[cfg(not(unix))]
pub fn on_signal() -> io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let stop = token.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            info!("Ctrl-C: finishing the requests under way");
            stop.cancel();
        }
    });
    Ok(token)
}
