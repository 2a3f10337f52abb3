//! Being led to an issuer to sign in by its word, and coming back.

use super::sign_in::{begin_anew, enter, pass_for, shown};
use super::text::Words;
use super::visitor::Visitor;
use crate::model::Device;
use crate::oauth::parameters::Parameters;
use crate::providers::attempts::{self, Brought, Purpose};
use crate::providers::{configuration, sign_in};
use crate::throttle;
use axum::response::{AppendHeaders, IntoResponse, Response};
use http::{Uri, header};
use maud::{Markup, html};
use page::{Form, Posted};
use sbd_sdk::{Path, Result, time};
use serde::Deserialize;

/// Where a browser comes back to.
pub(super) const PATH: &str = configuration::PAGE;

/// Who is to be led to an issuer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Leaving {
    #[serde(default)]
    pass: String,
}

/// A button for each issuer, with the field for a pass where that is what is lacking.
pub(super) async fn offers(visitor: &Visitor, takes_pass: bool) -> Result<Markup> {
    let all = configuration::list().await?;
    Ok(html! {
        @for provider in &all {
            @let pass = takes_pass.then(|| pass_for(visitor, &provider.id));
            (Form {
                action: &format!("{PATH}/{}", provider.id),
                token: &visitor.token(),
                submit: &format!("{} {}", visitor.say(Words::SignInBy), provider.label),
                destroys: false,
                problems: &visitor.problems(None),
                wrong: visitor.say(Words::Wrong),
                fields: &[],
                hidden: &[],
                below: pass.as_ref(),
            })
        }
    })
}

/// A browser is led to an issuer.
pub(super) async fn lead(
    visitor: Visitor,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response> {
    let given: Leaving = visitor.read(&posted)?;
    let network = Device::of(&visitor.headers).address.unwrap_or_default();
    throttle::PROVIDER.of(&network).count(time::now()).await?;
    let purpose = Purpose::SignIn {
        invitation: None,
        pass: shown(&given.pass)?,
    };
    let led = attempts::begin(&id, purpose, &visitor.headers).await?;
    let content = html! { p { a href=(led.location) { (visitor.say(Words::SignInThere)) } } };
    let page = visitor.leave(Words::SignIn, &led.location, &content)?;
    Ok((AppendHeaders([(header::SET_COOKIE, led.cookie)]), page).into_response())
}

/// A browser comes back from an issuer.
pub(super) async fn arrive(visitor: Visitor, uri: Uri) -> Result<Response> {
    let fields = Parameters::read(uri.query().unwrap_or_default().as_bytes());
    let brought = Brought {
        state: fields.get("state").unwrap_or_default(),
        code: fields.get("code").unwrap_or_default(),
        issuer: fields.get("iss"),
    };
    match sign_in::end(&brought, &visitor.headers, &visitor.device()).await {
        Ok(admitted) => enter(&visitor, admitted, ""),
        Err(error) => begin_anew(&visitor, &error, "").await,
    }
}
