//! What a request pays for its headers, its route and the upstream URL.

use std::hint::black_box;

use aibridge_providers::{
    client,
    provider::{BaseUrl, Kind, headers, resolve},
};
use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
    headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

/// The fifteen headers of a Claude Code request.
fn request() -> HeaderMap {
    map(&[
        ("host", "gateway.example"),
        ("connection", "keep-alive"),
        ("accept", "application/json"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("anthropic-beta", "claude-code-20250219,interleaved-thinking-2025-05-14"),
        ("anthropic-version", "2023-06-01"),
        ("content-length", "51234"),
        ("content-type", "application/json"),
        ("user-agent", "claude-cli/2.1.0 (external, cli)"),
        ("x-app", "cli"),
        ("x-claude-code-session-id", "0d9a3c52-2b7e-4c52-9f4e-0d3c1a6b7e11"),
        ("x-stainless-lang", "js"),
        ("x-stainless-os", "Linux"),
        ("x-stainless-retry-count", "0"),
        ("x-stainless-timeout", "600"),
    ])
}

/// The fifteen headers of a streamed reply over HTTP/1.1.
fn reply() -> HeaderMap {
    map(&[
        ("date", "Sat, 21 Nov 2026 00:00:00 GMT"),
        ("content-type", "text/event-stream; charset=utf-8"),
        ("transfer-encoding", "chunked"),
        ("connection", "keep-alive"),
        ("cache-control", "no-cache"),
        ("anthropic-ratelimit-requests-limit", "4000"),
        ("anthropic-ratelimit-requests-remaining", "3999"),
        ("anthropic-ratelimit-requests-reset", "2026-11-21T00:00:00Z"),
        ("anthropic-ratelimit-tokens-limit", "2000000"),
        ("anthropic-ratelimit-tokens-remaining", "1999000"),
        ("request-id", "req_011CV"),
        ("anthropic-organization-id", "6a2b"),
        ("via", "1.1 google"),
        ("set-cookie", "a=b"),
        ("server", "cloudflare"),
    ])
}

fn bench(criterion: &mut Criterion) {
    let mut sent = request();
    headers::to_provider(&mut sent);
    assert_eq!(sent.len(), 12);
    criterion.bench_function("headers/to_provider", |bencher| {
        bencher.iter_batched_ref(request, headers::to_provider, criterion::BatchSize::SmallInput);
    });
    let request = request();

    let mut kept = reply();
    headers::to_client(&mut kept);
    assert_eq!(kept.len(), 12);
    criterion.bench_function("headers/to_client", |bencher| {
        bencher.iter_batched_ref(reply, headers::to_client, criterion::BatchSize::SmallInput);
    });

    assert_eq!(client::detect(&request, None).client, "Claude Code");
    criterion.bench_function("headers/detect", |bencher| {
        bencher.iter(|| client::detect(black_box(&request), None));
    });

    let base = BaseUrl::parse("https://api.anthropic.com/").expect("a base URL");
    let upstream = |path: &str| {
        let route = resolve(Kind::Anthropic, &Method::POST, path).expect("a route");
        base.join(Kind::Anthropic, &route.path, Some("beta=true")).expect("a URI")
    };
    assert_eq!(upstream("/v1/messages"), "https://api.anthropic.com/v1/messages?beta=true");
    criterion.bench_function("route/resolve_and_join", |bencher| {
        bencher.iter(|| upstream(black_box("/v1/messages")));
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
