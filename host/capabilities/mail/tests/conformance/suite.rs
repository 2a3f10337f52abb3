//! What every transport does.

use sbd_mail::{Error, Mailer, Message, Template};
use serde_json::Value;
use std::sync::Arc;

/// What a transport has taken, one after the other.
pub(crate) trait Taken {
    /// The next one: `headers` by their names, `text`, `html`.
    fn next(&mut self) -> Value;
}

pub(crate) fn tenant() -> Arc<str> {
    "acme".into()
}

pub(crate) fn message(to: &str) -> Message {
    Message {
        to: to.to_owned(),
        reply_to: None,
        template: "hello".to_owned(),
        templates: vec![Template {
            language: "en".to_owned(),
            subject: "Hello, {{ name }}".to_owned(),
            text: "Hello, {{ name }}.\nSee you.\n".to_owned(),
            html: Some("<p>Hello, {{ name }}.</p>".to_owned()),
        }],
        language: "en".to_owned(),
        values: r#"{"name": "<Ada>"}"#.to_owned(),
        id: "not_1".to_owned(),
    }
}

pub(crate) async fn run(mailer: &Mailer, mut taken: impl Taken) {
    a_mail_has_its_headers_and_both_forms(mailer, &mut taken).await;
    the_same_mail_has_the_same_id(mailer, &mut taken).await;
    nothing_gets_into_the_headers(mailer, &mut taken).await;
    a_domain_is_written_as_servers_know_it(mailer, &mut taken).await;
}

async fn a_mail_has_its_headers_and_both_forms(mailer: &Mailer, taken: &mut impl Taken) {
    let mut wanted = message("ada@example.org");
    wanted.reply_to = Some("bob@example.org".to_owned());
    mailer.send(&tenant(), "hello", &wanted).await.unwrap();
    let mail = taken.next();
    let headers = &mail["headers"];
    assert!(headers["from"].as_str().unwrap().contains("Second Brain"));
    assert!(
        headers["from"]
            .as_str()
            .unwrap()
            .contains("<brain@example.org>")
    );
    assert_eq!(headers["to"], "ada@example.org");
    assert_eq!(headers["reply-to"], "bob@example.org");
    assert_eq!(headers["subject"], "Hello, <Ada>");
    assert_eq!(headers["auto-submitted"], "auto-generated");
    assert!(headers["date"].is_string() && headers["mime-version"] == "1.0");
    let text = mail["text"].as_str().unwrap().replace("\r\n", "\n");
    assert_eq!(text.trim_end(), "Hello, <Ada>.\nSee you.");
    assert_eq!(
        mail["html"].as_str().unwrap().trim_end(),
        "<p>Hello, &lt;Ada&gt;.</p>"
    );

    wanted.templates[0].html = None;
    mailer.send(&tenant(), "hello", &wanted).await.unwrap();
    let mail = taken.next();
    assert!(
        mail["headers"]["content-type"]
            .as_str()
            .unwrap()
            .starts_with("text/plain")
    );
    assert!(mail["html"].is_null());
}

async fn the_same_mail_has_the_same_id(mailer: &Mailer, taken: &mut impl Taken) {
    let mut wanted = message("ada@example.org");
    let mut ids = Vec::new();
    for (component, id) in [
        ("hello", "a"),
        ("hello", "a"),
        ("hello", "b"),
        ("other", "a"),
        ("hello", "\r\nBcc: eve@example.com"),
    ] {
        wanted.id = id.to_owned();
        mailer.send(&tenant(), component, &wanted).await.unwrap();
        let mail = taken.next();
        assert!(mail["headers"]["bcc"].is_null());
        ids.push(mail["headers"]["message-id"].as_str().unwrap().to_owned());
    }
    assert!(
        ids[0].starts_with('<') && ids[0].ends_with("@example.org>"),
        "{}",
        ids[0]
    );
    assert_eq!(ids[0], ids[1]);
    assert!(ids[0] != ids[2] && ids[0] != ids[3] && ids[0] != ids[4]);
}

/// What is refused is not sent: the next mail that is taken is the next good one.
async fn nothing_gets_into_the_headers(mailer: &Mailer, taken: &mut impl Taken) {
    let evil = "x\\r\\nBcc: eve@example.com";
    let refused = |change: fn(&mut Message, &str)| {
        let mut wanted = message("ada@example.org");
        change(&mut wanted, evil);
        wanted
    };
    for wanted in [
        refused(|wanted, _| wanted.to = "ada@example.org\r\nBcc: eve@example.com".to_owned()),
        refused(|wanted, _| wanted.to = "ada@example.org, eve@example.com".to_owned()),
        refused(|wanted, _| wanted.reply_to = Some("a@example.org\nBcc: e@example.com".to_owned())),
        refused(|wanted, evil| wanted.values = format!("{{\"name\": \"{evil}\"}}")),
        refused(|wanted, _| wanted.templates[0].subject = "a\r\nBcc: eve@example.com".to_owned()),
        refused(|wanted, _| wanted.values = "{}".to_owned()),
        refused(|wanted, _| wanted.template = "../hello".to_owned()),
        refused(|wanted, _| wanted.templates.clear()),
        refused(|wanted, _| wanted.id.clear()),
    ] {
        let said = mailer.send(&tenant(), "hello", &wanted).await;
        assert!(
            matches!(said, Err(Error::Invalid(_))),
            "{wanted:?}: {said:?}"
        );
    }
    mailer
        .send(&tenant(), "hello", &message("bob@example.org"))
        .await
        .unwrap();
    assert_eq!(taken.next()["headers"]["to"], "bob@example.org");
}

async fn a_domain_is_written_as_servers_know_it(mailer: &Mailer, taken: &mut impl Taken) {
    mailer
        .send(&tenant(), "hello", &message("ada@bücher.example"))
        .await
        .unwrap();
    let to = &taken.next()["headers"]["to"];
    assert_eq!(to, "ada@xn--bcher-kva.example");
}
