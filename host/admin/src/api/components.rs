//! `/components`, `/reload`

use super::answers::{Body, By, Failure};
use crate::{Admin, Deployment, Error, LARGEST_COMPONENT, ServedComponent};
use axum::Json;
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{Path, State};
use http::StatusCode;
use sbd_registry::{Version, VersionState};
use sbd_runtime::Canary;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Largest manifest, and largest of the other fields.
const LARGEST_TEXT: usize = 1 << 20;

/// A deployed version of a component.
#[derive(Serialize, ToSchema)]
pub(crate) struct VersionBody {
    component: String,
    /// 1, 2, 3 and so on.
    number: u32,
    /// `added`, `active`, `superseded` or `rolled-back`.
    #[schema(value_type = String)]
    state: VersionState,
    /// SHA-256 of its file.
    sha256: String,
    bytes: u64,
    deployed_at: String,
    deployed_by: String,
    note: String,
}

/// A component to deploy, as `multipart/form-data`.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "describes the form; its fields are read one by one"
)]
pub(crate) struct DeploymentForm {
    /// The component's file.
    #[schema(format = Binary, content_media_type = "application/wasm")]
    wasm: String,
    /// A `spin.toml` that declares it. Without it the component keeps its present declaration.
    manifest: Option<String>,
    /// What there is to say about it.
    note: Option<String>,
    /// `true`: it may have more than the version that is served.
    grant: Option<bool>,
    /// Look at so many of its first requests,
    gate_requests: Option<u32>,
    /// and roll back if more than so many in a hundred of them fail.
    gate_percent: Option<u8>,
}

/// A component that was deployed.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeployedBody {
    #[serde(flatten)]
    version: VersionBody,
    /// How its declaration differs from the one before, in words.
    differences: Vec<String>,
    /// Milliseconds from the last check to the switch.
    switched_in_ms: f64,
}

/// Which version to serve.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RollbackBody {
    /// Its number; the one before the active one when left out.
    #[serde(default)]
    to: Option<u32>,
}

/// What is served now.
#[derive(Serialize, ToSchema)]
pub(crate) struct RolledBack {
    component: String,
    /// The version; `null`: what the application brings along.
    version: Option<u32>,
}

/// How the application changed.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChangesBody {
    added: Vec<String>,
    changed: Vec<String>,
    removed: Vec<String>,
}

impl From<Version> for VersionBody {
    fn from(version: Version) -> Self {
        Self {
            component: version.component,
            number: version.number,
            state: version.state,
            sha256: version.sha256,
            bytes: version.bytes,
            deployed_at: version.deployed_at,
            deployed_by: version.deployed_by,
            note: version.note,
        }
    }
}

/// Lists the components that are served.
#[utoipa::path(get, path = "/components", responses((status = 200, body = Vec<ServedComponent>)))]
pub(crate) async fn list(
    State(admin): State<Admin>,
) -> Result<Json<Vec<ServedComponent>>, Failure> {
    Ok(Json(admin.components().await?))
}

/// Lists the deployed versions of a component, the newest first.
#[utoipa::path(get, path = "/components/{name}/versions", responses((status = 200, body = Vec<VersionBody>)))]
pub(crate) async fn versions(
    State(admin): State<Admin>,
    Path(name): Path<String>,
) -> Result<Json<Vec<VersionBody>>, Failure> {
    let versions = admin.versions(&name).await?.into_iter();
    Ok(Json(versions.map(VersionBody::from).collect()))
}

/// Deploys a component and serves it from then on.
#[utoipa::path(
    post,
    path = "/components/{name}/versions",
    request_body(content = DeploymentForm, content_type = "multipart/form-data"),
    responses((status = 201, body = DeployedBody))
)]
pub(crate) async fn deploy(
    State(admin): State<Admin>,
    By(actor): By,
    Path(name): Path<String>,
    form: Result<Multipart, axum::extract::multipart::MultipartRejection>,
) -> Result<(StatusCode, Json<DeployedBody>), Failure> {
    let form = form.map_err(|error| malformed(&error.body_text()))?;
    let deployment = read(name, form).await?;
    let deployed = admin.deploy(&actor, deployment).await?;
    let body = DeployedBody {
        version: deployed.version.into(),
        differences: deployed.differences,
        switched_in_ms: deployed.switched_in.as_secs_f64() * 1e3,
    };
    Ok((StatusCode::CREATED, Json(body)))
}

/// Serves an earlier version of a component again.
#[utoipa::path(post, path = "/components/{name}/rollback", request_body = RollbackBody, responses((status = 200, body = RolledBack)))]
pub(crate) async fn roll_back(
    State(admin): State<Admin>,
    By(actor): By,
    Path(name): Path<String>,
    Body(body): Body<RollbackBody>,
) -> Result<Json<RolledBack>, Failure> {
    let version = admin.roll_back(&actor, &name, body.to).await?;
    Ok(Json(RolledBack {
        component: name,
        version: version.map(|version| version.number),
    }))
}

/// Serves what the application brings along in place of what was deployed.
#[utoipa::path(post, path = "/components/{name}/withdraw", responses((status = 204)))]
pub(crate) async fn withdraw(
    State(admin): State<Admin>,
    By(actor): By,
    Path(name): Path<String>,
) -> Result<StatusCode, Failure> {
    admin.withdraw(&actor, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reads the application's manifest and files again and serves what they say now.
#[utoipa::path(post, path = "/reload", responses((status = 200, body = ChangesBody)))]
pub(crate) async fn reload(
    State(admin): State<Admin>,
    By(actor): By,
) -> Result<Json<ChangesBody>, Failure> {
    let changes = admin.reload(&actor).await?;
    Ok(Json(ChangesBody {
        added: changes.added,
        changed: changes.changed,
        removed: changes.removed,
    }))
}

async fn read(component: String, mut form: Multipart) -> Result<Deployment, Failure> {
    let mut wasm = None;
    let mut deployment = Deployment {
        component,
        wasm: Vec::new(),
        manifest: None,
        note: String::new(),
        grant: false,
        gate: None,
    };
    let (mut requests, mut percent) = (None, None);
    while let Some(field) = form.next_field().await.map_err(|error| broken(&error))? {
        let name = field.name().unwrap_or_default().to_owned();
        match name.as_str() {
            "wasm" => wasm = Some(bytes(field, LARGEST_COMPONENT).await?),
            "manifest" => deployment.manifest = Some(text(field).await?),
            "note" => deployment.note = text(field).await?,
            "grant" => deployment.grant = parsed(field).await?,
            "gate_requests" => requests = Some(parsed(field).await?),
            "gate_percent" => percent = Some(parsed(field).await?),
            other => {
                return Err(Error::invalid(format!(
                    "the form has no field `{other}`; it has wasm, manifest, note, grant, gate_requests and gate_percent"
                ))
                .into());
            }
        }
    }
    deployment.wasm = wasm.ok_or_else(|| {
        Error::invalid("the field `wasm` is missing; put the component's file there")
    })?;
    deployment.gate = gate(requests, percent)?;
    Ok(deployment)
}

fn gate(requests: Option<u32>, percent: Option<u8>) -> Result<Option<Canary>, Failure> {
    match (requests, percent) {
        (None, None) => Ok(None),
        (Some(requests), percent) if requests > 0 && percent.is_none_or(|percent| percent < 100) => {
            Ok(Some(Canary {
                requests,
                percent: percent.unwrap_or(0),
            }))
        }
        _ => Err(Error::invalid(
            "a gate looks at 1 or more requests (gate_requests), of which 0 to 99 in a hundred may fail (gate_percent)",
        )
        .into()),
    }
}

async fn parsed<T: std::str::FromStr>(field: Field<'_>) -> Result<T, Failure> {
    let name = field.name().unwrap_or_default().to_owned();
    let text = text(field).await?;
    text.trim().parse().map_err(|_| {
        let text: String = text.chars().take(100).collect();
        Error::invalid(format!("`{text}` is no value for `{name}`")).into()
    })
}

async fn text(field: Field<'_>) -> Result<String, Failure> {
    let name = field.name().unwrap_or_default().to_owned();
    let bytes = bytes(field, LARGEST_TEXT).await?;
    String::from_utf8(bytes)
        .map_err(|_| Error::invalid(format!("`{name}` is not UTF-8 text")).into())
}

async fn bytes(mut field: Field<'_>, most: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|error| broken(&error))? {
        if bytes.len() + chunk.len() > most {
            let name = field.name().unwrap_or_default();
            return Err(Failure(Error::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "BODY_TOO_LARGE",
                format!("`{name}` is larger than {most} bytes"),
            )));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn broken(error: &MultipartError) -> Failure {
    malformed(&error.body_text())
}

fn malformed(reason: &str) -> Failure {
    Failure(Error::new(
        StatusCode::BAD_REQUEST,
        "MALFORMED_REQUEST",
        format!("the body is not the form that is expected: {reason}"),
    ))
}
