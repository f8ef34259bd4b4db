//! The log: one line per event, for people or for machines, on standard error.

use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use tracing::error;
use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};

/// How much of a panic's own words goes into the log.
const PANIC_CHARS_MAX: usize = 200;

/// Installs the log as `config` wants it. The first call in a process counts. Panics go there
/// too, one line each, wherever they happen.
pub fn init(config: &LogConfig) {
    // The level was read once already, when the configuration was checked.
    let filter = EnvFilter::builder().parse_lossy(&config.level);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // It would be told on standard error, by a print that panics when that cannot be written.
        .log_internal_errors(false);
    // Fails only if a log is installed already, as in tests.
    let _ = match config.format {
        LogFormat::Text => {
            let is_terminal = std::io::stderr().is_terminal();
            builder.with_target(false).with_ansi(is_terminal).try_init()
        }
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    std::panic::set_hook(Box::new(tell_panic));
}

fn tell_panic(info: &PanicHookInfo<'_>) {
    let message = bounded(info.payload_as_str().unwrap_or("no words"));
    let at = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current().name().unwrap_or_default().to_owned();
    error!(at, thread, "panicked at {at}: {message}");
}

/// Escaped and cut: a panic may quote what came from outside.
fn bounded(message: &str) -> String {
    message.chars().take(PANIC_CHARS_MAX).flat_map(char::escape_debug).collect()
}

/// What has been told since something last went well: each thing once, for the counters tell how often.
#[derive(Debug)]
pub(crate) struct EachOnce<T>(Vec<T>);

impl<T> Default for EachOnce<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: PartialEq> EachOnce<T> {
    /// Whether `what` is to be told; then it is taken as told.
    pub(crate) fn is_news(&mut self, what: T) -> bool {
        let is_news = !self.0.contains(&what);
        if is_news {
            self.0.push(what);
        }
        is_news
    }

    /// It goes well again: whatever comes next is news.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_panic_are_cut_and_cannot_forge_a_line() {
        assert_eq!(
            bounded("index 7\nERROR forged \u{1b}[31m"),
            r"index 7\nERROR forged \u{1b}[31m"
        );
        assert_eq!(bounded(&"é".repeat(PANIC_CHARS_MAX + 1)), "é".repeat(PANIC_CHARS_MAX));
    }
}
