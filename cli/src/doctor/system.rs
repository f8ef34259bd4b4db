//! An origin and an edge that run, asked as their clients ask them.

use std::time::Duration;

use pricecast_core::poll::must_flag;
use pricecast_core::{Snapshot, Version};
use pricecast_wire::headers::CACHE_STATUS;
use reqwest::Url;

use super::answer::{Answer, Web};
use super::face::{self, Market};
use super::finding::Finding;
use super::said::{Health, Ready};

const PRICES: &str = "/api/v1/prices";
/// As often as an app asks, for as many polls as show a cache at work.
const POLLS: u32 = 4;
const POLL_EVERY: Duration = Duration::from_millis(700);

/// Who is asked, and with what.
pub(super) struct System {
    pub(super) web: Web,
    pub(super) secret: Option<String>,
    pub(super) market: Market,
}

impl System {
    /// Looks at an origin; its prices are for comparing.
    pub(super) async fn origin(&self, url: &Url) -> (Vec<Finding>, Option<Snapshot>) {
        let live = match self.web.get(url, "/live", None, None).await {
            Ok(answer) => answer,
            Err(error) => {
                let text = format!(
                    "{url} cannot be reached: {error}; does it run there, and does http.listen let this machine in?"
                );
                return (vec![Finding::bad("origin", text)], None);
            }
        };
        if live.status != 200 {
            let text = format!(
                "{url} answers /live with {}: this is no Pricecast origin, or a proxy stands in front of it",
                live.told()
            );
            return (vec![Finding::bad("origin", text)], None);
        }
        let mut findings = vec![Finding::good("origin", format!("{url} lives"))];
        if let Ok(ready) = self.web.get(url, "/ready", None, None).await {
            findings.extend(judge_ready(&ready));
        }
        if let Ok(stranger) = self.web.get(url, PRICES, None, None).await {
            findings.push(self.judge_stranger(url, &stranger));
        }
        let mut prices = None;
        match self.web.get(url, PRICES, self.secret.as_deref(), None).await {
            Ok(answer) if answer.status == 403 => {
                let text = if self.secret.is_some() {
                    "refuses the secret (403): it is none of its access.secrets"
                } else {
                    "wants a secret (403) and none is known here: give --config, or ORIGIN_SECRET in the environment"
                };
                findings.push(Finding::bad("origin prices", text));
            }
            Ok(answer) => match answer.prices() {
                Ok(snapshot) => {
                    findings.extend(face::freshness(
                        "origin prices",
                        &answer,
                        &snapshot,
                        self.market,
                    ));
                    findings.push(face::headers("origin headers", &answer));
                    findings.extend(face::clock("origin clock", &answer));
                    prices = Some(snapshot);
                }
                Err(told) => findings.push(Finding::bad("origin prices", told)),
            },
            Err(error) => findings.push(Finding::bad("origin prices", error)),
        }
        (findings, prices)
    }

    fn judge_stranger(&self, url: &Url, answer: &Answer) -> Finding {
        let of = "origin secret";
        match (answer.status, self.secret.is_some()) {
            (403, _) => Finding::good(of, "who shows no secret is refused (403)"),
            (200, true) => Finding::bad(
                of,
                "anyone is answered, though a secret is set here: this origin runs without access.secrets, or something in front of it adds the secret",
            ),
            (200, false) if is_local(url) => {
                Finding::note(of, "anyone is answered: fine on this machine, not for a deploy")
            }
            (200, false) => Finding::note(
                of,
                "anyone who finds this address is answered, past the edge; set access.secrets unless that is meant",
            ),
            _ => Finding::bad(
                of,
                format!(
                    "a request without a secret is answered {}, neither 403 nor 200",
                    answer.told()
                ),
            ),
        }
    }

    /// Looks at an edge, or at a zone that serves from its cache.
    pub(super) async fn edge(&self, url: &Url, of_origin: Option<Snapshot>) -> Vec<Finding> {
        let first = match self.web.get(url, PRICES, None, None).await {
            Ok(answer) => answer,
            Err(error) => {
                let text = format!(
                    "{url} cannot be reached: {error}; is it deployed, and does its name resolve?"
                );
                return vec![Finding::bad("edge", text)];
            }
        };
        let prices = match first.prices() {
            Ok(prices) => prices,
            Err(told) => {
                let mut findings = vec![Finding::bad("edge", no_prices(url, &first, &told))];
                if first.status == 503 {
                    findings.extend(self.health(url).await);
                }
                return findings;
            }
        };
        let is_worker =
            first.header(CACHE_STATUS).is_some_and(|text| text.starts_with("pricecast"));
        let face = if is_worker {
            "the Worker answers"
        } else {
            "a zone's cache answers, without the Worker"
        };
        let mut findings = vec![Finding::good("edge", format!("{url}: {face}"))];
        findings.extend(face::freshness("edge prices", &first, &prices, self.market));
        findings.push(face::headers("edge headers", &first));
        findings.extend(face::clock("edge clock", &first));
        findings.push(self.revalidation(url, &first).await);
        findings.push(self.query(url, is_worker).await);
        if is_worker {
            findings.extend(self.health(url).await);
        }
        findings.push(self.hidden(url).await);
        findings.extend(self.polls(url).await);
        findings.extend(of_origin.map(|of_origin| compare(&of_origin, &prices)));
        findings
    }

    async fn revalidation(&self, url: &Url, first: &Answer) -> Finding {
        let of = "edge 304";
        let Some(etag) = first.header("etag") else {
            return Finding::bad(of, "no ETag to ask with");
        };
        match self.web.get(url, PRICES, None, Some(etag)).await {
            Ok(answer) if answer.status == 304 => {
                Finding::good(of, "what a client has already is not sent again")
            }
            // Something newer was published in between.
            Ok(answer) if answer.status == 200 && answer.header("etag") != Some(etag) => {
                Finding::good(of, "something newer came in between")
            }
            Ok(answer) => Finding::bad(
                of,
                format!(
                    "its own ETag is answered {}: something on the way removes If-None-Match, or weakens the ETag",
                    answer.status
                ),
            ),
            Err(error) => Finding::bad(of, error),
        }
    }

    async fn query(&self, url: &Url, is_worker: bool) -> Finding {
        let of = "edge query";
        match self.web.get(url, "/api/v1/prices?doctor=1", None, None).await {
            Ok(answer) if is_worker && answer.status == 400 => {
                Finding::good(of, "a query is refused (400), so none can part the cache")
            }
            Ok(answer) if !is_worker && answer.status == 200 => {
                Finding::good(of, "a query is ignored")
            }
            Ok(answer) => Finding::bad(
                of,
                format!(
                    "a query is answered {}: with http.delivery = \"cdn\" the cache rule must ignore the query string (docs/cdn.md)",
                    answer.told()
                ),
            ),
            Err(error) => Finding::bad(of, error),
        }
    }

    async fn health(&self, url: &Url) -> Vec<Finding> {
        let of = "edge health";
        let answer = match self.web.get(url, "/health", None, None).await {
            Ok(answer) => answer,
            Err(error) => return vec![Finding::bad(of, error)],
        };
        let Ok(health) = serde_json::from_str::<Health>(&answer.body) else {
            return vec![Finding::bad(of, format!("/health is answered {}", answer.told()))];
        };
        let mut findings = vec![];
        if !health.unknown_variables.is_empty() {
            let names = health.unknown_variables.join(", ");
            findings.push(Finding::note(of, format!("variables it does not know: {names}; look at the spelling in wrangler.toml, and of its secrets")));
        }
        findings.push(if health.origin.reachable == Some(false) {
            let failure = health.origin.last_failure.unwrap_or_else(|| "in another isolate".to_owned());
            Finding::bad(of, format!("its last fetch from the origin failed ({failure}): look at ORIGIN_URLS and ORIGIN_SECRET, and whether the origin lets it in"))
        } else {
            Finding::good(of, format!("status {}; origins configured: {}", health.status, health.origin.configured))
        });
        findings
    }

    /// Nothing of the origin's own may be seen from outside.
    async fn hidden(&self, url: &Url) -> Finding {
        let of = "edge hides";
        let mut open = vec![];
        for path in ["/metrics", "/ready", "/openapi.json"] {
            if self.web.get(url, path, None, None).await.is_ok_and(|answer| answer.status == 200) {
                open.push(path);
            }
        }
        if open.is_empty() {
            Finding::good(of, "/metrics, /ready and /openapi.json are not reachable through it")
        } else {
            Finding::bad(
                of,
                format!(
                    "{} can be read through it: route only {PRICES} (and /api/v1/status) to the origin",
                    open.join(", ")
                ),
            )
        }
    }

    /// Several polls: ages, order, and what Cloudflare says of its caches.
    async fn polls(&self, url: &Url) -> Vec<Finding> {
        let of = "edge polls";
        let mut ages = vec![];
        let mut told = vec![];
        let mut last: Option<Version> = None;
        let mut findings = vec![];
        for nth in 0..POLLS {
            if nth > 0 {
                tokio::time::sleep(POLL_EVERY).await;
            }
            let answer = match self.web.get(url, PRICES, None, None).await {
                Ok(answer) => answer,
                Err(error) => return vec![Finding::bad(of, error)],
            };
            let Ok(prices) = answer.prices() else {
                return vec![Finding::bad(
                    of,
                    format!("one of {POLLS} was answered {}", answer.told()),
                )];
            };
            if let Some(last) = last.filter(|&last| prices.version < last) {
                findings.push(judge_order(last, prices.version));
            }
            last = Some(prices.version);
            let age_ms = face::age_ms(&answer, &prices);
            if let Some(age_ms) =
                age_ms.filter(|&age_ms| must_flag(age_ms) && !face::is_held_by_a_cache(&answer))
            {
                return vec![Finding::bad(
                    of,
                    format!("{age_ms} ms old on a screen in one of {POLLS}, by the client rule"),
                )];
            }
            ages.extend(age_ms);
            let cloudflare = ["cf-cache-status", "age", "cf-ray"];
            let seen = cloudflare
                .iter()
                .filter_map(|name| Some(format!("{name} {}", answer.header(name)?)));
            told.push(seen.collect::<Vec<_>>().join(", "));
        }
        let shown: Vec<_> = ages.iter().map(ToString::to_string).collect();
        let ages = shown.join(", ");
        findings.push(Finding::good(of, format!("{POLLS} in a row, ages on a screen {ages} ms")));
        told.retain(|text| !text.is_empty());
        findings.push(if told.is_empty() {
            Finding::note("cloudflare", "no header of Cloudflare's: this is not behind it, so nothing is shown about its caches")
        } else {
            Finding::good("cloudflare", told.join(" | "))
        });
        findings
    }
}

/// An answer came after a later one. Two isolates may be a refresh apart; two epochs are two feeds.
fn judge_order(last: Version, now: Version) -> Finding {
    let of = "edge polls";
    if now.epoch < last.epoch {
        let (now, last) = (now.epoch, last.epoch);
        return Finding::bad(
            of,
            format!(
                "epoch {now} came after {last}: several origins publish as one, or a cache gives out old copies"
            ),
        );
    }
    Finding::note(
        of,
        format!(
            "seq {} came after {}: two isolates, or caches, a refresh apart; clients drop the older one",
            now.seq, last.seq
        ),
    )
}

fn judge_ready(answer: &Answer) -> Vec<Finding> {
    let of = "origin ready";
    let Ok(ready) = serde_json::from_str::<Ready>(&answer.body) else {
        return vec![Finding::bad(of, format!("/ready is answered {}", answer.told()))];
    };
    let mut findings = vec![if answer.status == 200 {
        Finding::good(of, "it can serve fresh prices")
    } else {
        let reasons: Vec<_> = ready.reasons.iter().map(ToString::to_string).collect();
        Finding::bad(of, format!("{}: {}", answer.status, reasons.join("; ")))
    }];
    findings.extend(ready.warnings.iter().map(|told| Finding::note(of, told.to_string())));
    findings
}

fn no_prices(url: &Url, answer: &Answer, told: &str) -> String {
    match answer.status {
        404 => format!(
            "{url} answers {PRICES} with {told}: no route leads this name to the Worker, or the path is cut"
        ),
        500 if told.contains("misconfigured") => {
            format!("{url}: {told}; mend it in wrangler.toml and deploy again")
        }
        503 => format!(
            "{url}: {told}; it has no price yet: look at ORIGIN_URLS and ORIGIN_SECRET, and at the origin itself"
        ),
        _ => format!("{url} answers {PRICES} with {told}"),
    }
}

fn compare(of_origin: &Snapshot, of_edge: &Snapshot) -> Finding {
    let of = "edge and origin";
    let (origin, edge) = (of_origin.version, of_edge.version);
    if origin.epoch == edge.epoch {
        let apart = edge.seq.abs_diff(origin.seq);
        Finding::good(
            of,
            format!("the same feed (epoch {}), {apart} publications apart", edge.epoch),
        )
    } else {
        Finding::bad(
            of,
            format!(
                "different feeds: epoch {} at the origin, {} at the edge; does ORIGIN_URLS name this origin?",
                origin.epoch, edge.epoch
            ),
        )
    }
}

fn is_local(url: &Url) -> bool {
    matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn an_earlier_seq_is_a_note_and_an_earlier_epoch_must_be_mended() {
        let version = |epoch, seq| Version { epoch, seq };
        assert_eq!(judge_order(version(2, 9), version(2, 8)).verdict, Verdict::Note);
        assert_eq!(judge_order(version(2, 1), version(1, 9)).verdict, Verdict::Bad);
    }
}
