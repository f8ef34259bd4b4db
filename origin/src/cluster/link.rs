//! The connection to Redis: one call at a time, each within its time, the connection made anew
//! after any failure.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, RedisError, ScriptInvocation};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::failure::CallFailure;
use crate::config::RedisUrl;
use crate::exchange::tls;

/// A call that was not answered as it should.
#[derive(Debug, thiserror::Error)]
#[error("{failure}: {error}")]
pub struct Failed {
    /// In a word.
    pub failure: CallFailure,
    /// In the words of whoever failed.
    pub error: String,
}

impl Failed {
    /// Of an answer that nobody understands.
    #[must_use]
    pub fn odd() -> Self {
        Self {
            failure: CallFailure::Odd,
            error: "it answered what none of our scripts does".to_owned(),
        }
    }
}

/// The connection.
pub struct Link {
    client: Client,
    place: String,
    limits: AsyncConnectionConfig,
    within: Duration,
    /// As towards the exchanges, where the address asks for it.
    tls: Option<TlsConnector>,
    connection: Option<Connection>,
}

struct Connection {
    redis: MultiplexedConnection,
    /// Carries what it says and hears over TLS; ends with it.
    _driver: JoinSet<()>,
}

impl Link {
    /// Not connected yet. A call, with connecting where that is needed, takes at most `within`. With
    /// TLS the web's root certificates are trusted, and those in `ca_file` (PEM).
    ///
    /// # Errors
    /// When the address or `ca_file` cannot be used.
    pub fn new(url: &RedisUrl, ca_file: Option<&Path>, within: Duration) -> anyhow::Result<Self> {
        let limits = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(within))
            .set_response_timeout(Some(within));
        let client = Client::open(url.connection_info()?)?;
        let tls = url.has_tls().then(|| tls::client_config(ca_file)).transpose()?;
        let tls = tls.map(|config| TlsConnector::from(Arc::new(config)));
        Ok(Self { client, place: url.place(), limits, within, tls, connection: None })
    }

    /// Where Redis is, for the log.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Runs a script; all of ours answer with a list of texts.
    ///
    /// # Errors
    /// [`Failed`] when there is no such answer in time.
    pub async fn call(&mut self, call: &ScriptInvocation<'_>) -> Result<Vec<Vec<u8>>, Failed> {
        // It loads a script that is not there by itself.
        self.within_time(async |connection| call.invoke_async(connection).await).await
    }

    /// Redis's clock, µs since the epoch.
    ///
    /// # Errors
    /// [`Failed`] when it does not tell in time.
    pub async fn time(&mut self) -> Result<i64, Failed> {
        let ask = async |connection: &mut _| redis::cmd("TIME").query_async(connection).await;
        let (seconds, micros): (i64, i64) = self.within_time(ask).await?;
        Ok(seconds.saturating_mul(1_000_000).saturating_add(micros))
    }

    async fn within_time<T>(
        &mut self,
        run: impl AsyncFnOnce(&mut MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Result<T, Failed> {
        let outcome = match timeout(self.within, self.attempt(run)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let error = format!("no answer within {} ms", self.within.as_millis());
                Err(Failed { failure: CallFailure::TimedOut, error })
            }
        };
        if outcome.is_err() {
            self.connection = None;
        }
        outcome
    }

    async fn attempt<T>(
        &mut self,
        run: impl AsyncFnOnce(&mut MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Result<T, Failed> {
        let failed = |failure, error: &RedisError| Failed { failure, error: error.to_string() };
        if self.connection.is_none() {
            let connected = self.connect().await;
            let connected = connected.map_err(|e| failed(CallFailure::of_connecting(&e), &e))?;
            self.connection = Some(connected);
        }
        let Some(connection) = &mut self.connection else { return Err(Failed::odd()) };
        run(&mut connection.redis).await.map_err(|e| failed(CallFailure::of(&e), &e))
    }

    async fn connect(&self) -> Result<Connection, RedisError> {
        let mut driver = JoinSet::new();
        let info = self.client.get_connection_info();
        let redis = match (&self.tls, info.addr()) {
            (Some(tls), ConnectionAddr::Tcp(host, port)) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
                let stream = tls.connect(name, stream).await?;
                let (settings, limits) = (info.redis_settings(), self.limits.clone());
                let (redis, drive) =
                    MultiplexedConnection::new_with_config(settings, stream, limits).await?;
                driver.spawn(drive);
                redis
            }
            _ => self.client.get_multiplexed_async_connection_with_config(&self.limits).await?,
        };
        Ok(Connection { redis, _driver: driver })
    }
}
