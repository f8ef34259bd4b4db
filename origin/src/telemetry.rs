//! The log: one line per event, for people or for machines, on standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};

/// Installs the log as `config` wants it. The first call in a process counts.
pub fn init(config: &LogConfig) {
    // The level was read once already, when the configuration was checked.
    let filter = EnvFilter::builder().parse_lossy(&config.level);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Fails only if a log is installed already, as in tests.
    let _ = match config.format {
        LogFormat::Text => {
            let is_terminal = std::io::stderr().is_terminal();
            builder.with_target(false).with_ansi(is_terminal).try_init()
        }
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}
