//! What hashing promises, with either algorithm.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use sbd_passwords::{Algorithm, Error, Hasher, MAX_PASSWORD_BYTES, PasswordsCtx, Settings};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PASSWORD: &str = "correct horse battery staple";

/// As cheap as it goes.
fn cheap(algorithm: Algorithm) -> Settings {
    Settings {
        algorithm,
        argon2_memory_kib: 8,
        argon2_iterations: 1,
        bcrypt_cost: 4,
        ..Settings::default()
    }
}

fn ctx(settings: Settings) -> PasswordsCtx {
    PasswordsCtx::new(Arc::new(Hasher::new(settings).unwrap()))
}

async fn hash(ctx: &PasswordsCtx, password: &str) -> String {
    ctx.hash(password.to_owned()).await.unwrap()
}

/// Whether the password is right, and the hash to store instead.
async fn verify(ctx: &PasswordsCtx, password: &str, hash: Option<&str>) -> (bool, Option<String>) {
    let verdict = ctx.verify(password.to_owned(), hash.map(str::to_owned));
    let verdict = verdict.await.unwrap();
    (verdict.valid, verdict.rehashed)
}

macro_rules! suite {
    ($name:ident, $algorithm:expr, $other:expr, $prefix:literal, $dearer:expr) => {
        mod $name {
            use super::*;

            #[tokio::test]
            async fn the_right_password_and_no_other() {
                let ctx = ctx(cheap($algorithm));
                let hashed = hash(&ctx, PASSWORD).await;
                assert!(hashed.starts_with($prefix), "{hashed}");
                assert_eq!(verify(&ctx, PASSWORD, Some(&hashed)).await, (true, None));
                for wrong in [
                    "correct horse battery stapl",
                    "Correct horse battery staple",
                    "\0",
                ] {
                    assert_eq!(verify(&ctx, wrong, Some(&hashed)).await, (false, None));
                }
                assert_ne!(hash(&ctx, PASSWORD).await, hashed, "the salt is fresh");
            }

            #[tokio::test]
            async fn a_hash_of_the_other_algorithm_is_replaced() {
                let (today, before) = (ctx(cheap($algorithm)), ctx(cheap($other)));
                let old = hash(&before, PASSWORD).await;
                let (valid, rehashed) = verify(&today, PASSWORD, Some(&old)).await;
                assert!(valid);
                let new = rehashed.unwrap();
                assert!(new.starts_with($prefix), "{new}");
                assert_eq!(verify(&today, PASSWORD, Some(&new)).await, (true, None));
                assert_eq!(verify(&today, "wrong", Some(&old)).await, (false, None));
            }

            #[tokio::test]
            async fn a_hash_with_other_parameters_is_replaced() {
                let dearer: fn(&mut Settings) = $dearer;
                let mut settings = cheap($algorithm);
                let before = ctx(settings.clone());
                dearer(&mut settings);
                let today = ctx(settings);
                let old = hash(&before, PASSWORD).await;
                let new = verify(&today, PASSWORD, Some(&old)).await.1.unwrap();
                assert_eq!(verify(&today, PASSWORD, Some(&new)).await, (true, None));
                assert!(verify(&before, PASSWORD, Some(&new)).await.1.is_some());
            }

            #[tokio::test]
            async fn no_hash_is_right_for_nobody() {
                let ctx = ctx(cheap($algorithm));
                let hashed = hash(&ctx, PASSWORD).await;
                let cut = hashed.get(..hashed.len() - 1).unwrap();
                let unreadable = [None, Some(""), Some("plain"), Some("$argon2id$"), Some(cut)];
                for stored in unreadable {
                    for password in [PASSWORD, "decoy", "plain"] {
                        let verdict = verify(&ctx, password, stored).await;
                        assert_eq!(verdict, (false, None), "{stored:?}");
                    }
                }
            }

            #[tokio::test]
            async fn passwords_have_bounds() {
                let ctx = ctx(cheap($algorithm));
                for length in [0, MAX_PASSWORD_BYTES + 1] {
                    let password = "x".repeat(length);
                    for refused in [
                        ctx.hash(password.clone()).await.map(drop),
                        ctx.verify(password.clone(), None).await.map(drop),
                    ] {
                        let Err(Error::Invalid(message)) = refused else {
                            panic!("{refused:?}");
                        };
                        assert!(message.contains(&length.to_string()), "{message}");
                    }
                }
                for password in ["x", " ", "пароль", &"x".repeat(72)] {
                    let hashed = hash(&ctx, password).await;
                    assert!(verify(&ctx, password, Some(&hashed)).await.0);
                }
            }

            /// One thread polls all who ask before what they have begun: none can end, and give a place back, before.
            #[test]
            fn a_caller_too_many_is_told_so() {
                let settings = Settings {
                    concurrent: 1,
                    waiting: 3,
                    ..cheap($algorithm)
                };
                let hasher = Arc::new(Hasher::new(settings).unwrap());
                // Of the four places a tenant takes two, so that the other finds some.
                let [one, other] = [(); 2].map(|()| PasswordsCtx::new(Arc::clone(&hasher)));
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .build()
                    .unwrap();
                runtime.block_on(async {
                    let mut calls = tokio::task::JoinSet::new();
                    for ctx in [&one, &other] {
                        for _ in 0..8 {
                            let ctx = ctx.clone();
                            calls.spawn(async move { ctx.hash(PASSWORD.to_owned()).await });
                        }
                    }
                    let (mut served, mut refused) = (0, 0);
                    for done in calls.join_all().await {
                        match done {
                            Err(Error::Busy) => refused += 1,
                            done => {
                                assert!(done.unwrap().starts_with($prefix));
                                served += 1;
                            }
                        }
                    }
                    assert_eq!((served, refused), (4, 12));
                    assert!(
                        one.hash(PASSWORD.to_owned()).await.is_ok(),
                        "places are given back"
                    );
                });
            }
        }
    };
}

suite!(
    argon2id,
    Algorithm::Argon2id,
    Algorithm::Bcrypt,
    "$argon2id$v=19$m=8,t=1,p=1$",
    |settings| {
        settings.argon2_iterations = 2;
    }
);
suite!(
    bcrypt,
    Algorithm::Bcrypt,
    Algorithm::Argon2id,
    "$2b$04$",
    |settings| {
        settings.bcrypt_cost = 5;
    }
);

/// A bcrypt hash from elsewhere: Openwall's test vectors, prefixes of the years.
#[tokio::test]
async fn hashes_from_elsewhere_are_verified() {
    let ctx = ctx(cheap(Algorithm::Argon2id));
    for prefix in ["$2a$", "$2b$", "$2y$"] {
        let hash = format!("{prefix}05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW");
        let (valid, rehashed) = verify(&ctx, "U*U", Some(&hash)).await;
        assert!(valid && rehashed.is_some(), "{prefix}");
    }
}

#[tokio::test]
async fn bcrypt_does_not_cut_passwords_off() {
    let ctx = ctx(cheap(Algorithm::Bcrypt));
    let hashed = hash(&ctx, &"x".repeat(72)).await;
    assert!(!verify(&ctx, &"x".repeat(73), Some(&hashed)).await.0);
    let refused = ctx.hash("x".repeat(73)).await.unwrap_err();
    assert!(refused.to_string().contains("73"), "{refused}");
}

/// It cannot be rehashed, and is right all the same.
#[tokio::test]
async fn a_long_password_survives_the_change_to_bcrypt() {
    let long = "x".repeat(100);
    let old = hash(&ctx(cheap(Algorithm::Argon2id)), &long).await;
    let bcrypt = ctx(cheap(Algorithm::Bcrypt));
    assert_eq!(verify(&bcrypt, &long, Some(&old)).await, (true, None));
}

/// The hash comes from the guest: it must not choose what the host spends.
#[tokio::test]
async fn a_hash_that_would_cost_too_much_is_unreadable() {
    let ctx = ctx(cheap(Algorithm::Argon2id));
    let tail = "$c2FsdHNhbHRzYWx0$C/Kc2lGoTOwQbyGNkDuuXw";
    for params in ["m=4194304,t=1,p=1", "m=8,t=4000000,p=1"] {
        let hash = format!("$argon2id$v=19${params}{tail}");
        assert_eq!(verify(&ctx, PASSWORD, Some(&hash)).await, (false, None));
    }
    let hash = "$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    assert_eq!(verify(&ctx, "U*U", Some(hash)).await, (false, None));
}

#[test]
fn settings_out_of_bounds_are_refused() {
    let mut wrong = vec![Settings::default(); 6];
    wrong[0].argon2_memory_kib = 1;
    wrong[1].argon2_iterations = 0;
    wrong[2].argon2_iterations = 11;
    wrong[3].concurrent = 0;
    wrong[4].waiting = usize::MAX;
    wrong[5].algorithm = Algorithm::Bcrypt;
    wrong[5].bcrypt_cost = 3;
    for settings in wrong {
        let refused = Hasher::new(settings.clone());
        assert!(
            matches!(refused, Err(Error::Settings(_))),
            "{settings:?}: {refused:?}"
        );
    }
}

#[test]
fn algorithms_have_names() {
    for algorithm in [Algorithm::Argon2id, Algorithm::Bcrypt] {
        assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
    }
    let unknown = "md5".parse::<Algorithm>().unwrap_err().to_string();
    assert!(unknown.contains("argon2id"), "{unknown}");
}

/// An account that does not exist must not answer sooner than one that does. The quickest of
/// several runs, taken in turns, is free of what else the machine does; a third leaves room.
#[tokio::test]
async fn no_hash_takes_as_long_as_one() {
    for algorithm in [Algorithm::Argon2id, Algorithm::Bcrypt] {
        let ctx = ctx(Settings {
            algorithm,
            bcrypt_cost: 9,
            ..Settings::default()
        });
        let hashed = hash(&ctx, PASSWORD).await;
        let (mut with, mut without, mut unreadable) = (Duration::MAX, Duration::MAX, Duration::MAX);
        for _ in 0..5 {
            with = with.min(time(&ctx, Some(&hashed)).await);
            without = without.min(time(&ctx, None).await);
            unreadable = unreadable.min(time(&ctx, Some("$2b$12$none")).await);
        }
        assert!(
            without > with / 3,
            "{algorithm}: {without:?} without, {with:?} with"
        );
        assert!(
            unreadable > with / 3,
            "{algorithm}: {unreadable:?} unreadable, {with:?} with"
        );
    }
}

async fn time(ctx: &PasswordsCtx, hash: Option<&str>) -> Duration {
    let start = Instant::now();
    assert!(!verify(ctx, "wrong", hash).await.0);
    start.elapsed()
}
