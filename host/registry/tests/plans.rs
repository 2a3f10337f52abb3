//! Which schedules each tenant was told of.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use sbd_registry::{Plan, Registry};

#[tokio::test]
async fn what_a_tenant_was_told_of_is_known_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (none, nightly) = (Plan::from(""), Plan::from("1a2b"));
    {
        let plans = Registry::open(folder.path()).await.unwrap().plans;
        assert!(plans.is_told("acme", &none));
        plans.told("acme", &nightly).await.unwrap();
        plans.told("bello", &nightly).await.unwrap();
        assert!(plans.is_told("acme", &nightly));
    }
    let plans = Registry::open(folder.path()).await.unwrap().plans;
    assert!(plans.is_told("acme", &nightly) && !plans.is_told("acme", &none));
    plans.forget("acme").await.unwrap();
    assert!(plans.is_told("acme", &none));
    let plans = Registry::open(folder.path()).await.unwrap().plans;
    assert!(plans.is_told("acme", &none) && plans.is_told("bello", &nightly));
}
