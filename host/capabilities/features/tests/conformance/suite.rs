//! What every store of switches must do.

/// Runs the suite over a type with `new` and `open`.
macro_rules! conformance {
    ($stores:ident) => {
        use sbd_features::{Granted, Stored, Switch, SwitchStore, Switches, Until};

        fn some() -> Switch {
            Switch::Rollout {
                percentage: 30,
                users: ["usr_1".to_owned()].into(),
            }
        }

        async fn all(store: &impl SwitchStore) -> Vec<Stored> {
            let mut all = store.load().await.unwrap();
            all.sort_by(|a, b| (&a.tenant, &a.feature).cmp(&(&b.tenant, &b.feature)));
            all
        }

        #[tokio::test]
        async fn what_is_set_is_kept_and_what_is_forgotten_is_gone() {
            let stores = $stores::new().await;
            let store = stores.open().await;
            assert_eq!(store.load().await.unwrap(), []);
            store.set("a", "shop", Some(&Switch::Off)).await.unwrap();
            store.set("a", "shop", Some(&some())).await.unwrap();
            store.set("a", "wallet", Some(&Switch::On)).await.unwrap();
            store.set("b", "shop", Some(&Switch::Off)).await.unwrap();
            store.set("b", "none", None).await.unwrap();
            drop(store);
            let store = stores.open().await;
            let stored = |tenant: &str, feature: &str, switch| Stored {
                tenant: tenant.to_owned(),
                feature: feature.to_owned(),
                switch,
            };
            let three = [
                stored("a", "shop", some()),
                stored("a", "wallet", Switch::On),
                stored("b", "shop", Switch::Off),
            ];
            assert_eq!(all(&store).await, three);
            store.set("a", "wallet", None).await.unwrap();
            store.forget("b").await.unwrap();
            assert_eq!(all(&store).await, [stored("a", "shop", some())]);
        }

        #[tokio::test]
        async fn what_is_granted_is_kept_and_what_is_not_any_more_is_gone() {
            let stores = $stores::new().await;
            let store = stores.open().await;
            assert_eq!(store.load_granted().await.unwrap(), []);
            let day = Some(Until::Time(u64::from(u32::MAX)));
            store.grant("a", "notes.x", "usr_1", day).await.unwrap();
            store
                .grant("a", "notes.x", "usr_1", Some(Until::Forever))
                .await
                .unwrap();
            store.grant("a", "notes.x", "usr_2", day).await.unwrap();
            store.grant("a", "notes.y", "usr_2", None).await.unwrap();
            store.grant("b", "notes.x", "usr_1", day).await.unwrap();
            drop(store);
            let store = stores.open().await;
            let mut all = store.load_granted().await.unwrap();
            all.sort_by(|a, b| (&a.tenant, &a.user).cmp(&(&b.tenant, &b.user)));
            let granted = |tenant: &str, user: &str, until| Granted {
                tenant: tenant.to_owned(),
                feature: "notes.x".to_owned(),
                user: user.to_owned(),
                until,
            };
            let [first, day] = [Until::Forever, Until::Time(u64::from(u32::MAX))];
            let three = [
                granted("a", "usr_1", first),
                granted("a", "usr_2", day),
                granted("b", "usr_1", day),
            ];
            assert_eq!(all, three);
            store.grant("a", "notes.x", "usr_1", None).await.unwrap();
            store.forget("b").await.unwrap();
            let left = store.load_granted().await.unwrap();
            assert_eq!(left, [granted("a", "usr_2", day)]);
        }

        #[tokio::test]
        async fn switches_are_seen_at_once_and_after_a_restart() {
            let stores = $stores::new().await;
            let switches = Switches::open(stores.open().await).await.unwrap();
            assert_eq!(switches.get("a", "shop"), None);
            switches.set("a", "shop", Some(some())).await.unwrap();
            assert_eq!(switches.get("a", "shop"), Some(some()));
            assert_eq!(switches.get("b", "shop"), None);
            let wrong = Switch::Rollout {
                percentage: 101,
                users: Default::default(),
            };
            assert!(switches.set("a", "shop", Some(wrong)).await.is_err());
            drop(switches);
            let switches = Switches::open(stores.open().await).await.unwrap();
            assert_eq!(switches.get("a", "shop"), Some(some()));
            switches
                .set("a", "wallet", Some(Switch::Off))
                .await
                .unwrap();
            switches.set("a", "shop", None).await.unwrap();
            assert_eq!(switches.get("a", "shop"), None);
            switches.forget("a").await.unwrap();
            assert_eq!(switches.get("a", "wallet"), None);
            drop(switches);
            let switches = Switches::open(stores.open().await).await.unwrap();
            assert_eq!(switches.get("a", "wallet"), None);
        }
    };
}
