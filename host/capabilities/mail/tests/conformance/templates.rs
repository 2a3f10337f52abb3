//! Templates that an operator gave a tenant, and how many mails it may send.

use crate::suite::{message, tenant};
use crate::{Folder, Taken, from, mailer};
use sbd_mail::{Error, Mailer, OwnTemplate, Settings, Template};
use std::num::NonZeroU32;

fn own(language: &str, subject: &str) -> OwnTemplate {
    OwnTemplate {
        component: "hello".to_owned(),
        name: "hello".to_owned(),
        template: Template {
            language: language.to_owned(),
            subject: subject.to_owned(),
            text: "From acme.".to_owned(),
            html: None,
        },
    }
}

#[tokio::test]
async fn an_operators_template_stands_before_the_components_own() {
    let folder = tempfile::tempdir().unwrap();
    let mailer = mailer(folder.path(), None);
    let mut taken = Folder(folder);
    let mut subject = async |language: &str| {
        let mut wanted = message("ada@example.org");
        wanted.language = language.to_owned();
        mailer.send(&tenant(), "hello", &wanted).await.unwrap();
        taken.next()["headers"]["subject"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(subject("en").await, "Hello, <Ada>");
    mailer
        .set_template("acme", own("en", "Acme: {{ name }}"))
        .await
        .unwrap();
    mailer
        .set_template("acme", own("de", "Acme sagt: {{ name }}"))
        .await
        .unwrap();
    mailer
        .set_template("other", own("fr", "Salut"))
        .await
        .unwrap();
    assert_eq!(subject("en-GB").await, "Acme: <Ada>");
    assert_eq!(subject("de-CH").await, "Acme sagt: <Ada>");
    assert_eq!(subject("fr").await, "Acme: <Ada>");
    let all = mailer.templates("acme").await.unwrap();
    let all: Vec<_> = all
        .iter()
        .map(|own| (own.name.as_str(), own.template.language.as_str()))
        .collect();
    assert_eq!(all, [("hello", "de"), ("hello", "en")]);
    // One that wants what is not there, or cannot be read any more, keeps no mail back.
    mailer
        .set_template("acme", own("en", "Acme: {{ nobody }}"))
        .await
        .unwrap();
    assert_eq!(subject("en").await, "Hello, <Ada>");
    assert!(
        mailer
            .remove_template("acme", "hello", "hello", "en")
            .await
            .unwrap()
    );
    assert!(
        !mailer
            .remove_template("acme", "hello", "hello", "en")
            .await
            .unwrap()
    );
    assert_eq!(subject("en").await, "Hello, <Ada>");
    assert_eq!(subject("de").await, "Acme sagt: <Ada>");
    let removed = mailer.remove("acme").unwrap();
    assert_eq!(removed.len(), 1);
    assert!(mailer.templates("acme").await.unwrap().is_empty());
    assert_eq!(mailer.templates("other").await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_template_that_cannot_be_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mailer = mailer(folder.path(), None);
    let mut wrong = vec![own("../en", "s"), own("en", "{{ name"), own("e", "s")];
    for (component, name) in [
        ("..", "hello"),
        ("hello", "../x"),
        ("", "x"),
        ("a/b", "x"),
        ("hello", ""),
    ] {
        wrong.push(OwnTemplate {
            component: component.to_owned(),
            name: name.to_owned(),
            ..own("en", "s")
        });
    }
    for own in wrong {
        let said = mailer.set_template("acme", own.clone()).await;
        assert!(matches!(said, Err(Error::Invalid(_))), "{own:?}: {said:?}");
    }
    assert!(!folder.path().join("mail").exists());
}

#[tokio::test]
async fn a_tenant_sends_so_many_an_hour_and_no_other_one_pays() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        from: from(),
        per_hour: NonZeroU32::new(2).unwrap(),
        ..Settings::default()
    };
    let mailer = Mailer::open(folder.path(), &settings).unwrap();
    let send =
        async |tenant: &str, to: &str| mailer.send(&tenant.into(), "hello", &message(to)).await;
    // What is refused costs nothing.
    send("acme", "nobody").await.unwrap_err();
    send("acme", "ada@example.org").await.unwrap();
    send("acme", "ada@example.org").await.unwrap();
    let said = send("acme", "ada@example.org").await.unwrap_err();
    assert!(
        matches!(&said, Error::Limit(said) if said.contains("2 mails an hour")),
        "{said}"
    );
    send("other", "ada@example.org").await.unwrap();
}
