//! The body of `GET /api/v1/status`: how well the promise was kept, as one origin has measured it. Moments are RFC 3339
//! in UTC, since people read it; ages and spans are whole numbers with their unit last.

use serde::Serialize;

#[cfg(feature = "openapi")]
use crate::openapi::names;

/// How well prices were kept fresh, measured by the origin that answers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = StatusReport))]
pub struct StatusBody {
    /// When this was put together; every five seconds.
    pub generated_at: String,
    /// Who has measured it.
    pub origin: OriginBody,
    /// `real`, or `custom` where the exchanges are not the real ones.
    pub market: &'static str,
    /// The state of the feed in one word; absent before any price is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<names::Mode>, nullable = false))]
    pub mode: Option<&'static str>,
    /// How the exchanges are doing; absent before any price is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub sources: Option<StatusSourcesBody>,
    /// What is, and was, wrong.
    pub incidents: IncidentsBody,
    /// What is left of the minutes that may be bad.
    pub error_budget: ErrorBudgetBody,
    /// The ages of each configured symbol, in the order of the configuration.
    pub ages: Vec<SymbolAgesBody>,
    /// How the origin's probe of its own public address is doing; absent where none is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub probe: Option<ProbeBody>,
}

/// The origin that answers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = StatusOrigin))]
pub struct OriginBody {
    /// Its version.
    pub version: &'static str,
    /// What exactly was built, e.g. `v0.1.0-12-g1a2b3c4`; absent where the build was not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub build: Option<&'static str>,
    /// When this process began.
    pub started_at: String,
    /// `alone`; with several origins `leader` (it speaks to the exchanges) or `follower`.
    pub role: &'static str,
}

/// Both exchanges.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = StatusSources))]
pub struct StatusSourcesBody {
    /// Primary.
    pub kraken: StatusSourceBody,
    /// Fallback.
    pub coinbase: StatusSourceBody,
}

/// How one exchange is doing.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = StatusSource))]
pub struct StatusSourceBody {
    /// As of `generatedAt`.
    #[cfg_attr(feature = "openapi", schema(value_type = names::Status))]
    pub status: &'static str,
    /// Why it is not connected, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<names::Reason>, nullable = false))]
    pub reason: Option<&'static str>,
}

/// Incidents: troubles that lasted.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Incidents))]
pub struct IncidentsBody {
    /// Those that last.
    pub open: Vec<IncidentBody>,
    /// The last 50 that are over, the latest first.
    pub recent: Vec<IncidentBody>,
}

/// One incident.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Incident))]
pub struct IncidentBody {
    /// `all_stale`, `symbol_stale`, `symbol_frozen` or `source_down`. More values may be added.
    pub kind: &'static str,
    /// The symbol concerned, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub symbol: Option<String>,
    /// The exchange concerned, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<names::Source>, nullable = false))]
    pub source: Option<&'static str>,
    /// When the trouble was seen first.
    pub began_at: String,
    /// When it was seen last; absent while it lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub ended_at: Option<String>,
}

/// The error budget: a minute is good when every price served in it was at most 5 s old throughout, and that was measured throughout.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ErrorBudget))]
pub struct ErrorBudgetBody {
    /// The part of the window's minutes that is to be good.
    pub objective: f64,
    /// The window.
    pub window_minutes: u64,
    /// Its minutes since measuring began, the present one included.
    pub counted_minutes: u64,
    /// How many of them were not good.
    pub bad_minutes: u64,
    /// How many of those because nobody looked: the origin was not running.
    pub unmeasured_minutes: u64,
    /// How many of the whole window may be bad.
    pub allowed_minutes: u64,
    /// How many more may be bad; below zero the objective is missed.
    pub remaining_minutes: i64,
}

/// The ages of one symbol's price, by where they were seen; a place where none was seen is absent.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SymbolAges))]
pub struct SymbolAgesBody {
    /// Canonical symbol, e.g. `BTC`.
    pub symbol: String,
    /// In what the origin serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub served: Option<AgesBody>,
    /// In what Kraken last proved, served or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub kraken: Option<AgesBody>,
    /// In what Coinbase last proved, served or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub coinbase: Option<AgesBody>,
    /// In the answers of the public address, as a client there sees them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub edge: Option<AgesBody>,
}

/// The ages seen in one place.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Ages))]
pub struct AgesBody {
    /// The present minute and the 60 before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub hour: Option<AgeBody>,
    /// The present hour and the 24 before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub day: Option<AgeBody>,
}

/// Ages over a stretch of time. Percentiles err towards older: by 50 ms up to 0.5 s, by a tenth up to 10 s; the maximum is exact.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = AgeSummary))]
pub struct AgeBody {
    /// Half of the samples were at most so old.
    pub p50_ms: u64,
    /// 99 of 100 were.
    pub p99_ms: u64,
    /// The oldest.
    pub max_ms: u64,
    /// How many there were.
    pub samples: u64,
}

/// The origin's probe of its own public address.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = StatusProbe))]
pub struct ProbeBody {
    /// When it last brought prices; absent if never in this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub last_ok_at: Option<String>,
    /// Failures in a row.
    pub fails_in_row: u32,
    /// Why the last one failed, until one succeeds. More values may be added.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub last_failure: Option<&'static str>,
}

impl StatusBody {
    /// As it is sent.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Texts and numbers: this cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}
