//! `/tenants/{name}/features`

use super::answers::{Body, By, Failure};
use crate::{Admin, TenantFeature};
use axum::Json;
use axum::extract::{Path, State};
use sbd_features::{State as Stands, Switch};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// A feature as it stands in a tenant.
#[derive(Serialize, ToSchema)]
pub(crate) struct FeatureBody {
    /// `component`, or `component.feature`.
    name: String,
    description: String,
    /// Whether it is on where nothing was decided.
    default: bool,
    /// For whom it is on: `on`, `off` or `depends`.
    state: &'static str,
    /// What was decided for the tenant; `null`: nothing.
    switch: Option<SwitchBody>,
}

/// What is decided about a feature.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(tag = "state", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum SwitchBody {
    /// On, for everybody.
    On {},
    /// Off, for everybody.
    Off {},
    /// On for some: for those named, and for a part of all others.
    Rollout {
        /// So many in a hundred users, always the same ones; 0 to 100.
        #[serde(default)]
        percentage: u8,
        /// User ids that are among them in any case; up to 1000.
        #[serde(default)]
        users: BTreeSet<String>,
    },
}

impl From<SwitchBody> for Switch {
    fn from(body: SwitchBody) -> Self {
        match body {
            SwitchBody::On {} => Self::On,
            SwitchBody::Off {} => Self::Off,
            SwitchBody::Rollout { percentage, users } => Self::Rollout { percentage, users },
        }
    }
}

impl From<Switch> for SwitchBody {
    fn from(switch: Switch) -> Self {
        match switch {
            Switch::On => Self::On {},
            Switch::Off => Self::Off {},
            Switch::Rollout { percentage, users } => Self::Rollout { percentage, users },
        }
    }
}

impl From<TenantFeature> for FeatureBody {
    fn from(stands: TenantFeature) -> Self {
        Self {
            name: stands.feature.name.to_string(),
            description: stands.feature.description,
            default: stands.feature.default,
            state: match stands.state {
                Stands::On => "on",
                Stands::Off => "off",
                Stands::Depends => "depends",
            },
            switch: stands.switch.map(SwitchBody::from),
        }
    }
}

/// Lists the features as they stand in a tenant.
#[utoipa::path(get, path = "/tenants/{name}/features", responses((status = 200, body = Vec<FeatureBody>)))]
pub(crate) async fn list(
    State(admin): State<Admin>,
    Path(name): Path<String>,
) -> Result<Json<Vec<FeatureBody>>, Failure> {
    let features = admin.features(&name)?.into_iter();
    Ok(Json(features.map(FeatureBody::from).collect()))
}

/// Switches a feature in a tenant.
#[utoipa::path(put, path = "/tenants/{name}/features/{feature}", request_body = SwitchBody, responses((status = 200, body = FeatureBody)))]
pub(crate) async fn set(
    State(admin): State<Admin>,
    By(actor): By,
    Path((name, feature)): Path<(String, String)>,
    Body(switch): Body<SwitchBody>,
) -> Result<Json<FeatureBody>, Failure> {
    let set = admin.set_feature(&actor, &name, &feature, Some(switch.into()));
    Ok(Json(set.await?.into()))
}

/// Leaves a feature to the manifest's default again.
#[utoipa::path(delete, path = "/tenants/{name}/features/{feature}", responses((status = 200, body = FeatureBody)))]
pub(crate) async fn reset(
    State(admin): State<Admin>,
    By(actor): By,
    Path((name, feature)): Path<(String, String)>,
) -> Result<Json<FeatureBody>, Failure> {
    let reset = admin.set_feature(&actor, &name, &feature, None);
    Ok(Json(reset.await?.into()))
}
