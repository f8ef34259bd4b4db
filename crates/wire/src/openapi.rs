//! The OpenAPI 3.1 document of the origin's face, generated from the types the reader uses, the
//! route table and the list of problems.

use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathItemBuilder,
};
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{
    Components, Content, ContentBuilder, InfoBuilder, License, OpenApi, OpenApiBuilder, Paths, Ref,
    RefOr, Response, ResponseBuilder, ResponsesBuilder,
};
use utoipa::{PartialSchema, ToSchema};

use crate::body::PricesBody;
use crate::problem::{ProblemBody, ProblemCode};
use crate::route::{Face, Resource};
use crate::status::StatusBody;

const PRICES_ETAG: &str = "`\"<epoch>-<seq>-<k>\"`; changes when a flag flips";
const STATUS_ETAG: &str = "Changes with each new report";

/// The value lists of the contract, as core defines them.
pub(crate) mod names {
    use super::{PartialSchema, RefOr, Schema, ToSchema, one_of};

    macro_rules! schema {
        ($($(#[$doc:meta])* $name:ident = $values:expr;)*) => {$(
            $(#[$doc])*
            pub(crate) struct $name;

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    one_of($values)
                }
            }

            impl ToSchema for $name {}
        )*};
    }

    schema! {
        Mode = pricecast_core::Mode::ALL.iter().map(|value| value.as_str());
        Source = pricecast_core::Source::ALL.iter().map(|value| value.as_str());
        Status = pricecast_core::SourceStatus::ALL.iter().map(|value| value.as_str());
        Reason = pricecast_core::SourceReason::ALL.iter().map(|value| value.as_str());
        Code = crate::ProblemCode::ALL.iter().map(|value| value.as_str());
    }
}

/// The document, as `GET /openapi.json` answers it.
///
/// ```
/// assert!(pricecast_wire::openapi_json().starts_with("{"));
/// ```
#[must_use]
pub fn openapi_json() -> String {
    // Serialising strings and numbers into memory cannot fail.
    document().to_pretty_json().unwrap_or_default()
}

fn document() -> OpenApi {
    let mut schemas = vec![(PricesBody::name().into_owned(), PricesBody::schema())];
    PricesBody::schemas(&mut schemas);
    schemas.push((StatusBody::name().into_owned(), StatusBody::schema()));
    StatusBody::schemas(&mut schemas);
    schemas.push((ProblemBody::name().into_owned(), ProblemBody::schema()));
    ProblemBody::schemas(&mut schemas);
    let mut components = Components::new();
    components.schemas.extend(schemas);

    let mut info = InfoBuilder::new()
        .title("Pricecast")
        .version("1")
        .description(Some(
            "Crypto prices, each with its exchange and its age; flagged from 5 s after the \
             exchange last confirmed them.",
        ))
        .build();
    info.license = Some(License::new(env!("CARGO_PKG_LICENSE")));
    OpenApiBuilder::new().info(info).paths(paths()).components(Some(components)).build()
}

fn paths() -> Paths {
    let mut paths = Paths::new();
    for resource in Resource::ALL.into_iter().filter(|r| r.is_served_by(Face::Origin)) {
        for (index, &path) in resource.paths().iter().enumerate() {
            let alias = if index == 0 { "" } else { "Alias" };
            let item = PathItemBuilder::new()
                .operation(HttpMethod::Get, operation(resource, "get", alias))
                .operation(HttpMethod::Head, operation(resource, "head", alias))
                .operation(HttpMethod::Options, preflight(resource, alias))
                .build();
            paths.paths.insert(path.to_owned(), item);
        }
    }
    paths
}

fn operation(resource: Resource, method: &str, alias: &str) -> OperationBuilder {
    let (name, summary) = describe(resource);
    let operation = OperationBuilder::new()
        .operation_id(Some(format!("{method}{name}{alias}")))
        .summary(Some(summary));
    let with_body = method == "get";
    let mut responses = ResponsesBuilder::new();
    for (status, response) in responses_of(resource, with_body) {
        responses = responses.response(status.to_string(), response);
    }
    match resource {
        Resource::Prices | Resource::Status => operation.parameter(if_none_match_parameter()),
        _ => operation,
    }
    .responses(responses)
}

fn preflight(resource: Resource, alias: &str) -> OperationBuilder {
    OperationBuilder::new()
        .operation_id(Some(format!("options{}{alias}", describe(resource).0)))
        .summary(Some("CORS preflight"))
        .response("204", Response::new("Who may ask, and how"))
}

const fn describe(resource: Resource) -> (&'static str, &'static str) {
    match resource {
        Resource::Prices => ("Prices", "The last known prices"),
        Resource::Status => ("Status", "How well the prices were kept fresh"),
        Resource::Live => ("Live", "Whether the process runs"),
        Resource::Ready => ("Ready", "Whether fresh prices can be served, and why not"),
        Resource::OpenApi => ("OpenApi", "This document"),
        Resource::Health => ("Health", "The edge's own view of itself"),
    }
}

fn responses_of(resource: Resource, with_body: bool) -> Vec<(u16, Response)> {
    let json = |description: &str, content: Content| {
        let response = ResponseBuilder::new().description(description);
        if with_body { response.content("application/json", content) } else { response }.build()
    };
    let object = || ContentBuilder::new().schema(Some(any_object())).build();
    match resource {
        Resource::Prices => {
            let prices = Content::new(Some(Ref::from_schema_name(PricesBody::name())));
            let mut list = vec![
                (
                    200,
                    with_stamps(
                        json("Prices, each flagged when it is 5 s old", prices),
                        PRICES_ETAG,
                    ),
                ),
                (304, with_stamps(Response::new("The caller's copy is still true"), PRICES_ETAG)),
            ];
            list.extend([
                problem(&[ProblemCode::QueryNotAllowed], with_body),
                problem(&[ProblemCode::Forbidden], with_body),
                problem(&[ProblemCode::TooManyRequests], with_body),
                problem(&[ProblemCode::NoDataYet, ProblemCode::Overloaded], with_body),
            ]);
            list
        }
        Resource::Status => {
            let status = Content::new(Some(Ref::from_schema_name(StatusBody::name())));
            let told = "Measured ages, incidents and error budget of the origin that answers";
            vec![
                (200, with_stamps(json(told, status), STATUS_ETAG)),
                (304, with_stamps(Response::new("The caller's copy is the latest"), STATUS_ETAG)),
                problem(&[ProblemCode::QueryNotAllowed], with_body),
                problem(&[ProblemCode::Forbidden], with_body),
                problem(&[ProblemCode::TooManyRequests], with_body),
                problem(&[ProblemCode::NoDataYet, ProblemCode::Overloaded], with_body),
            ]
        }
        Resource::Live => vec![(200, json("It runs", object()))],
        Resource::Ready => vec![
            (200, json("Fresh prices are served", object())),
            (503, json("Not ready; the body gives the reasons", object())),
        ],
        Resource::OpenApi => vec![
            (200, json("This document", object())),
            problem(&[ProblemCode::Forbidden], with_body),
            problem(&[ProblemCode::TooManyRequests], with_body),
            problem(&[ProblemCode::Overloaded], with_body),
        ],
        Resource::Health => vec![(200, json("Its view", object()))],
    }
}

/// The answer with any of `codes`, which share a status.
fn problem(codes: &[ProblemCode], with_body: bool) -> (u16, Response) {
    let content = Content::new(Some(Ref::from_schema_name(ProblemBody::name())));
    let names: Vec<_> = codes.iter().map(|code| format!("`{}`", code.as_str())).collect();
    let response = ResponseBuilder::new().description(names.join(" or "));
    let response = if codes.iter().any(|code| code.retry_after_s().is_some()) {
        response.header("Retry-After", header(Type::Integer, "Seconds to wait"))
    } else {
        response
    };
    let response =
        if with_body { response.content("application/problem+json", content) } else { response };
    (codes.first().map_or(500, |code| code.status()), response.build())
}

fn with_stamps(mut response: Response, etag: &str) -> Response {
    for (name, kind, description) in [
        ("ETag", Type::String, etag),
        ("Pricecast-Now", Type::Integer, "The service's clock at sending, in epoch ms"),
        ("Pricecast-Market", Type::String, "`custom` when the exchanges are not the real ones"),
    ] {
        response.headers.insert(name.to_owned(), RefOr::T(header(kind, description)));
    }
    response
}

fn header(kind: Type, description: &str) -> utoipa::openapi::Header {
    HeaderBuilder::new()
        .schema(Some(ObjectBuilder::new().schema_type(SchemaType::Type(kind)).build()))
        .description(Some(description))
        .build()
}

fn if_none_match_parameter() -> Parameter {
    ParameterBuilder::new()
        .name("If-None-Match")
        .parameter_in(ParameterIn::Header)
        .description(Some("The ETag of the caller's copy; compared weakly"))
        .schema(Some(ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).build()))
        .build()
}

fn any_object() -> Schema {
    Schema::Object(ObjectBuilder::new().schema_type(SchemaType::Type(Type::Object)).build())
}

fn one_of<'a>(values: impl Iterator<Item = &'a str>) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .enum_values(Some(values.collect::<Vec<_>>()))
        .into()
}
