//! Whatever comes in: the right refusal in the standard body, nothing half-written, no trap.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{Method, header};
use sbd_contract::Principal;
use sbd_keys::{FileKeyring, KeysCtx, Settings};
use sbd_tests::{Account, Launch, Reply, Server, assert_error, assert_standard, json};
use serde_json::{Value, json};
use std::sync::Arc;

const FAMILIES: &str = "/api/v1/families";

fn challenge(refused: &reqwest::Response) -> &str {
    refused.headers()["www-authenticate"].to_str().unwrap()
}

/// After all that was thrown at it: nothing is stored, nothing has trapped, and it serves.
async fn unharmed(server: &Server, ada: &Account) {
    assert_eq!(
        ada.read(FAMILIES).await["total"],
        0,
        "something was written"
    );
    assert_eq!(
        server.metric("sbd_component_traps_total", "").await,
        0.0,
        "{}",
        server.log()
    );
    assert!(!server.log().contains("panicked"), "{}", server.log());
    ada.create_family("Lovelace").await;
    assert_eq!(ada.read(FAMILIES).await["total"], 1);
}

#[tokio::test]
async fn bodies() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    let deep = format!(r#"{{"name":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    let long = json!({"name": "x".repeat(101)}).to_string();
    let longer = json!({"name": "x", "description": "y".repeat(501)}).to_string();
    let large = json!({"name": "x".repeat(2 << 20)}).to_string();
    let table: &[(&str, &[u8], u16, &str, &str)] = &[
        ("no body", b"", 400, "MALFORMED_REQUEST", ""),
        ("blanks", b" \n ", 400, "MALFORMED_REQUEST", ""),
        ("cut JSON", br#"{"name":"#, 400, "MALFORMED_REQUEST", ""),
        (
            "two values",
            br#"{"name":"x"} {}"#,
            400,
            "MALFORMED_REQUEST",
            "",
        ),
        ("no JSON", b"name=x", 400, "MALFORMED_REQUEST", ""),
        (
            "bad UTF-8",
            b"{\"name\":\"\xff\xfe\"}",
            400,
            "MALFORMED_REQUEST",
            "",
        ),
        (
            "half a surrogate pair",
            br#"{"name":"\ud800"}"#,
            400,
            "MALFORMED_REQUEST",
            "",
        ),
        (
            "deep nesting",
            deep.as_bytes(),
            400,
            "MALFORMED_REQUEST",
            "",
        ),
        ("NaN", br#"{"name":NaN}"#, 400, "MALFORMED_REQUEST", ""),
        (
            "a number for a text",
            br#"{"name":1}"#,
            422,
            "VALIDATION_ERROR",
            "name",
        ),
        (
            "null for a text",
            br#"{"name":null}"#,
            422,
            "VALIDATION_ERROR",
            "name",
        ),
        (
            "an object for a text",
            br#"{"name":{"$gt":""}}"#,
            422,
            "VALIDATION_ERROR",
            "name",
        ),
        (
            "a list for an object",
            br#"["x"]"#,
            422,
            "VALIDATION_ERROR",
            "",
        ),
        ("a missing field", b"{}", 422, "VALIDATION_ERROR", "name"),
        (
            "an unknown field",
            br#"{"name":"x","nick":"y"}"#,
            422,
            "VALIDATION_ERROR",
            "nick",
        ),
        (
            "a field twice",
            br#"{"name":"x","name":"y"}"#,
            422,
            "VALIDATION_ERROR",
            "name",
        ),
        (
            "an empty name",
            br#"{"name":"  "}"#,
            422,
            "VALIDATION_ERROR",
            "name",
        ),
        (
            "a control character",
            br#"{"name":"a\u0000b"}"#,
            422,
            "VALIDATION_ERROR",
            "name",
        ),
        (
            "a long name",
            long.as_bytes(),
            422,
            "VALIDATION_ERROR",
            "name",
        ),
        (
            "a long description",
            longer.as_bytes(),
            422,
            "VALIDATION_ERROR",
            "description",
        ),
        ("a large body", large.as_bytes(), 413, "BODY_TOO_LARGE", ""),
    ];
    for (what, body, status, code, field) in table {
        println!("{what}");
        let request = ada
            .request(Method::POST, FAMILIES)
            .header("content-type", "application/json");
        let refused = assert_error(
            request.body(body.to_vec()).send().await.unwrap(),
            *status,
            code,
        )
        .await;
        if !field.is_empty() {
            assert_eq!(
                refused["error"]["details"][0]["field"], *field,
                "{what}: {refused}"
            );
        }
    }
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/xml",
        "nonsense",
        "",
    ] {
        let request = ada
            .request(Method::POST, FAMILIES)
            .header("content-type", kind)
            .body(r#"{"name":"x"}"#);
        assert_error(request.send().await.unwrap(), 415, "UNSUPPORTED_MEDIA_TYPE").await;
    }
    let untyped = ada.request(Method::POST, FAMILIES).body(r#"{"name":"x"}"#);
    assert_error(untyped.send().await.unwrap(), 415, "UNSUPPORTED_MEDIA_TYPE").await;
    let long_key = ada
        .post(FAMILIES, &json!({"name": "x"}))
        .header("idempotency-key", "k".repeat(256));
    assert_error(long_key.send().await.unwrap(), 422, "VALIDATION_ERROR").await;
    unharmed(&server, &ada).await;
}

#[tokio::test]
async fn bodies_on_the_wire() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    let head = format!(
        "POST {FAMILIES} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\nconnection: close\r\n",
        server.address(),
        ada.access
    );
    let refused = |reply: &Reply, status: u16, code: &str| {
        assert_eq!(reply.status, status, "{reply:?}");
        assert_standard(&reply.json, reply.header("x-request-id"), code);
    };
    let good = r#"{"name":"half"}"#;
    let announced = format!("{head}content-length: 2000000\r\n\r\n{good}");
    refused(&server.raw(announced).await.unwrap(), 413, "BODY_TOO_LARGE");

    let chunk = format!("{:x}\r\n{}\r\n", 65536, "x".repeat(65536));
    let chunked = format!(
        "{head}transfer-encoding: chunked\r\n\r\n{}0\r\n\r\n",
        chunk.repeat(40)
    );
    refused(&server.raw(chunked).await.unwrap(), 413, "BODY_TOO_LARGE");
    // Nor is a refusal lost that is there long before the client has said it all.
    for path in [FAMILIES, "/api/v1/nothing"] {
        for framing in ["content-length: 8000000", "transfer-encoding: chunked"] {
            let head = head.replacen(FAMILIES, path, 1);
            let mut request = format!("{head}{framing}\r\n\r\n");
            if framing.contains("chunked") {
                request += &format!("{:x}\r\n", 8_000_000);
            }
            request += &"x".repeat(8_000_000);
            if framing.contains("chunked") {
                request += "\r\n0\r\n\r\n";
            }
            match path {
                FAMILIES => refused(&server.raw(request).await.unwrap(), 413, "BODY_TOO_LARGE"),
                _ => refused(&server.raw(request).await.unwrap(), 404, "NOT_FOUND"),
            }
        }
    }
    for broken in [
        "zz\r\n{}\r\n",
        "f\r\n{\"name\":\"half\"}XX0\r\n\r\n",
        "-1\r\n{}\r\n",
        "ffffffffffffffffff\r\n",
    ] {
        let reply = server
            .raw(format!("{head}transfer-encoding: chunked\r\n\r\n{broken}"))
            .await;
        refused(
            &reply.unwrap_or_else(|| panic!("no answer to {broken:?}")),
            400,
            "MALFORMED_REQUEST",
        );
    }
    for cut in [
        format!("{head}content-length: 100\r\n\r\n{good}"),
        format!("{head}content-length: 100\r\n\r\n"),
        format!("{head}transfer-encoding: chunked\r\n\r\nf\r\n{good}\r\n"),
        format!("{head}transfer-encoding: chunked\r\n\r\nff\r\n{good}"),
    ] {
        refused(
            &server.raw_cut(cut).await.unwrap(),
            400,
            "MALFORMED_REQUEST",
        );
    }
    for (what, request) in [
        (
            "two lengths",
            format!("{head}content-length: 15\r\ncontent-length: 16\r\n\r\n{good}"),
        ),
        (
            "length and chunks",
            format!("{head}content-length: 15\r\ntransfer-encoding: x\r\n\r\n{good}"),
        ),
        (
            "a bad length",
            format!("{head}content-length: x\r\n\r\n{good}"),
        ),
        ("a bad header", format!("{head}bad header: x\r\n\r\n")),
        ("no HTTP", "hello\r\n\r\n".to_owned()),
    ] {
        assert_eq!(
            server.raw(request).await.map(|reply| reply.status),
            Some(400),
            "{what}"
        );
    }
    let huge = format!("{head}x-huge: {}\r\n\r\n", "x".repeat(1 << 20));
    assert_eq!(server.raw(huge).await.map(|reply| reply.status), Some(431));
    let address = format!(
        "GET /{} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        "x".repeat(10_000)
    );
    refused(&server.raw(address).await.unwrap(), 414, "URI_TOO_LONG");
    unharmed(&server, &ada).await;
}

#[tokio::test]
async fn addresses_and_methods() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    for path in [
        "/nothing",
        "/api/v1/nothing",
        "/api/v2/families",
        "/api/v1/familiesX",
        "/api/v1/families/",
        "/api/v1/families/fam_none",
        "/api/v1/families/%00",
        "/api/v1/families/fam_none/nothing",
        "/api/v1/auth/nothing",
        "/api/v1/auth/sessions/../../families",
    ] {
        let refused = ada.request(Method::GET, "").build().unwrap();
        let head = refused.headers()[header::AUTHORIZATION].to_str().unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: {head}\r\nconnection: close\r\n\r\n"
        );
        let reply = server.raw(request).await.unwrap();
        assert_eq!(reply.status, 404, "{path}: {reply:?}");
        assert_standard(&reply.json, reply.header("x-request-id"), "NOT_FOUND");
    }
    for (method, path, allowed) in [
        (Method::PATCH, FAMILIES, "POST"),
        (Method::DELETE, FAMILIES, "GET"),
        (Method::POST, "/api/v1/families/fam_none", "PUT"),
        (Method::GET, "/api/v1/auth/login", "POST"),
        (Method::PUT, "/api/v1/auth/me", "GET"),
        (Method::POST, "/healthz", "GET"),
        (Method::POST, "/openapi.json", "GET"),
        (Method::from_bytes(b"BREW").unwrap(), FAMILIES, "GET"),
    ] {
        let refused = ada.request(method.clone(), path).send().await.unwrap();
        let allow = refused
            .headers()
            .get("allow")
            .unwrap_or_else(|| panic!("no Allow for {method} {path}"));
        assert!(
            allow.to_str().unwrap().contains(allowed),
            "{method} {path}: {allow:?}"
        );
        assert_error(refused, 405, "METHOD_NOT_ALLOWED").await;
    }
    for query in [
        "page=0",
        "page=x",
        "page=-1",
        "page=99999999999999999999",
        "per_page=0",
        "per_page=101",
        "sort=password",
        "order=sideways",
        "unknown=1",
        "page=1&page=2",
        "%ff=1",
    ] {
        let refused = ada
            .get(&format!("{FAMILIES}?{query}"))
            .send()
            .await
            .unwrap();
        println!("{query}");
        let refused = assert_error(refused, 422, "VALIDATION_ERROR").await;
        assert!(
            refused["error"]["details"][0]["field"].is_string(),
            "{query}: {refused}"
        );
    }
    unharmed(&server, &ada).await;
}

#[tokio::test]
async fn tokens() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    let stranger = Server::start().await;
    let foreign = Account::register(&stranger, "ada").await.access;
    let parts: Vec<&str> = ada.access.split('.').collect();
    let [head, claims, signature] = parts.as_slice() else {
        panic!("{}", ada.access)
    };
    let mut admin = self::claims(&ada.access);
    admin["roles"] = json!(["admin"]);
    let edited = URL_SAFE_NO_PAD.encode(admin.to_string());
    let unsigned = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    let bearer = |token: String| format!("Bearer {token}");
    for (what, authorization) in [
        ("of another server", bearer(foreign)),
        ("edited", bearer(format!("{head}.{edited}.{signature}"))),
        ("without algorithm", bearer(format!("{unsigned}.{edited}."))),
        (
            "without algorithm, signed",
            bearer(format!("{unsigned}.{claims}.{signature}")),
        ),
        ("without signature", bearer(format!("{head}.{claims}."))),
        ("cut", bearer(ada.access[..ada.access.len() - 2].to_owned())),
        ("a refresh token", bearer(ada.refresh.clone())),
        ("nonsense", bearer("nonsense".to_owned())),
        ("very long", bearer("x".repeat(10_000))),
        ("empty", "Bearer ".to_owned()),
        ("no scheme", ada.access.clone()),
        ("another scheme", "Basic YWRhOnB3".to_owned()),
        ("two tokens", format!("Bearer {0} {0}", ada.access)),
        ("a trailing comma", format!("Bearer {},", ada.access)),
    ] {
        println!("{what}");
        let request = server
            .client
            .get(server.at(FAMILIES))
            .header("authorization", authorization);
        let refused = request.send().await.unwrap();
        assert!(challenge(&refused).starts_with("Bearer "), "{what}");
        assert_error(refused, 401, "TOKEN_INVALID").await;
    }
    let anonymous = server.get(FAMILIES).await;
    let metadata = format!("/.well-known/oauth-protected-resource{FAMILIES}");
    let metadata = format!("Bearer resource_metadata=\"{}\"", server.at(&metadata));
    assert_eq!(challenge(&anonymous), metadata);
    assert_error(anonymous, 401, "UNAUTHENTICATED").await;
    unharmed(&server, &ada).await;
}

#[tokio::test]
async fn tokens_with_a_good_signature_for_something_else() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    let folder = server.data().join("keyring/tenants");
    let keyring = Arc::new(FileKeyring::open(folder, Settings::default()).unwrap());
    let issued = claims(&ada.access);
    let ours = json!({"sub": ada.id, "sid": issued["sid"]});
    let unknown = json!({"sub": ada.id, "sid": "ses_019a2f3c8b7e7c2d9f00112233445566"});
    let now = issued["iat"].as_i64().unwrap();
    for (tenant, purpose, claims, at, refusal) in [
        ("default", "access", &ours, now, None),
        (
            "default",
            "access",
            &ours,
            now - 3600,
            Some("TOKEN_EXPIRED"),
        ),
        (
            "default",
            "access",
            &ours,
            now + 3600,
            Some("TOKEN_INVALID"),
        ),
        ("default", "access", &unknown, now, Some("TOKEN_INVALID")),
        ("default", "mail", &ours, now, Some("TOKEN_INVALID")),
        ("other", "access", &ours, now, Some("TOKEN_INVALID")),
    ] {
        println!("{tenant} {purpose} {claims} {at}");
        let keys = KeysCtx::new(keyring.clone(), tenant.into());
        let token = keys
            .sign_at(purpose, &claims.to_string(), 900, at)
            .await
            .unwrap();
        let request = server.client.get(server.at(FAMILIES)).bearer_auth(token);
        let answer = request.send().await.unwrap();
        match refusal {
            None => assert_eq!(answer.status(), 200),
            Some(code) => _ = assert_error(answer, 401, code).await,
        }
    }
    unharmed(&server, &ada).await;
}

/// What a token says.
fn claims(token: &str) -> Value {
    let claims = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

#[tokio::test]
async fn registrations() {
    let server = Server::start().await;
    let table = [
        (
            json!({"username": "ab", "email": "a@example.com", "password": "Correct-horse-7"}),
            "username",
        ),
        (
            json!({"username": "a b c", "email": "a@example.com", "password": "Correct-horse-7"}),
            "username",
        ),
        (
            json!({"username": "x".repeat(51), "email": "a@example.com", "password": "Correct-horse-7"}),
            "username",
        ),
        (
            json!({"username": "ada", "email": "nobody", "password": "Correct-horse-7"}),
            "email",
        ),
        (
            json!({"username": "ada", "email": format!("{}@example.com", "x".repeat(300)), "password": "Correct-horse-7"}),
            "email",
        ),
        (
            json!({"username": "ada", "email": "a@example.com", "password": "short"}),
            "password",
        ),
        (
            json!({"username": "ada", "email": "a@example.com", "password": format!("Aa1-{}", "x".repeat(5000))}),
            "password",
        ),
        (
            json!({"username": "ada", "email": "a@example.com", "password": "Correct-horse-7", "roles": ["admin"]}),
            "roles",
        ),
        (
            json!({"username": {"$ne": ""}, "email": "a@example.com", "password": "Correct-horse-7"}),
            "username",
        ),
    ];
    for (body, field) in table {
        let refused = server.post("/api/v1/auth/register", &body).await;
        let refused = assert_error(refused, 422, "VALIDATION_ERROR").await;
        assert_eq!(
            refused["error"]["details"][0]["field"], field,
            "{body}: {refused}"
        );
    }
    let injected = json!({"identifier": {"$gt": ""}, "password": "Correct-horse-7"});
    assert_error(
        server.post("/api/v1/auth/login", &injected).await,
        422,
        "VALIDATION_ERROR",
    )
    .await;
    let ada = Account::register(&server, "ada").await;
    unharmed(&server, &ada).await;
}

#[tokio::test]
async fn what_only_the_host_may_say() {
    let server = Launch::app(include_str!("apps/guests.toml")).start().await;
    let root = Principal::user("default", "usr_root")
        .named("root")
        .with_roles(["admin"]);
    let sealed = format!("{}.AAAA", root.claims().unwrap());
    let request = server
        .client
        .get(server.at("/probe/whoami"))
        .header("sbd-caller", &sealed);
    let request = request
        .header("sbd-tenant", "other")
        .header("sbd-request-id", "req_mine")
        .header("x-request-id", "req_mine");
    let seen = json(request.send().await.unwrap(), 200).await;
    assert_eq!(
        (&seen["caller"], &seen["tenant"]),
        (&Value::Null, &json!("default")),
        "{seen}"
    );
    assert_ne!(seen["request_id"], "req_mine");

    for path in [
        "/-/authenticate",
        "/-/administrators",
        "/-/openapi.json",
        "/-",
        "//-/openapi.json",
        "/./-/openapi.json",
        "/%2D/openapi.json",
        "/%2d/openapi.json",
        "/%252D/openapi.json",
        "/%2F-/openapi.json",
        "/-%2Fopenapi.json",
        "/probe/../-/openapi.json",
        "/probe/%2e%2e/-/openapi.json",
        "/\\-\\openapi.json",
    ] {
        for method in ["GET", "POST"] {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            );
            let reply = server.raw(request).await.unwrap();
            assert_eq!(reply.status, 404, "{method} {path}: {reply:?}");
            assert_standard(&reply.json, reply.header("x-request-id"), "NOT_FOUND");
        }
    }
}
