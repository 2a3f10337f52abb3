//! The metrics as Prometheus sees them. One process, one recorder: so these tests share it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use sbd_telemetry::Metrics;
use sbd_telemetry::metrics::{
    CAPABILITY_CALLS, COMPILE_CACHE, HTTP_REQUEST_DURATION, HTTP_REQUESTS,
    HTTP_REQUESTS_IN_PROGRESS, capability_called,
};

/// The value of the one line that starts so.
fn value(rendered: &str, series: &str) -> f64 {
    let mut lines = rendered
        .lines()
        .filter_map(|line| line.strip_prefix(series));
    let rest = lines
        .next()
        .unwrap_or_else(|| panic!("no {series} in:\n{rendered}"));
    assert_eq!(lines.next(), None, "{series} occurs twice");
    rest.trim().parse().unwrap()
}

#[test]
fn counters_keep_their_names_and_labels() {
    let metrics = Metrics::install().unwrap();
    let labels = [
        ("method", "GET"),
        ("route", "/api/v1/families/{id}"),
        ("status", "200"),
    ];
    metrics::counter!(HTTP_REQUESTS, &labels).increment(2);
    let rendered = metrics.render();
    let series = r#"http_requests_total{method="GET",route="/api/v1/families/{id}",status="200"}"#;
    assert_eq!(value(&rendered, series), 2.0);
    assert!(
        rendered.contains("# HELP http_requests_total Requests answered."),
        "{rendered}"
    );
    assert!(
        rendered.contains("# TYPE http_requests_total counter"),
        "{rendered}"
    );
}

#[test]
fn durations_are_histograms_with_buckets() {
    let metrics = Metrics::install().unwrap();
    for seconds in [0.0004, 0.007, 45.0] {
        metrics::histogram!(HTTP_REQUEST_DURATION).record(seconds);
    }
    let rendered = metrics.render();
    assert!(
        rendered.contains("# TYPE http_request_duration_seconds histogram"),
        "{rendered}"
    );
    let bucket = |bound: &str| {
        value(
            &rendered,
            &format!("http_request_duration_seconds_bucket{{le=\"{bound}\"}}"),
        )
    };
    assert_eq!(bucket("0.0005"), 1.0);
    assert_eq!(bucket("0.005"), 1.0);
    assert_eq!(bucket("0.01"), 2.0);
    assert_eq!(bucket("60"), 3.0);
    assert_eq!(bucket("+Inf"), 3.0);
    assert_eq!(value(&rendered, "http_request_duration_seconds_count"), 3.0);
}

#[test]
fn a_second_install_is_the_same_collection() {
    let first = Metrics::install().unwrap();
    let second = Metrics::install().unwrap();
    metrics::counter!(COMPILE_CACHE, "result" => "hit").increment(1);
    let series = r#"sbd_compile_cache_total{result="hit"}"#;
    assert_eq!(value(&first.render(), series), 1.0);
    assert_eq!(value(&second.render(), series), 1.0);
}

#[test]
fn gauges_go_up_and_down() {
    let metrics = Metrics::install().unwrap();
    let gauge = metrics::gauge!(HTTP_REQUESTS_IN_PROGRESS);
    gauge.increment(3.0);
    gauge.decrement(1.0);
    assert_eq!(value(&metrics.render(), HTTP_REQUESTS_IN_PROGRESS), 2.0);
}

#[test]
fn capability_calls_are_counted() {
    let metrics = Metrics::install().unwrap();
    capability_called("cache", "get");
    capability_called("cache", "get");
    capability_called("cache", "set");
    let rendered = metrics.render();
    let series = |operation: &str| {
        format!("{CAPABILITY_CALLS}{{capability=\"cache\",operation=\"{operation}\"}}")
    };
    assert_eq!(value(&rendered, &series("get")), 2.0);
    assert_eq!(value(&rendered, &series("set")), 1.0);
}

#[test]
fn the_process_describes_itself() {
    let rendered = Metrics::install().unwrap().render();
    // The year 2020; a start time is later than that.
    assert!(value(&rendered, "process_start_time_seconds") > 1_577_836_800.0);
    if cfg!(target_os = "linux") {
        let bytes = value(&rendered, "process_resident_memory_bytes");
        assert!(bytes > 500_000.0 && bytes < 1e10, "{bytes}");
    }
}
