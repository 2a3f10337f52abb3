use crate::server::{MANIFEST, Server, error, manifest_with};
use reqwest::Method;
use serde_json::Value;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

#[tokio::test]
async fn a_token_becomes_a_caller_and_is_kept_from_the_guest() {
    let server = Server::start().await;
    let echo: Value = server
        .get_as("/echo/x", "ada.1.user")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(echo["caller"], "ada");
    assert_eq!(echo["headers"]["authorization"], Value::Null);
    let echo: Value = server.get("/echo/x").await.json().await.unwrap();
    assert_eq!(echo["caller"], Value::Null);
    assert_eq!(
        server.fake.asked.load(SeqCst),
        1,
        "nobody is asked about the anonymous"
    );
}

#[tokio::test]
async fn every_answer_to_who_acts_in_a_users_place_says_so() {
    let server = Server::start().await;
    for path in ["/echo/x", "/echo/trap"] {
        let answer = server.get_as(path, "ada.1.user.60.usr_root").await;
        assert_eq!(answer.headers()["sbd-impersonated-by"], "usr_root");
    }
    let own = server.get_as("/echo/x", "ada.1.user.60").await;
    assert!(!own.headers().contains_key("sbd-impersonated-by"));
    // Nobody else says it.
    let request = server.request(Method::GET, "/echo/x");
    let claimed = request.header("sbd-impersonated-by", "usr_root");
    let claimed = claimed.send().await.unwrap();
    assert!(!claimed.headers().contains_key("sbd-impersonated-by"));
}

#[tokio::test]
async fn answers_are_kept_per_token() {
    let server = Server::start().await;
    for _ in 0..3 {
        assert_eq!(server.get_as("/echo/x", "ada.1.user").await.status(), 200);
    }
    assert_eq!(server.fake.asked.load(SeqCst), 1);
    assert_eq!(server.get_as("/echo/x", "bob.2.user").await.status(), 200);
    assert_eq!(server.fake.asked.load(SeqCst), 2);
    // What holds for one program says nothing of another.
    let elsewhere = server
        .request(Method::GET, "/echo/x")
        .header("user-agent", "another/1")
        .bearer_auth("bob.2.user");
    assert_eq!(elsewhere.send().await.unwrap().status(), 200);
    assert_eq!(server.fake.asked.load(SeqCst), 3);
}

#[tokio::test]
async fn bad_tokens_are_told_apart_and_refusals_kept() {
    let server = Server::start().await;
    assert_eq!(
        error(server.get_as("/echo/x", "expired").await, 401).await,
        "TOKEN_EXPIRED"
    );
    let forged = server.get_as("/echo/x", "forged").await;
    let metadata = server.url("/.well-known/oauth-protected-resource/echo/x");
    let challenge = format!("Bearer resource_metadata=\"{metadata}\"");
    assert_eq!(forged.headers()["www-authenticate"], *challenge);
    assert_eq!(error(forged, 401).await, "TOKEN_INVALID");
    let asked = server.fake.asked.load(SeqCst);
    assert_eq!(
        error(server.get_as("/echo/x", "forged").await, 401).await,
        "TOKEN_INVALID"
    );
    assert_eq!(server.fake.asked.load(SeqCst), asked);
    for malformed in ["Basic YTpi", "Bearer", "Bearer a b", "nothing"] {
        let request = server
            .request(Method::GET, "/echo/x")
            .header("authorization", malformed);
        assert_eq!(
            error(request.send().await.unwrap(), 401).await,
            "TOKEN_INVALID"
        );
    }
    assert_eq!(server.fake.asked.load(SeqCst), asked);
    assert_eq!(server.fake.reached.load(SeqCst), 0);
}

#[tokio::test]
async fn a_client_of_the_auth_component_shows_itself_to_that_alone() {
    let server = Server::start().await;
    let path = "/api/v1/auth/for-everybody";
    for (path, shown, status) in [
        (path, "Basic YTpi", 200),
        (path, "Negotiate YTpi", 401),
        ("/echo/x", "Basic YTpi", 401),
    ] {
        let request = server.request(Method::POST, path);
        let answer = request.header("authorization", shown).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path} {shown}");
        if status == 200 {
            let seen: Value = answer.json().await.unwrap();
            assert_eq!(seen["shown"], shown);
        }
    }
    assert_eq!(server.fake.asked.load(SeqCst), 0);
}

#[tokio::test]
async fn an_auth_component_in_trouble_is_not_the_clients_fault_and_not_kept() {
    let server = Server::start().await;
    let busy = server.get_as("/echo/x", "overloaded").await;
    assert_eq!(busy.headers()["retry-after"], "2");
    assert_eq!(error(busy, 503).await, "OVERLOADED");
    assert_eq!(
        error(server.get_as("/echo/x", "nonsense").await, 500).await,
        "INTERNAL"
    );
    assert_eq!(
        error(server.get_as("/echo/x", "overloaded").await, 503).await,
        "OVERLOADED"
    );
    assert_eq!(server.fake.asked.load(SeqCst), 3);
}

#[tokio::test]
async fn a_kept_answer_ends_with_its_token() {
    let server = Server::start().await;
    assert_eq!(server.get_as("/echo/x", "ada.1.user.2").await.status(), 200);
    tokio::time::sleep(Duration::from_millis(2100)).await;
    // The fake would extend the token each time it is asked: that it is asked is what counts.
    assert_eq!(server.get_as("/echo/x", "ada.1.user.2").await.status(), 200);
    assert_eq!(server.fake.asked.load(SeqCst), 2);
    assert_eq!(
        error(server.get_as("/echo/x", "bob.2.user.0").await, 401).await,
        "TOKEN_EXPIRED"
    );
}

#[tokio::test]
async fn many_requests_with_one_new_token_ask_once() {
    let server = Server::start().await;
    server.fake.hold_auth();
    let requests: Vec<_> = (0..20)
        .map(|_| {
            tokio::spawn(
                server
                    .request(Method::GET, "/echo/x")
                    .bearer_auth("ada.1.user")
                    .send(),
            )
        })
        .collect();
    server.fake.arrived.notified().await;
    // The others have time to arrive; whoever comes later finds the answer kept.
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.fake.release_auth();
    for request in requests {
        assert_eq!(request.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(server.fake.asked.load(SeqCst), 1);
}

#[tokio::test]
async fn the_first_asker_may_leave_without_harm_to_the_others() {
    let server = Server::start().await;
    server.fake.hold_auth();
    let first = tokio::spawn(
        server
            .request(Method::GET, "/echo/x")
            .bearer_auth("ada.1.user")
            .send(),
    );
    server.fake.arrived.notified().await;
    let second = tokio::spawn(
        server
            .request(Method::GET, "/echo/x")
            .bearer_auth("ada.1.user")
            .send(),
    );
    tokio::time::sleep(Duration::from_millis(50)).await;
    first.abort();
    // The second asks in its place.
    server.fake.arrived.notified().await;
    server.fake.release_auth();
    assert_eq!(second.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn logout_ends_a_session_at_once() {
    let server = Server::start().await;
    assert_eq!(server.get_as("/echo/x", "ada.1.user").await.status(), 200);
    assert_eq!(server.get_as("/echo/x", "ada.2.user").await.status(), 200);
    assert_eq!(
        server
            .get_as("/api/v1/auth/logout", "ada.1.user")
            .await
            .status(),
        200
    );
    assert_eq!(
        error(server.get_as("/echo/x", "ada.1.user").await, 401).await,
        "TOKEN_INVALID"
    );
    assert_eq!(
        server.get_as("/echo/x", "ada.2.user").await.status(),
        200,
        "the other session lives"
    );
    // Whether it goes on, the component was asked once more, and is not for a while.
    server.get_as("/echo/x", "ada.1.user").await;
    assert_eq!(server.fake.asked.load(SeqCst), 3);
}

#[tokio::test]
async fn whoever_something_was_taken_from_is_asked_about_anew_and_goes_on() {
    let server = Server::start().await;
    for (user, asked) in [("ada.ptk_1.user", 1), ("ada.ptk_2.user", 2)] {
        assert_eq!(server.get_as("/echo/x", user).await.status(), 200);
        assert_eq!(server.fake.asked.load(SeqCst), asked);
    }
    server.fake.take_from("ptk_1");
    for _ in 0..2 {
        assert_eq!(
            server.get_as("/echo/x", "ada.ptk_1.user").await.status(),
            200
        );
        assert_eq!(
            server.get_as("/echo/x", "ada.ptk_2.user").await.status(),
            200
        );
        assert_eq!(server.fake.asked.load(SeqCst), 3);
    }
}

#[tokio::test]
async fn a_logout_that_overtakes_an_authenticate_wins() {
    let server = Server::start().await;
    server.fake.hold_auth();
    let racing = tokio::spawn(
        server
            .request(Method::GET, "/echo/x")
            .bearer_auth("ada.1.user")
            .send(),
    );
    server.fake.arrived.notified().await;
    server.fake.revoke("ses_1");
    server.fake.release_auth();
    assert_eq!(
        error(racing.await.unwrap().unwrap(), 401).await,
        "TOKEN_INVALID"
    );
    assert_eq!(
        error(server.get_as("/echo/x", "ada.1.user").await, 401).await,
        "TOKEN_INVALID"
    );
    assert_eq!(server.fake.reached.load(SeqCst), 0);
}

#[tokio::test]
async fn guessing_tokens_is_charged_to_the_address() {
    let server = Server::of(&manifest_with("rate_limit = { per_second = 1, burst = 3 }")).await;
    let mut refused = 0;
    for guess in 0..20 {
        let response = server
            .get_as("/echo/x", &format!("guess.{guess}.user"))
            .await;
        refused += usize::from(response.status() == 429);
    }
    // Slow machines let a few more through than the burst.
    assert!(refused >= 5, "{refused}");
    assert_eq!(server.fake.asked.load(SeqCst), 20 - refused);
}

#[tokio::test]
async fn without_an_auth_component_the_header_is_the_guests() {
    let server = Server::of(&MANIFEST.replace("auth = \"auth\"", "")).await;
    let request = server
        .request(Method::GET, "/echo/x")
        .header("authorization", "Basic YTpi");
    let echo: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(echo["headers"]["authorization"], "Basic YTpi");
    assert_eq!(server.fake.asked.load(SeqCst), 0);
}
