//! What the keys promise, with every algorithm.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::hmac;
use sbd_keys::{
    Algorithm, Error, FileKeyring, KeysCtx, MAX_CLAIMS_BYTES, MAX_TOKEN_BYTES, MAX_TTL, Settings,
    Verdict,
};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

/// In the past, so that no key that retires today has retired then.
const NOW: i64 = 1_700_000_000;
const CLAIMS: &str = r#"{"sub":"usr_1","admin":false}"#;

fn keyring(folder: &Path, algorithm: Algorithm) -> Arc<FileKeyring> {
    Arc::new(FileKeyring::open(folder.to_owned(), Settings { algorithm }).unwrap())
}

fn ctx(keyring: &Arc<FileKeyring>, tenant: &str) -> KeysCtx {
    KeysCtx::new(keyring.clone(), tenant.into())
}

async fn sign(ctx: &KeysCtx) -> String {
    ctx.sign_at("access", CLAIMS, 60, NOW).await.unwrap()
}

async fn verify(ctx: &KeysCtx, token: &str) -> Verdict {
    ctx.verify_at("access", token, NOW).await.unwrap()
}

fn is_valid(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Valid(_))
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&BASE64.decode(part).unwrap()).unwrap()
}

fn encoded(value: &Value) -> String {
    BASE64.encode(value.to_string())
}

async fn jwks(ctx: &KeysCtx) -> Vec<Value> {
    let set: Value = serde_json::from_str(&ctx.jwks().await.unwrap()).unwrap();
    set["keys"].as_array().unwrap().clone()
}

macro_rules! suite {
    ($name:ident, $algorithm:expr, $alg:literal) => {
        mod $name {
            use super::*;

            #[tokio::test]
            async fn a_token_says_what_was_signed() {
                let folder = tempfile::tempdir().unwrap();
                let ctx = ctx(&keyring(folder.path(), $algorithm), "acme");
                let token = sign(&ctx).await;
                let header = part(&token, 0);
                assert_eq!((&header["alg"], &header["typ"]), (&json!($alg), &json!("JWT")));
                let Verdict::Valid(claims) = verify(&ctx, &token).await else {
                    unreachable!("refused");
                };
                let mut claims: Value = serde_json::from_str(&claims).unwrap();
                let jti = claims["jti"].take();
                assert!(jti.as_str().unwrap().starts_with("tok_"));
                let expected = json!({
                    "sub": "usr_1", "admin": false, "iss": "acme", "aud": "access",
                    "iat": NOW, "nbf": NOW, "exp": NOW + 60, "jti": null,
                });
                assert_eq!(claims, expected);
            }

            #[tokio::test]
            async fn forged_tokens_are_refused() {
                let folder = tempfile::tempdir().unwrap();
                let keyring = keyring(folder.path(), $algorithm);
                let ours = ctx(&keyring, "acme");
                let token = sign(&ours).await;
                let theirs = sign(&ctx(&keyring, "other")).await;
                let (message, signature) = token.rsplit_once('.').unwrap();
                let (head, body) = message.split_once('.').unwrap();
                let header = |edit: &dyn Fn(&mut Value)| {
                    let mut header = part(&token, 0);
                    edit(&mut header);
                    format!("{}.{body}.{signature}", encoded(&header))
                };
                let mut claims = part(&token, 1);
                claims["admin"] = true.into();
                let their_kid = part(&theirs, 0)["kid"].clone();
                let mut flipped = BASE64.decode(signature).unwrap();
                flipped[0] ^= 1;
                let forged = [
                    ("none", header(&|header| header["alg"] = "none".into())),
                    ("EdDSA", header(&|header| header["alg"] = "EdDSA ".into())),
                    ("other case", header(&|header| header["alg"] = $alg.to_lowercase().into())),
                    ("no type", header(&|header| header["typ"] = "".into())),
                    ("unknown key", header(&|header| header["kid"] = "key_0".into())),
                    ("their key", header(&|header| header["kid"] = their_kid.clone())),
                    ("critical", header(&|header| header["crit"] = json!(["exp"]))),
                    ("own key", header(&|header| header["jwk"] = json!({"kty": "oct"}))),
                    ("edited claims", format!("{head}.{}.{signature}", encoded(&claims))),
                    ("flipped", format!("{message}.{}", BASE64.encode(flipped))),
                    ("truncated", token[..token.len() - 1].to_owned()),
                    ("unsigned", format!("{message}.")),
                    ("two parts", message.to_owned()),
                    ("four parts", format!("{token}.{signature}")),
                    ("padded", format!("{token}=")),
                    ("a space", format!("{token} ")),
                    ("their tenant", theirs.clone()),
                    ("empty", String::new()),
                    ("dots", "..".to_owned()),
                    ("too long", "x".repeat(MAX_TOKEN_BYTES + 1)),
                ];
                for (how, forged) in forged {
                    assert_eq!(verify(&ours, &forged).await, Verdict::Forged, "{how}");
                }
                let purpose = ours.verify_at("refresh", &token, NOW).await.unwrap();
                assert_eq!(purpose, Verdict::Forged);
                assert!(is_valid(&verify(&ours, &token).await));
            }

            /// Another algorithm's name over a signature that is good by that algorithm: the
            /// public key used as an HMAC secret.
            #[tokio::test]
            async fn public_keys_are_no_secrets() {
                let folder = tempfile::tempdir().unwrap();
                let ctx = ctx(&keyring(folder.path(), $algorithm), "acme");
                let token = sign(&ctx).await;
                let mut header = part(&token, 0);
                header["alg"] = "HS256".into();
                let message = format!("{}.{}", encoded(&header), encoded(&part(&token, 1)));
                let mut secrets = vec![Vec::new(), header["kid"].to_string().into_bytes()];
                for key in jwks(&ctx).await {
                    for field in ["x", "n"] {
                        let Some(public) = key[field].as_str() else { continue };
                        secrets.push(public.as_bytes().to_vec());
                        secrets.push(BASE64.decode(public).unwrap());
                    }
                }
                for secret in secrets {
                    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
                    let signature = BASE64.encode(hmac::sign(&key, message.as_bytes()));
                    let forged = format!("{message}.{signature}");
                    assert_eq!(verify(&ctx, &forged).await, Verdict::Forged);
                }
            }

            #[tokio::test]
            async fn a_token_is_good_for_its_time() {
                let folder = tempfile::tempdir().unwrap();
                let ctx = ctx(&keyring(folder.path(), $algorithm), "acme");
                let token = sign(&ctx).await;
                let at = async |now| ctx.verify_at("access", &token, now).await.unwrap();
                assert_eq!(at(NOW - 31).await, Verdict::Forged, "not yet valid");
                assert!(is_valid(&at(NOW - 30).await));
                assert!(is_valid(&at(NOW + 59).await));
                assert_eq!(at(NOW + 60).await, Verdict::Expired);
                let other = ctx.verify_at("refresh", &token, NOW + 60).await.unwrap();
                assert_eq!(other, Verdict::Forged, "only ours expires");
            }

            #[tokio::test]
            async fn old_keys_verify_after_rotation_and_reopening() {
                let folder = tempfile::tempdir().unwrap();
                let first = keyring(folder.path(), $algorithm);
                let old = sign(&ctx(&first, "acme")).await;
                first.rotate("acme").await.unwrap();
                let new = sign(&ctx(&first, "acme")).await;
                assert_ne!(part(&old, 0)["kid"], part(&new, 0)["kid"]);
                let again = keyring(folder.path(), $algorithm);
                for keyring in [&first, &again] {
                    let ctx = ctx(keyring, "acme");
                    assert!(is_valid(&verify(&ctx, &old).await));
                    assert!(is_valid(&verify(&ctx, &new).await));
                    let public = if $alg == "HS256" { 0 } else { 2 };
                    assert_eq!(jwks(&ctx).await.len(), public);
                }
                let reopened = sign(&ctx(&again, "acme")).await;
                assert_eq!(part(&reopened, 0), part(&new, 0), "the same key");
                // Whatever it says of itself, no token outlives its key.
                let late = NOW + 100 * i64::from(MAX_TTL);
                let verdict = ctx(&again, "acme").verify_at("access", &old, late).await;
                assert_eq!(verdict.unwrap(), Verdict::Forged, "the key has retired");
            }

            #[tokio::test]
            async fn nothing_private_is_public() {
                let folder = tempfile::tempdir().unwrap();
                let keyring = keyring(folder.path(), $algorithm);
                let ctx = ctx(&keyring, "acme");
                let token = sign(&ctx).await;
                let file = std::fs::read_to_string(folder.path().join("acme.json")).unwrap();
                let file: Value = serde_json::from_str(&file).unwrap();
                let private = file["current"]["private"].as_str().unwrap();
                let shown = format!("{ctx:?} {keyring:?} {token} {}", ctx.jwks().await.unwrap());
                assert!(!shown.contains(private));
                for key in jwks(&ctx).await {
                    for field in ["d", "p", "q", "dp", "dq", "qi", "k"] {
                        assert!(key.get(field).is_none(), "{field}");
                    }
                }
            }
        }
    };
}

suite!(eddsa, Algorithm::EdDsa, "EdDSA");
suite!(rs256, Algorithm::Rs256, "RS256");
suite!(hs256, Algorithm::Hs256, "HS256");

#[tokio::test]
async fn another_algorithm_is_another_key() {
    let folder = tempfile::tempdir().unwrap();
    let old = sign(&ctx(&keyring(folder.path(), Algorithm::Hs256), "acme")).await;
    let ctx = ctx(&keyring(folder.path(), Algorithm::EdDsa), "acme");
    assert!(is_valid(&verify(&ctx, &old).await));
    let new = sign(&ctx).await;
    assert_eq!(part(&new, 0)["alg"], "EdDSA");
    let mut swapped = part(&new, 0);
    swapped["kid"] = part(&old, 0)["kid"].clone();
    let rest = new.split_once('.').unwrap().1;
    let forged = format!("{}.{rest}", encoded(&swapped));
    assert_eq!(verify(&ctx, &forged).await, Verdict::Forged);
}

#[tokio::test]
async fn claims_purpose_and_time_have_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let ctx = ctx(&keyring(folder.path(), Algorithm::EdDsa), "acme");
    let large = |bytes: usize| format!("{{\"x\":\"{}\"}}", "x".repeat(bytes - 8));
    let largest = large(MAX_CLAIMS_BYTES);
    assert_eq!(largest.len(), MAX_CLAIMS_BYTES);
    let longest = "p".repeat(64);
    let token = ctx.sign(&longest, &largest, MAX_TTL).await.unwrap();
    assert!(is_valid(&ctx.verify(&longest, &token).await.unwrap()));

    let over = large(MAX_CLAIMS_BYTES + 1);
    for claims in [
        "",
        "[]",
        "null",
        "{",
        "1",
        &over,
        r#"{"iss":1}"#,
        r#"{"aud":1}"#,
        r#"{"exp":1}"#,
        r#"{"nbf":1}"#,
        r#"{"n":18446744073709551616}"#,
        r#"{"iat":1}"#,
        r#"{"jti":1}"#,
        r#"{"\u0069ss":1}"#,
    ] {
        let refused = ctx.sign("access", claims, 60).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{claims}");
    }
    for ttl in [0, MAX_TTL + 1] {
        let refused = ctx.sign("access", "{}", ttl).await.unwrap_err().to_string();
        assert!(refused.contains(&ttl.to_string()), "{refused}");
    }
    for purpose in ["", "Access", "a b", "ä", &"p".repeat(65)] {
        let refused = ctx.sign(purpose, "{}", 60).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{purpose}");
        let refused = ctx.verify(purpose, &token).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{purpose}");
    }
}

#[test]
fn algorithms_have_names() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Hs256] {
        assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
    }
    let unknown = "none".parse::<Algorithm>().unwrap_err().to_string();
    assert!(unknown.contains("EdDSA"), "{unknown}");
}
