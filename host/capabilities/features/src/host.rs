//! The host side of `sbd:platform/features`.

use crate::bindings::features;
use crate::{Error, Features, FeaturesCtx, State, Until};
use sbd_metering::{Charge, Metered, OverLimit};
use wasmtime::AsContextMut as _;
use wasmtime::component::Accessor;

impl features::Host for FeaturesCtx {}

impl<T: Metered> features::HostWithStore<T> for Features {
    async fn is_on(
        store: &Accessor<T, Self>,
        feature: String,
        user: Option<String>,
    ) -> Result<bool, features::Error> {
        let bytes = feature.len() + user.as_ref().map_or(0, String::len);
        let (ctx, _) = called(store, "is-on", bytes)?;
        Ok(ctx.is_on(&feature, user.as_deref())?)
    }

    async fn list(store: &Accessor<T, Self>) -> Result<Vec<features::Feature>, features::Error> {
        let (ctx, charge) = called(store, "list", 0)?;
        let own = ctx.own();
        let bytes = own
            .iter()
            .map(|(name, feature, _)| name.len() + feature.description.len());
        charge.answer(bytes.sum())?;
        let own = own
            .into_iter()
            .map(|(name, feature, state)| features::Feature {
                name,
                description: feature.description,
                state: match state {
                    State::On => features::State::On,
                    State::Off => features::State::Off,
                    State::Depends => features::State::Depends,
                },
            });
        Ok(own.collect())
    }

    async fn grantable(store: &Accessor<T, Self>) -> Result<Vec<String>, features::Error> {
        let (ctx, charge) = called(store, "grantable", 0)?;
        let names = ctx.grantable();
        charge.answer(names.iter().map(String::len).sum())?;
        Ok(names)
    }

    async fn grant(
        store: &Accessor<T, Self>,
        feature: String,
        user: String,
        granted: features::Granted,
    ) -> Result<(), features::Error> {
        let (ctx, _) = called(store, "grant", feature.len() + user.len())?;
        let until = match granted {
            features::Granted::No => None,
            features::Granted::Until(time) => Some(Until::Time(time)),
            features::Granted::ForGood => Some(Until::Forever),
        };
        Ok(ctx.grant(&feature, &user, until).await?)
    }
}

/// Charges the call and takes the context out of the store, so that the store is free meanwhile.
fn called<T: Metered>(
    store: &Accessor<T, Features>,
    operation: &'static str,
    bytes: usize,
) -> Result<(FeaturesCtx, Charge), OverLimit> {
    store.with(|mut access| {
        let charge = sbd_metering::begin(access.as_context_mut(), "features", operation, bytes)?;
        Ok((access.get().clone(), charge))
    })
}

impl From<OverLimit> for features::Error {
    fn from(over: OverLimit) -> Self {
        Self::Limit(over.to_string())
    }
}

impl From<Error> for features::Error {
    fn from(error: Error) -> Self {
        match &error {
            Error::Unknown { .. } => Self::Unknown(error.to_string()),
            Error::NotGranted { .. } | Error::Invalid(_) => Self::Other(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::features::{self, HostWithStore as _};
    use crate::{
        Catalogue, Feature, Features, FeaturesCtx, FeaturesView, SqliteSwitches, State, Switch,
        Switches, Until, add_to_linker,
    };
    use sbd_capability_testing::{Instance, assert_links, metered};
    use sbd_metering::Budget;
    use sbd_storage::{Database, Options};
    use std::sync::Arc;
    use wasmtime::component::Accessor;

    impl FeaturesView for Instance<FeaturesCtx> {
        fn features(&mut self) -> &mut FeaturesCtx {
            &mut self.ctx
        }
    }

    fn feature(name: &str, component: &str, default: bool) -> Feature {
        Feature {
            name: name.into(),
            component: component.into(),
            description: "what it does".to_owned(),
            default,
            granted_by: Vec::new(),
        }
    }

    #[test]
    fn the_interface_links() {
        assert_links::<FeaturesCtx>(add_to_linker);
    }

    #[tokio::test]
    async fn a_guest_asks_by_short_and_by_full_names_and_is_charged() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("host.db"), &Options::default()).unwrap();
        let store = SqliteSwitches::open(database).await.unwrap();
        let switches = Switches::open(store).await.unwrap();
        let some = Switch::Rollout {
            percentage: 0,
            users: ["usr_1".to_owned()].into(),
        };
        switches
            .set("acme", "shop.gifts", Some(some))
            .await
            .unwrap();
        switches
            .set("acme", "wallet", Some(Switch::Off))
            .await
            .unwrap();
        let catalogue = Arc::new(arc_swap::ArcSwap::from_pointee(Catalogue::new([
            feature("shop", "shop", true),
            feature("shop.wishlist", "shop", true),
            feature("shop.gifts", "shop", false),
            feature("wallet", "wallet", true),
            feature("wallet.loans", "wallet", true),
        ])));
        let ctx = FeaturesCtx::new(catalogue, switches, "acme".into(), "shop".into());
        let meter = Arc::new(Budget::new(9, usize::MAX));
        let guest = async |store: &Accessor<_, Features>| {
            let is_on = async |name: &str, user: Option<&str>| {
                Features::is_on(store, name.to_owned(), user.map(str::to_owned)).await
            };
            assert!(is_on("wishlist", None).await.unwrap());
            assert!(is_on("shop.wishlist", None).await.unwrap());
            assert!(is_on("gifts", Some("usr_1")).await.unwrap());
            assert!(!is_on("gifts", Some("usr_2")).await.unwrap());
            assert!(!is_on("wallet", None).await.unwrap());
            // A part of what is off is off.
            assert!(!is_on("wallet.loans", None).await.unwrap());
            let Err(features::Error::Unknown(message)) = is_on("wishlst", None).await else {
                unreachable!("known");
            };
            assert!(message.contains("did you mean"), "{message}");
            assert!(is_on("loans", None).await.is_err());
            let own = Features::list(store).await.unwrap();
            let names: Vec<&str> = own.iter().map(|own| own.name.as_str()).collect();
            assert_eq!(names, ["gifts", "wishlist"]);
            assert!(matches!(own[0].state, features::State::Depends));
            let Err(features::Error::Limit(message)) = is_on("shop", None).await else {
                unreachable!("not charged");
            };
            assert!(message.contains("capability_calls"), "{message}");
        };
        metered::<_, Features, _>(ctx, meter.clone(), Instance::<FeaturesCtx>::features, guest)
            .await;
    }

    #[tokio::test]
    async fn a_guest_grants_what_it_may_and_an_operator_goes_before() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("host.db"), &Options::default()).unwrap();
        let store = SqliteSwitches::open(database).await.unwrap();
        let switches = Switches::open(store).await.unwrap();
        let sold = Feature {
            granted_by: vec!["shop".into()],
            ..feature("notes.colours", "notes", false)
        };
        let catalogue = Arc::new(arc_swap::ArcSwap::from_pointee(Catalogue::new([
            feature("notes", "notes", true),
            feature("notes.export", "notes", false),
            sold,
        ])));
        let of = |component: &str| {
            FeaturesCtx::new(
                Arc::clone(&catalogue),
                switches.clone(),
                "acme".into(),
                component.into(),
            )
        };
        let is_on = |user: Option<&str>| of("notes").is_on("colours", user).unwrap();
        let state = || {
            let all = catalogue.load();
            all.state(&switches, "acme", "notes.colours")
        };
        let guest = async |store: &Accessor<_, Features>| {
            let grant = async |name: &str, user: &str, granted| {
                Features::grant(store, name.to_owned(), user.to_owned(), granted).await
            };
            let (good, no) = (features::Granted::ForGood, features::Granted::No);
            assert_eq!(Features::grantable(store).await.unwrap(), ["notes.colours"]);
            assert!(!is_on(Some("usr_1")));
            grant("notes.colours", "usr_1", good).await.unwrap();
            assert!(is_on(Some("usr_1")) && !is_on(Some("usr_2")) && !is_on(None));
            // What is not said to be its own to grant, it does not; nor to nobody.
            let other = grant("notes.export", "usr_1", good).await;
            let Err(features::Error::Other(message)) = other else {
                unreachable!("granted");
            };
            assert!(message.contains("granted_by = [\"shop\"]"), "{message}");
            assert!(grant("notes", "usr_1", good).await.is_err());
            assert!(grant("notes.none", "usr_1", good).await.is_err());
            assert!(grant("notes.colours", "", good).await.is_err());
            // What an operator has switched off is off, and a part of what is off.
            for feature in ["notes.colours", "notes"] {
                switches
                    .set("acme", feature, Some(Switch::Off))
                    .await
                    .unwrap();
                assert!(!is_on(Some("usr_1")), "{feature}");
                assert_eq!(state(), State::Off);
                switches.set("acme", feature, None).await.unwrap();
            }
            assert_eq!((is_on(Some("usr_1")), state()), (true, State::Depends));
            grant("notes.colours", "usr_1", no).await.unwrap();
            assert!(!is_on(Some("usr_1")));
            grant("notes.colours", "usr_1", features::Granted::Until(1))
                .await
                .unwrap();
            assert!(!is_on(Some("usr_1")));
            grant("notes.colours", "usr_1", features::Granted::Until(u64::MAX))
                .await
                .unwrap();
            assert!(is_on(Some("usr_1")));
        };
        let meter = Arc::new(Budget::new(20, usize::MAX));
        metered::<_, Features, _>(of("shop"), meter, Instance::<FeaturesCtx>::features, guest)
            .await;
        // Another component grants nothing, and in another tenant nobody has anything.
        assert!(of("wallet").grantable().is_empty());
        let wallet = of("wallet");
        let granted = wallet.grant("notes.colours", "usr_2", Some(Until::Forever));
        assert!(granted.await.is_err());
        assert!(
            !catalogue
                .load()
                .is_on(&switches, "else", "notes.colours", Some("usr_1"))
        );
        // Whoever takes `granted_by` out of the manifest takes it from everybody.
        let before = feature("notes.colours", "notes", false);
        catalogue.store(Arc::new(Catalogue::new([
            feature("notes", "notes", true),
            before,
        ])));
        assert!(!is_on(Some("usr_1")));
    }
}
