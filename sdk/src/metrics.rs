//! Counters of what happens, and gauges of how much there is, for whoever runs the host.

use crate::bindings::metrics as host;

/// Adds one to a counter that the manifest declares, with all of its labels:
///
/// ```toml
/// [component.shop.tool.sbd.metrics.orders_total]
/// help = "Orders, by what became of them"
/// labels = { outcome = ["accepted", "refused", "other"] }
/// ```
///
/// A value that does not stand there counts as `other`, where that does. Count what has happened, after it has:
/// nothing is undone here. For the same reason nothing fails here; what could not be counted stands in the log.
///
/// ```no_run
/// # async fn run() {
/// sbd_sdk::metrics::count("orders_total", &[("outcome", "accepted")]).await;
/// # }
/// ```
pub async fn count(counter: &str, labels: &[(&str, &str)]) {
    add(counter, labels, 1).await;
}

/// Adds so much to a counter, as [`count`] adds one: tokens, or bytes.
pub async fn add(counter: &str, labels: &[(&str, &str)], by: u64) {
    heard(host::count(counter.to_owned(), owned(labels), by).await);
}

/// Says what a gauge is at that the manifest declares, with all of its labels: its name does not end in `_total`. It
/// stays there until this is said again, and is not shown after the host was started anew: say it on a schedule.
pub async fn set(gauge: &str, labels: &[(&str, &str)], to: u64) {
    heard(host::set(gauge.to_owned(), owned(labels), to).await);
}

fn owned(labels: &[(&str, &str)]) -> Vec<host::Label> {
    let labels = labels.iter().map(|(name, value)| host::Label {
        name: (*name).to_owned(),
        value: (*value).to_owned(),
    });
    labels.collect()
}

fn heard(counted: Result<(), host::Error>) {
    if let Err(
        host::Error::Undeclared(cause) | host::Error::Limit(cause) | host::Error::Other(cause),
    ) = counted
    {
        eprintln!("warning: not counted: {cause}");
    }
}
