//! The OpenAPI document describes the bodies that are really sent, and the routes there are.
#![cfg(feature = "openapi")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;

use pricecast_wire::status::{
    AgeBody, AgesBody, ErrorBudgetBody, IncidentBody, IncidentsBody, OriginBody, ProbeBody,
    StatusBody, StatusSourceBody, StatusSourcesBody, SymbolAgesBody,
};
use pricecast_wire::{Face, Problem, ProblemCode, Resource, openapi_json, parse, render};
use proptest::prelude::*;
use serde_json::Value;
use support::{any_snapshot, at, degraded, fallback, live};

fn document() -> Value {
    serde_json::from_str(&openapi_json()).unwrap()
}

/// Checks a value against a schema of the document: no key undescribed, none missing, types and
/// listed values right. (The few keywords the document uses, not JSON Schema at large.)
fn conforms(document: &Value, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#')).ok_or(reference)?;
        return conforms(document, target, value, place);
    }
    let type_fits = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("number") => value.is_number(),
        other => return Err(format!("{place}: the document gives the type {other:?}")),
    };
    let listed = schema["enum"].as_array().is_none_or(|values| values.contains(value));
    if !type_fits || !listed {
        return Err(format!("{place}: {value} does not conform to {schema}"));
    }
    for item in value.as_array().into_iter().flatten() {
        conforms(document, &schema["items"], item, &format!("{place}[]"))?;
    }
    if let Some(object) = value.as_object() {
        let required: BTreeSet<_> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if let Some(missing) = required.iter().find(|key| !object.contains_key(**key)) {
            return Err(format!("{place}: {missing} is required and missing"));
        }
        for (key, item) in object {
            let described = &schema["properties"][key];
            conforms(document, described, item, &format!("{place}.{key}"))?;
        }
    }
    Ok(())
}

fn schema(document: &Value, name: &str) -> Value {
    document["components"]["schemas"][name].clone()
}

#[test]
fn rendered_bodies_and_problems_conform_to_the_document() {
    let document = document();
    for snapshot in [live(), fallback(), degraded()] {
        for offset_ms in [0, 4_100, 9_000] {
            let body = serde_json::from_str(&render(&snapshot, at(offset_ms))).unwrap();
            conforms(&document, &schema(&document, "Prices"), &body, "prices").unwrap();
        }
    }
    for code in ProblemCode::ALL {
        let body = serde_json::from_str(&Problem::from(code).to_json()).unwrap();
        conforms(&document, &schema(&document, "Problem"), &body, "problem").unwrap();
    }
}

#[test]
fn the_check_notices_an_undescribed_a_missing_and_a_wrong_value() {
    let document = document();
    let schema = schema(&document, "Prices");
    let body: Value = serde_json::from_str(&render(&live(), at(0))).unwrap();
    for (pointer, key, value) in [
        ("", "news", Some("x")),
        ("/prices/0", "price", Some("1")),
        ("", "mode", Some("odd")),
        ("/sources", "kraken", None),
    ] {
        let mut body = body.clone();
        let object = body.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
        match value {
            Some(value) => object.insert(key.to_owned(), value.into()),
            None => object.remove(key),
        };
        assert!(conforms(&document, &schema, &body, "prices").is_err(), "{pointer}/{key}");
    }
}

#[test]
fn the_document_requires_what_the_reader_requires() {
    let document = document();
    let whole: Value = serde_json::from_str(&render(&fallback(), at(0))).unwrap();
    for pointer in ["", "/prices/0", "/sources", "/sources/kraken"] {
        for key in whole.pointer(pointer).unwrap().as_object().unwrap().keys() {
            let mut body = whole.clone();
            body.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(key);
            let described = conforms(&document, &schema(&document, "Prices"), &body, "prices");
            let read = parse(body.to_string().as_bytes());
            assert_eq!(described.is_ok(), read.is_ok(), "{pointer}/{key}: {described:?} {read:?}");
        }
    }
}

#[test]
fn the_documents_paths_are_the_origins_routes() {
    let document = document();
    let documented: BTreeSet<_> =
        document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let routed: BTreeSet<_> = Resource::ALL
        .into_iter()
        .filter(|resource| resource.is_served_by(Face::Origin))
        .flat_map(|resource| resource.paths().iter().copied())
        .collect();
    assert_eq!(documented, routed);
}

/// Everything a status can say.
fn status() -> StatusBody {
    let moment = || "2026-11-21T22:40:03.100Z".to_owned();
    let age = || Some(AgeBody { p50_ms: 550, p99_ms: 1_400, max_ms: 4_912, samples: 36_000 });
    let ages = || Some(AgesBody { hour: age(), day: age() });
    let source = || StatusSourceBody { status: "stale", reason: Some("silent") };
    let incident = |kind, symbol: Option<&str>, source| IncidentBody {
        kind,
        symbol: symbol.map(str::to_owned),
        source,
        began_at: moment(),
        ended_at: source.map(|_| moment()),
    };
    StatusBody {
        generated_at: moment(),
        origin: OriginBody {
            version: "0.1.0",
            build: Some("v0.1.0"),
            started_at: moment(),
            role: "alone",
        },
        market: "custom",
        mode: Some("live"),
        sources: Some(StatusSourcesBody { kraken: source(), coinbase: source() }),
        incidents: IncidentsBody {
            open: vec![incident("symbol_frozen", Some("BTC"), None)],
            recent: vec![incident("source_down", None, Some("kraken"))],
        },
        error_budget: ErrorBudgetBody {
            objective: 0.9995,
            window_minutes: 43_200,
            counted_minutes: 43_200,
            bad_minutes: 22,
            unmeasured_minutes: 2,
            allowed_minutes: 21,
            remaining_minutes: -1,
        },
        ages: vec![SymbolAgesBody {
            symbol: "BTC".to_owned(),
            served: ages(),
            kraken: ages(),
            coinbase: ages(),
            edge: ages(),
        }],
        probe: Some(ProbeBody {
            last_ok_at: Some(moment()),
            fails_in_row: 1,
            last_failure: Some("timeout"),
        }),
    }
}

#[test]
fn a_status_conforms_to_the_document_with_and_without_what_may_be_absent() {
    let document = document();
    let schema = schema(&document, "StatusReport");
    let whole: Value = serde_json::from_str(&status().to_json()).unwrap();
    conforms(&document, &schema, &whole, "status").unwrap();
    let least = StatusBody { mode: None, sources: None, probe: None, ages: vec![], ..status() };
    let least: Value = serde_json::from_str(&least.to_json()).unwrap();
    conforms(&document, &schema, &least, "status").unwrap();
    assert_eq!(least.get("mode"), None);
    assert!(
        conforms(&document, &schema, &Value::Object(serde_json::Map::new()), "status").is_err()
    );
}

proptest! {
    #[test]
    fn any_body_conforms_to_the_document(
        snapshot in any_snapshot(), offset_ms in -20_000_i64..10_000,
    ) {
        let document = document();
        let body = serde_json::from_str(&render(&snapshot, at(offset_ms))).unwrap();
        conforms(&document, &schema(&document, "Prices"), &body, "prices")
            .map_err(TestCaseError::fail)?;
    }
}
