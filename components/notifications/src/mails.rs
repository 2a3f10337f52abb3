//! What mails say.

use crate::contact::Contact;
use crate::model::Notification;
use sbd_sdk::mail::{Message, Template};
use serde_json::json;

/// One notification. An operator gives a tenant another one as `notifications/notice`; its values are
/// `username`, `kind`, `title`, `body` and `link`, each of them there.
const NOTICE: [Template; 2] = [
    Template::with_html(
        "en",
        "{{ title }}",
        "Hello {{ username }},\n\n{{ title }}\n{% if body %}\n{{ body }}\n{% endif %}{% if link %}\n{{ link }}\n{% endif %}\n--\nWhat you get by mail is up to you: see the preferences of your notifications.\n",
        "<p>Hello {{ username }},</p><p><strong>{{ title }}</strong></p>{% if body %}<p style=\"white-space: pre-line\">{{ body }}</p>{% endif %}{% if link %}<p><a href=\"{{ link }}\">{{ link }}</a></p>{% endif %}<p><small>What you get by mail is up to you: see the preferences of your notifications.</small></p>",
    ),
    Template::with_html(
        "de",
        "{{ title }}",
        "Guten Tag {{ username }},\n\n{{ title }}\n{% if body %}\n{{ body }}\n{% endif %}{% if link %}\n{{ link }}\n{% endif %}\n--\nWas Sie per Mail bekommen, bestimmen Sie: in den Einstellungen Ihrer Benachrichtigungen.\n",
        "<p>Guten Tag {{ username }},</p><p><strong>{{ title }}</strong></p>{% if body %}<p style=\"white-space: pre-line\">{{ body }}</p>{% endif %}{% if link %}<p><a href=\"{{ link }}\">{{ link }}</a></p>{% endif %}<p><small>Was Sie per Mail bekommen, bestimmen Sie: in den Einstellungen Ihrer Benachrichtigungen.</small></p>",
    ),
];

/// What is unread. An operator gives a tenant another one as `notifications/digest`; its values are
/// `username`, `unread` (how many) and `items`, each with `title` and `body`.
const DIGEST: [Template; 2] = [
    Template::with_html(
        "en",
        "{{ unread }} unread {% if unread == 1 %}notification{% else %}notifications{% endif %}",
        "Hello {{ username }},\n\nthis is unread in your inbox:\n\n{% for item in items %}* {{ item.title }}\n{% endfor %}{% if unread > items|length %}... and {{ unread - items|length }} more\n{% endif %}\n--\nHow often you get this mail is up to you: see the preferences of your notifications.\n",
        "<p>Hello {{ username }},</p><p>this is unread in your inbox:</p><ul>{% for item in items %}<li><strong>{{ item.title }}</strong>{% if item.body %}<br>{{ item.body }}{% endif %}</li>{% endfor %}</ul>{% if unread > items|length %}<p>... and {{ unread - items|length }} more</p>{% endif %}<p><small>How often you get this mail is up to you: see the preferences of your notifications.</small></p>",
    ),
    Template::with_html(
        "de",
        "{{ unread }} ungelesene {% if unread == 1 %}Benachrichtigung{% else %}Benachrichtigungen{% endif %}",
        "Guten Tag {{ username }},\n\nungelesen ist in Ihrem Posteingang:\n\n{% for item in items %}* {{ item.title }}\n{% endfor %}{% if unread > items|length %}... und {{ unread - items|length }} mehr\n{% endif %}\n--\nWie oft Sie diese Mail bekommen, bestimmen Sie: in den Einstellungen Ihrer Benachrichtigungen.\n",
        "<p>Guten Tag {{ username }},</p><p>ungelesen ist in Ihrem Posteingang:</p><ul>{% for item in items %}<li><strong>{{ item.title }}</strong>{% if item.body %}<br>{{ item.body }}{% endif %}</li>{% endfor %}</ul>{% if unread > items|length %}<p>... und {{ unread - items|length }} mehr</p>{% endif %}<p><small>Wie oft Sie diese Mail bekommen, bestimmen Sie: in den Einstellungen Ihrer Benachrichtigungen.</small></p>",
    ),
];

/// Characters of each body in a digest.
const DIGEST_BODY: usize = 200;

/// The mail about one notification.
pub(crate) fn notice(notification: &Notification, to: &Contact, language: &str) -> Message {
    // A path leads nowhere outside of the application.
    let link = notification.link.as_deref();
    let values = json!({
        "username": to.username,
        "kind": notification.kind,
        "title": notification.title,
        "body": notification.body,
        "link": link.filter(|link| link.starts_with("https://")).unwrap_or_default(),
    });
    let id = notification.id.as_str();
    Message::new(id, &to.email, "notice", &NOTICE, values).in_language(language)
}

/// The mail about what is unread: so many, and these among them.
pub(crate) fn digest(
    id: String,
    unread: u64,
    newest: &[Notification],
    to: &Contact,
    language: &str,
) -> Message {
    let item = |notification: &Notification| {
        let body: String = notification.body.chars().take(DIGEST_BODY).collect();
        json!({"title": notification.title, "body": body})
    };
    let items: Vec<_> = newest.iter().map(item).collect();
    let values = json!({"username": to.username, "unread": unread, "items": items});
    Message::new(id, &to.email, "digest", &DIGEST, values).in_language(language)
}
