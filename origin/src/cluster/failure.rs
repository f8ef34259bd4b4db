//! Why a call to Redis failed, in few words: they are labels of metrics and words of the log.

use std::fmt;

use pricecast_core::named;
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why a call failed. After any of them the connection is made anew: the address may lead to
/// another server by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallFailure {
    /// No connection could be made.
    Unreachable,
    /// The connection ended.
    Lost,
    /// No answer in time.
    TimedOut,
    /// Wrong or missing password, or a user who may not do this.
    Denied,
    /// A replica: it takes no writes.
    ReadOnly,
    /// It is still reading its data set.
    Loading,
    /// It cannot save to its disk and takes no writes.
    Misconf,
    /// It is full.
    OutOfMemory,
    /// Another script keeps it busy.
    Busy,
    /// Its primary cannot be reached, or too few replicas follow.
    Degraded,
    /// A node of a cluster that is down or does not hold our keys.
    Cluster,
    /// It forgot a script as soon as it was loaded.
    NoScript,
    /// An answer we do not understand.
    Odd,
    /// Any other error.
    Other,
}

named! {
    CallFailure {
        Unreachable = "unreachable",
        Lost = "lost",
        TimedOut = "timed_out",
        Denied = "denied",
        ReadOnly = "read_only",
        Loading = "loading",
        Misconf = "misconf",
        OutOfMemory = "out_of_memory",
        Busy = "busy",
        Degraded = "degraded",
        Cluster = "cluster",
        NoScript = "no_script",
        Odd = "odd",
        Other = "other",
    }
}

impl CallFailure {
    /// Of an error on a connection that stands.
    #[must_use]
    pub fn of(error: &RedisError) -> Self {
        match error.kind() {
            ErrorKind::Io if error.is_timeout() => Self::TimedOut,
            ErrorKind::Io => Self::Lost,
            ErrorKind::AuthenticationFailed => Self::Denied,
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => Self::Odd,
            ErrorKind::Server(kind) => Self::of_server(kind, error.detail().unwrap_or_default()),
            _ => Self::of_code(error.code().unwrap_or_default()),
        }
    }

    /// Of an error while connecting.
    #[must_use]
    pub fn of_connecting(error: &RedisError) -> Self {
        match Self::of(error) {
            Self::Lost | Self::Other => Self::Unreachable,
            failure => failure,
        }
    }

    fn of_server(kind: ServerErrorKind, detail: &str) -> Self {
        match kind {
            ServerErrorKind::ReadOnly => Self::ReadOnly,
            ServerErrorKind::BusyLoading => Self::Loading,
            ServerErrorKind::NoScript => Self::NoScript,
            ServerErrorKind::NoPerm => Self::Denied,
            ServerErrorKind::MasterDown => Self::Degraded,
            ServerErrorKind::Moved
            | ServerErrorKind::Ask
            | ServerErrorKind::TryAgain
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::CrossSlot => Self::Cluster,
            // Before Redis 7 an error within a script had the code ERR and told its own in the text.
            ServerErrorKind::ResponseError => {
                let told = detail.split_whitespace().map(|word| word.trim_start_matches('-'));
                told.map(Self::of_code)
                    .find(|&failure| failure != Self::Other)
                    .unwrap_or(Self::Other)
            }
            _ => Self::Other,
        }
    }

    fn of_code(code: &str) -> Self {
        match code {
            "READONLY" => Self::ReadOnly,
            "LOADING" => Self::Loading,
            "MISCONF" => Self::Misconf,
            "OOM" => Self::OutOfMemory,
            "BUSY" => Self::Busy,
            // Whoever has not given a password may send ten words, and our scripts take more.
            "NOAUTH" | "WRONGPASS" | "NOPERM" | "unauthenticated" => Self::Denied,
            "MASTERDOWN" | "NOREPLICAS" => Self::Degraded,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for CallFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use redis::parse_redis_value;

    use super::*;

    /// What an answer on the wire is taken for.
    fn answered(line: &str) -> CallFailure {
        let value = parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        CallFailure::of(&value.extract_error().unwrap_err())
    }

    #[test]
    fn every_error_a_server_can_answer_has_its_word() {
        for (line, failure) in [
            ("READONLY You can't write against a read only replica.", CallFailure::ReadOnly),
            ("LOADING Redis is loading the dataset in memory", CallFailure::Loading),
            ("MISCONF Redis is configured to save RDB snapshots", CallFailure::Misconf),
            ("OOM command not allowed when used memory > 'maxmemory'.", CallFailure::OutOfMemory),
            ("BUSY Redis is busy running a script.", CallFailure::Busy),
            ("NOSCRIPT No matching script. Please use EVAL.", CallFailure::NoScript),
            ("NOAUTH Authentication required.", CallFailure::Denied),
            ("WRONGPASS invalid username-password pair", CallFailure::Denied),
            ("NOPERM this user has no permissions", CallFailure::Denied),
            ("ERR Protocol error: unauthenticated multibulk length", CallFailure::Denied),
            ("MASTERDOWN Link with MASTER is down", CallFailure::Degraded),
            ("NOREPLICAS Not enough good replicas to write.", CallFailure::Degraded),
            ("CLUSTERDOWN The cluster is down", CallFailure::Cluster),
            ("MOVED 3999 127.0.0.1:6381", CallFailure::Cluster),
            (
                "ERR Error running script (call to f_1): @user_script:1: -READONLY You can't write",
                CallFailure::ReadOnly,
            ),
            ("ERR max number of clients reached", CallFailure::Other),
            ("WHATEVER comes", CallFailure::Other),
        ] {
            assert_eq!(answered(line), failure, "{line}");
        }
    }

    #[test]
    fn no_connection_no_answer_and_a_lost_connection_are_told_apart() {
        let error = |kind| RedisError::from(io::Error::from(kind));
        let refused = error(io::ErrorKind::ConnectionRefused);
        assert_eq!(CallFailure::of_connecting(&refused), CallFailure::Unreachable);
        assert_eq!(CallFailure::of(&error(io::ErrorKind::UnexpectedEof)), CallFailure::Lost);
        let timed_out = error(io::ErrorKind::TimedOut);
        assert_eq!(CallFailure::of(&timed_out), CallFailure::TimedOut);
        assert_eq!(CallFailure::of_connecting(&timed_out), CallFailure::TimedOut);
    }
}
