//! Messages to people, by a webhook that takes `{"text": …}` as Slack's does. Off unless `webhook.url` is
//! set. What is worth a message is decided elsewhere; this delivers: one at a time, again if it fails, never
//! in anyone's way. The address is a secret: it stands in no log line.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::RETRY_AFTER;
use pricecast_core::{backoff_delay_ms, named};
use rustls::ClientConfig;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::config::WebhookUrl;
use crate::metrics::Metrics;
use crate::{outgoing, retry_after};

/// Messages that may wait. Each is one look's news, so more than that is a flood.
const QUEUE_LEN: usize = 32;
/// For all of one attempt.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Some two minutes of trying; what cannot be told by then is in the status.
const ATTEMPTS_MAX: u32 = 10;
/// Whoever asks for a longer pause gets the next attempt after this one.
const PAUSE_MAX_MS: u64 = 60_000;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It was taken.
    Sent,
    /// It was refused, or not taken in any attempt.
    Failed,
    /// Too many were waiting.
    Dropped,
}

named! {
    Delivery {
        Sent = "sent",
        Failed = "failed",
        Dropped = "dropped",
    }
}

/// Takes messages. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outbox {
    queue: mpsc::Sender<String>,
    metrics: Arc<Metrics>,
}

impl Outbox {
    /// Hands `text` over, and never waits.
    pub fn post(&self, text: String) {
        if self.queue.try_send(text).is_err() {
            self.metrics.webhook(Delivery::Dropped);
            warn!("webhook: {QUEUE_LEN} messages are waiting, one more is dropped");
        }
    }
}

/// Delivers them.
#[derive(Debug)]
pub struct Webhook {
    url: WebhookUrl,
    client: reqwest::Client,
    queue: mpsc::Receiver<String>,
    clock: Clock,
    metrics: Arc<Metrics>,
}

/// What came of one attempt.
enum Attempt {
    Taken,
    /// It makes no sense to try again.
    Refused(String),
    /// It may be taken later.
    Failed {
        why: String,
        retry_after_ms: Option<u64>,
    },
}

impl Webhook {
    /// Both ends. It delivers to `url` while it [runs](Self::run).
    ///
    /// # Errors
    /// When the client cannot be built.
    pub fn new(
        url: WebhookUrl,
        tls: ClientConfig,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<(Outbox, Self)> {
        let client = outgoing::client(tls, TIMEOUT)?;
        let (sender, queue) = mpsc::channel(QUEUE_LEN);
        let outbox = Outbox { queue: sender, metrics: Arc::clone(&metrics) };
        Ok((outbox, Self { url, client, queue, clock, metrics }))
    }

    /// Runs until nobody can hand over anything any more.
    pub async fn run(&mut self) {
        while let Some(text) = self.queue.recv().await {
            let delivery = self.deliver(&text).await;
            self.metrics.webhook(delivery);
        }
    }

    async fn deliver(&self, text: &str) -> Delivery {
        let body = serde_json::json!({ "text": text }).to_string();
        for attempt in 1..=ATTEMPTS_MAX {
            match self.attempt(body.clone()).await {
                Attempt::Taken => {
                    info!(attempt, "webhook: told: {text}");
                    return Delivery::Sent;
                }
                Attempt::Refused(why) => {
                    warn!(attempt, "webhook: a message is refused ({why}): {text}");
                    return Delivery::Failed;
                }
                Attempt::Failed { why, .. } if attempt == ATTEMPTS_MAX => {
                    warn!(attempt, "webhook: a message is given up ({why}): {text}");
                }
                Attempt::Failed { why, retry_after_ms } => {
                    let backoff_ms = backoff_delay_ms(attempt, rand::random());
                    let delay_ms = backoff_ms.max(retry_after_ms.unwrap_or(0)).min(PAUSE_MAX_MS);
                    info!(attempt, delay_ms, "webhook: not told yet ({why})");
                    sleep(Duration::from_millis(delay_ms)).await;
                }
            }
        }
        Delivery::Failed
    }

    async fn attempt(&self, body: String) -> Attempt {
        let request = self.client.post(self.url.reveal().clone());
        let request = request.header("content-type", "application/json").body(body);
        match request.send().await {
            Ok(response) => {
                let status = response.status();
                let retry_after = response.headers().get(RETRY_AFTER);
                let retry_after_ms = retry_after::wait_ms(retry_after, self.clock.now());
                judge(status, retry_after_ms)
            }
            // It would name the address.
            Err(error) => Attempt::Failed {
                why: format!("{:#}", anyhow::Error::from(error.without_url())),
                retry_after_ms: None,
            },
        }
    }
}

fn judge(status: StatusCode, retry_after_ms: Option<u64>) -> Attempt {
    let why = format!("status {}", status.as_u16());
    if status.is_success() {
        Attempt::Taken
    } else if status.is_server_error()
        || [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(&status)
    {
        Attempt::Failed { why, retry_after_ms }
    } else {
        Attempt::Refused(why)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;
    use tokio::time::timeout;

    use super::*;
    use crate::config::{Config, FileText};
    use crate::exchange::tls;

    /// A server that answers one connection after the other so; an empty answer: never. Gives back
    /// what it was sent.
    async fn server(answers: &'static [&'static str]) -> (String, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/T000/secret-canary", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move {
            let (mut requests, mut open) = (Vec::new(), Vec::new());
            for answer in answers {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = String::new();
                while !request.ends_with('}') {
                    let mut bytes = [0; 4_096];
                    let count = socket.read(&mut bytes).await.unwrap();
                    assert!(count > 0, "cut off: {request}");
                    request.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
                }
                requests.push(request);
                socket.write_all(answer.as_bytes()).await.unwrap();
                open.push(socket);
            }
            requests
        });
        (url, serving)
    }

    const PATIENCE: Duration = Duration::from_secs(10);
    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
    const DOWN: &str = "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    const BUSY: &str =
        "HTTP/1.1 429 Slow\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    const GONE: &str = "HTTP/1.1 404 Gone\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

    fn webhook(url: &str) -> (Outbox, Webhook) {
        let text = format!("webhook.url = \"{url}\"");
        let config = Config::load(Some(FileText { name: "test", text: &text }), []).unwrap();
        let tls = tls::client_config(None).unwrap();
        let metrics = Arc::new(Metrics::default());
        Webhook::new(config.webhook.url.unwrap(), tls, Clock::start(), metrics).unwrap()
    }

    /// What becomes of a message at a server that answers so, and what that one has heard.
    async fn deliver(answers: &'static [&'static str]) -> (Delivery, Vec<String>) {
        let (url, serving) = server(answers).await;
        let (_outbox, webhook) = webhook(&url);
        let delivery = webhook.deliver("kraken is \"not\" connected").await;
        let requests = timeout(PATIENCE, serving).await.expect("it was asked for every answer");
        (delivery, requests.unwrap())
    }

    #[tokio::test]
    async fn a_message_is_posted_as_slack_takes_it() {
        let (delivery, requests) = deliver(&[OK]).await;
        assert_eq!(delivery, Delivery::Sent);
        assert!(requests[0].starts_with("POST /T000/secret-canary HTTP/1.1\r\n"), "{requests:?}");
        assert!(requests[0].contains("content-type: application/json\r\n"));
        assert!(requests[0].ends_with(r#"{"text":"kraken is \"not\" connected"}"#));
    }

    #[tokio::test]
    async fn one_that_is_not_taken_is_sent_again() {
        let (delivery, requests) = deliver(&[DOWN, BUSY, OK]).await;
        assert_eq!((delivery, requests.len()), (Delivery::Sent, 3));
        assert_eq!(requests[0], requests[2]);
    }

    #[tokio::test]
    async fn one_that_is_refused_is_not() {
        let (delivery, requests) = deliver(&[GONE]).await;
        assert_eq!((delivery, requests.len()), (Delivery::Failed, 1));
    }

    #[tokio::test]
    async fn a_server_that_never_answers_is_given_up_and_asked_again() {
        let began = tokio::time::Instant::now();
        let (delivery, requests) = deliver(&["", OK]).await;
        assert_eq!((delivery, requests.len()), (Delivery::Sent, 2));
        assert!(began.elapsed() >= TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn after_ten_attempts_it_is_given_up_in_words_that_do_not_name_the_address() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/secret-canary", listener.local_addr().unwrap());
        drop(listener);
        let (_outbox, webhook) = webhook(&url);
        let Attempt::Failed { why, .. } = webhook.attempt(String::new()).await else { panic!() };
        assert!(!why.contains("canary") && !why.is_empty(), "{why}");
        assert_eq!(webhook.deliver("x").await, Delivery::Failed);
        assert!(!format!("{webhook:?}").contains("canary"));
    }

    #[tokio::test]
    async fn whoever_posts_never_waits() {
        let (outbox, _webhook) = webhook("http://127.0.0.1:9/");
        for _ in 0..QUEUE_LEN {
            outbox.post("one".to_owned());
        }
        let dropped = "webhook_messages_total{outcome=\"dropped\"}";
        let text = |outbox: &Outbox| outbox.metrics.encode(None, crate::test_support::at(0));
        assert!(text(&outbox).contains(&format!("{dropped} 0\n")));
        outbox.post("one more".to_owned());
        assert!(text(&outbox).contains(&format!("{dropped} 1\n")));
    }
}
