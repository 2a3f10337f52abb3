//! The tenants of a host, as they last.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use sbd_registry::{Error, NewTenant, Registry, TenantName, TenantState};

fn new(name: &str, hosts: &[&str]) -> NewTenant {
    NewTenant {
        name: name.to_owned(),
        title: None,
        hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
    }
}

async fn registry() -> (Registry, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Registry::open(folder.path()).await.unwrap(), folder)
}

#[tokio::test]
async fn tenants_last() {
    let (registry, folder) = registry().await;
    let tenants = &registry.tenants;
    assert_eq!(tenants.count(), 1, "the default tenant is always there");
    let acme = tenants
        .create(new("acme", &["Acme.Example.com"]))
        .await
        .unwrap();
    assert_eq!(acme.hosts, ["acme.example.com"]);
    assert_eq!(acme.title, "acme");
    tenants.create(new("beta", &[])).await.unwrap();
    tenants.set_active("beta", false).await.unwrap();
    let title = Some("Acme & Co".to_owned());
    tenants.describe("acme", title, None).await.unwrap();
    drop(registry);

    let registry = Registry::open(folder.path()).await.unwrap();
    let tenants = &registry.tenants;
    let names: Vec<String> = tenants
        .list(0, 10)
        .iter()
        .map(|t| t.name.to_string())
        .collect();
    assert_eq!(names, ["acme", "beta", "default"]);
    assert_eq!(
        tenants.by_host("acme.example.com").unwrap().title,
        "Acme & Co"
    );
    assert_eq!(tenants.get("beta").unwrap().state, TenantState::Suspended);
    assert_eq!(tenants.list(1, 1).first().unwrap().name.to_string(), "beta");
    assert_eq!(
        tenants.set_active("beta", true).await.unwrap().state,
        TenantState::Active
    );
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_changes_nothing() {
    let (registry, _folder) = registry().await;
    let tenants = &registry.tenants;
    tenants.create(new("acme", &["a.example"])).await.unwrap();
    let taken = tenants.create(new("acme", &[])).await;
    assert_eq!(taken, Err(Error::Taken("acme".parse().unwrap())));
    let taken = tenants
        .create(new("other", &["b.example", "A.example"]))
        .await;
    assert!(matches!(taken, Err(Error::HostTaken { .. })));
    assert!(tenants.get("other").is_none() && tenants.by_host("b.example").is_none());
    for host in ["", "a b", "http://a.example", "a.example:80", "a..b", "-.é"] {
        let refused = tenants.create(new("other", &[host])).await;
        assert!(matches!(refused, Err(Error::Host(_))), "{host}");
    }
    let unknown = tenants.find("acmee").unwrap_err().to_string();
    assert_eq!(unknown, "there is no tenant `acmee`; did you mean `acme`?");
    assert_eq!(
        tenants.set_active("default", false).await,
        Err(Error::Default)
    );
    assert_eq!(tenants.begin_deletion("default").await, Err(Error::Default));
    tenants.set_active("default", true).await.unwrap();
}

#[tokio::test]
async fn a_deletion_has_two_steps_and_survives_between_them() {
    let (registry, folder) = registry().await;
    registry
        .tenants
        .create(new("acme", &["a.example"]))
        .await
        .unwrap();
    registry.tenants.begin_deletion("acme").await.unwrap();
    drop(registry);
    let registry = Registry::open(folder.path()).await.unwrap();
    let tenants = &registry.tenants;
    assert_eq!(tenants.get("acme").unwrap().state, TenantState::Deleting);
    let name: TenantName = "acme".parse().unwrap();
    assert_eq!(
        tenants.set_active("acme", true).await,
        Err(Error::Deleting(name.clone()))
    );
    assert_eq!(
        tenants.create(new("acme", &[])).await,
        Err(Error::Deleting(name.clone()))
    );
    tenants.begin_deletion("acme").await.unwrap();
    tenants.forget(&name).await.unwrap();
    assert!(tenants.by_host("a.example").is_none());
    tenants.create(new("acme", &["a.example"])).await.unwrap();
    // Only what is being deleted can be forgotten on disk.
    drop(registry);
    let registry = Registry::open(folder.path()).await.unwrap();
    assert_eq!(registry.tenants.count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_want_a_name_one_gets_it() {
    let (registry, _folder) = registry().await;
    let tasks: Vec<_> = (0..32)
        .map(|_| {
            let tenants = registry.tenants.clone();
            tokio::spawn(async move { tenants.create(new("acme", &["a.example"])).await.is_ok() })
        })
        .collect();
    let mut made = 0;
    for task in tasks {
        made += usize::from(task.await.unwrap());
    }
    assert_eq!(made, 1);
}

#[tokio::test]
async fn ten_thousand_are_many_and_no_trouble() {
    const MANY: usize = 10_000;
    let (registry, folder) = registry().await;
    for n in 0..MANY {
        let host = format!("t{n}.example.com");
        let made = registry.tenants.create(new(&format!("t{n}"), &[&host]));
        made.await.unwrap();
    }
    drop(registry);
    let registry = Registry::open(folder.path()).await.unwrap();
    let tenants = &registry.tenants;
    assert_eq!(tenants.count(), MANY + 1);
    for n in (0..MANY).step_by(997) {
        let tenant = tenants.by_host(&format!("t{n}.example.com")).unwrap();
        assert_eq!(*tenant.name, format!("t{n}"));
    }
    let page = tenants.list(MANY - 1, 10);
    let names: Vec<&str> = page.iter().map(|tenant| &*tenant.name).collect();
    assert_eq!(names, ["t9998", "t9999"]);
    let unknown = tenants.find("t99999").unwrap_err().to_string();
    assert!(unknown.contains("did you mean"), "{unknown}");
}

proptest::proptest! {
    #[test]
    fn a_name_is_safe_as_file_header_and_label(text in "\\PC{0,70}") {
        if let Ok(name) = text.parse::<TenantName>() {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            proptest::prop_assert!(name.chars().all(plain) && !name.is_empty() && name.len() <= 63);
            proptest::prop_assert_eq!(&*name, text);
        }
    }

    #[test]
    fn plain_names_are_names(text in "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?") {
        proptest::prop_assert!(text.parse::<TenantName>().is_ok());
    }
}

#[tokio::test]
async fn an_import_that_was_cut_short_is_a_deletion() {
    let folder = tempfile::tempdir().unwrap();
    let new = |name: &str| NewTenant {
        name: name.to_owned(),
        hosts: vec![format!("{name}.example.com")],
        ..NewTenant::default()
    };
    let made = "2026-01-01T00:00:00Z";
    let registry = Registry::open(folder.path()).await.unwrap();
    for name in ["cut", "whole"] {
        let begun = registry.tenants.begin_import(new(name), made.to_owned());
        assert_eq!(begun.await.unwrap().state, TenantState::Deleting);
        // Name and host names are taken meanwhile.
        let again = registry.tenants.create(new(name)).await;
        assert!(matches!(again, Err(Error::Deleting(_))), "{again:?}");
    }
    let name = "whole".parse().unwrap();
    let whole = registry.tenants.finish_import(&name).await.unwrap();
    assert_eq!(
        (whole.state, whole.created_at.as_str()),
        (TenantState::Active, made)
    );
    drop(registry);
    let registry = Registry::open(folder.path()).await.unwrap();
    let state = |name: &str| registry.tenants.get(name).unwrap().state;
    assert_eq!(state("cut"), TenantState::Deleting);
    assert_eq!(state("whole"), TenantState::Active);
}
