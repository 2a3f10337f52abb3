//! What each tenant is to know of schedules.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::Timestamp;
use sbd_registry::{NewPlan, Plan, Registry};

fn new(tenant: &str, plan: Option<&str>, due: Option<i64>) -> NewPlan {
    NewPlan {
        tenant: tenant.into(),
        plan: plan.map(Plan::from),
        due: due.map(|second| Timestamp::from_second(second).unwrap()),
    }
}

#[tokio::test]
async fn a_plan_is_there_after_a_restart_with_what_is_due_by_it() {
    let folder = tempfile::tempdir().unwrap();
    {
        let Registry { plans, due, .. } = Registry::open(folder.path()).await.unwrap();
        assert_eq!(plans.of("acme"), None);
        let both = vec![
            new("acme", Some("nightly"), Some(60)),
            new("bello", Some("nightly"), None),
        ];
        plans.set("tasks", both).await.unwrap();
        // Something was due before; a later time never takes the place of an earlier one.
        let later = vec![new("acme", Some("hourly"), Some(90))];
        plans.set("tasks", later).await.unwrap();
        let all = due.until(Timestamp::MAX, 10).await.unwrap();
        assert_eq!((all.len(), all[0].tenant.as_str()), (1, "acme"));
        assert_eq!(all[0].at.as_second(), 60);
    }
    let plans = Registry::open(folder.path()).await.unwrap().plans;
    assert_eq!(plans.of("acme").as_deref(), Some("hourly"));
    plans.forget("acme").await.unwrap();
    assert_eq!(plans.of("acme"), None);
    let plans = Registry::open(folder.path()).await.unwrap().plans;
    assert_eq!(plans.of("acme"), None);
    assert_eq!(plans.of("bello").as_deref(), Some("nightly"));
}
