//! `/operators`

use super::answers::{Body, By, Failure};
use crate::{Admin, Error};
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use jiff::Timestamp;
use sbd_registry::Operator;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Somebody who may use this API.
#[derive(Serialize, ToSchema)]
pub(crate) struct OperatorBody {
    name: String,
    created_at: String,
    /// From when on the token is refused; `null`: it does not end by itself.
    expires_at: Option<String>,
    /// To the minute or so; `null`: never.
    last_used: Option<String>,
}

/// A new operator.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewOperatorBody {
    /// 1 to 63 of a-z, 0-9 and -.
    name: String,
    /// From when on the token is refused, RFC 3339; never when left out.
    #[serde(default)]
    expires_at: Option<String>,
}

/// An operator that was made.
#[derive(Serialize, ToSchema)]
pub(crate) struct MadeOperator {
    #[serde(flatten)]
    operator: OperatorBody,
    /// The token. It is shown this once.
    token: String,
}

impl From<Operator> for OperatorBody {
    fn from(operator: Operator) -> Self {
        Self {
            name: operator.name,
            created_at: operator.created_at,
            expires_at: operator.expires_at,
            last_used: operator.last_used,
        }
    }
}

/// Lists the operators in the order of their names.
#[utoipa::path(get, path = "/operators", responses((status = 200, body = Vec<OperatorBody>)))]
pub(crate) async fn list(State(admin): State<Admin>) -> Result<Json<Vec<OperatorBody>>, Failure> {
    let operators = admin.operators().await?.into_iter();
    Ok(Json(operators.map(OperatorBody::from).collect()))
}

/// Makes an operator, who may use this API with the token that is answered.
#[utoipa::path(post, path = "/operators", request_body = NewOperatorBody, responses((status = 201, body = MadeOperator)))]
pub(crate) async fn create(
    State(admin): State<Admin>,
    By(actor): By,
    Body(new): Body<NewOperatorBody>,
) -> Result<(StatusCode, Json<MadeOperator>), Failure> {
    let end = new.expires_at.map(|text| {
        text.parse::<Timestamp>().map_err(|_| {
            let text: String = text.chars().take(100).collect();
            Error::invalid(format!(
                "`{text}` is no time; write it like 2027-01-31T00:00:00Z"
            ))
        })
    });
    let (operator, token) = admin
        .create_operator(&actor, &new.name, end.transpose()?)
        .await?;
    let made = MadeOperator {
        operator: operator.into(),
        token: token.reveal().to_owned(),
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Refuses an operator's token from now on.
#[utoipa::path(delete, path = "/operators/{name}", responses((status = 204)))]
pub(crate) async fn revoke(
    State(admin): State<Admin>,
    By(actor): By,
    Path(name): Path<String>,
) -> Result<StatusCode, Failure> {
    admin.revoke_operator(&actor, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
