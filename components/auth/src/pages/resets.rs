//! Whether a mail for a new password was asked for by the owner, who says so by what was mailed.

use super::text::Words;
use super::visitor::Visitor;
use crate::resets;
use axum::response::Response;
use maud::{Markup, html};
use page::{Form, Posted};
use sbd_sdk::{Error, Result};
use serde::Deserialize;

pub(super) const PATH: &str = "/account/decide-reset";

/// What the owner says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    code: String,
    decision: Decision,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Decision {
    Approve,
    Deny,
}

/// The page for who has the code. A link alone decides nothing: programs that look into mails follow them.
pub(super) fn with_code(visitor: &Visitor, code: &str) -> Result<Response> {
    visitor.page(Words::DecideReset, PATH, &form(visitor, code, None))
}

pub(super) async fn decide(visitor: Visitor, posted: Posted) -> Result<Response> {
    let given: Given = visitor.read(&posted)?;
    let decided = match given.decision {
        Decision::Approve => resets::approve(&given.code).await,
        Decision::Deny => resets::deny(&given.code).await,
    };
    let done = match given.decision {
        Decision::Approve => Words::ResetApproved,
        Decision::Deny => Words::ResetDenied,
    };
    match decided {
        Ok(()) => {
            let content = html! {
                div class="done" role="status" { p { (visitor.say(done)) } }
            };
            visitor.page(Words::DecideReset, PATH, &content)
        }
        Err(error) => {
            let form = form(&visitor, &given.code, Some(&error));
            visitor.refused(&error, Words::DecideReset, PATH, &form)
        }
    }
}

fn form(visitor: &Visitor, code: &str, error: Option<&Error>) -> Markup {
    let buttons = html! {
        p {
            button type="submit" name="decision" value="approve" {
                (visitor.say(Words::ApproveReset))
            }
            " "
            button type="submit" name="decision" value="deny" class="destroys" {
                (visitor.say(Words::DenyReset))
            }
        }
    };
    let form = Form {
        action: PATH,
        token: &visitor.token(),
        submit: "",
        destroys: false,
        problems: &visitor.problems(error),
        wrong: visitor.say(Words::Wrong),
        fields: &[],
        hidden: &[("code", code)],
        below: Some(&buttons),
    };
    html! { p { (visitor.say(Words::DecideResetAbout)) } (form) }
}

#[cfg(test)]
mod tests {
    use crate::pages::tests::{Browser, page};
    use crate::tests::{app, mailed, register};

    #[test]
    fn an_owner_says_on_a_page_whether_it_was_them() {
        for (decision, said) in [("approve", "The mail is on its way"), ("deny", "for a day")] {
            let app = app();
            register(&app, "ada").assert_status(201);
            let mut ada = Browser::new(&app);
            // The fourth mail of a day is not usual.
            for _ in 0..4 {
                let forgot = "/account/forgot-password";
                ada.send(forgot, forgot, &[("email", "ada@example.com")])
                    .assert_status(200);
                app.advance(crate::throttle::MAIL.window);
                ada = Browser::new(&app);
            }
            app.run_tasks();
            let code = mailed(&app, "decide-reset", "ada@example.com");
            let given = [("what", "decide-reset"), ("code", &*code)];
            let asked = ada.send("/account/mailed", "/account/mailed", &given);
            let html = page(&asked);
            assert!(html.contains(&code) && html.contains(r#"value="deny""#));
            // To look at it decides nothing.
            let mails = app.mails().len();
            let given = [("code", &*code), ("decision", decision)];
            let decided = ada.send("/account/mailed", super::PATH, &given);
            assert!(page(&decided).contains(said), "{decision}");
            app.run_tasks();
            let more = usize::from(decision == "approve");
            assert_eq!(app.mails().len(), mails + more);
            let again = ada.send("/account/mailed", super::PATH, &given);
            page(&again.assert_status(401));
        }
    }
}
