//! What is switched on, tenant by tenant.

use crate::{Admin, Error};
use http::StatusCode;
use sbd_features::{Feature, State, Switch};
use sbd_registry::{Actor, Tenant};
use serde_json::json;
use std::sync::Arc;

/// A feature as it stands in a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantFeature {
    /// What the application declares.
    pub feature: Feature,
    /// What was decided for the tenant; `None`: nothing, so the manifest's default holds.
    pub switch: Option<Switch>,
    /// For whom it is on, with that and its component's state taken together.
    pub state: State,
}

impl Admin {
    /// The application's features as they stand in a tenant, in the order of their names.
    ///
    /// # Errors
    /// When there is no such tenant.
    pub fn features(&self, tenant: &str) -> Result<Vec<TenantFeature>, Error> {
        let tenant = self.registry.tenants.find(tenant)?;
        let application = self.runtime.application();
        let features = application.features().features();
        let features = features.map(|feature| self.stands(&tenant, feature.clone()));
        Ok(features.collect())
    }

    /// Decides about a feature in a tenant; `None`: leaves it to the manifest. Requests that run
    /// finish; the next one finds it as decided.
    ///
    /// # Errors
    /// When there is no such tenant or feature (names the nearest), when the switch is none, or when
    /// nobody could sign in any more.
    pub async fn set_feature(
        &self,
        actor: &Actor,
        tenant: &str,
        feature: &str,
        switch: Option<Switch>,
    ) -> Result<TenantFeature, Error> {
        let target = format!("{tenant}/{feature}");
        let details = json!({"switch": switch});
        let set = async {
            let tenant = self.registry.tenants.changeable(tenant)?;
            let application = self.runtime.application();
            let feature = application.features().find(feature)?.clone();
            let auth = application.app().settings.auth.as_deref();
            let stays = matches!(switch, None | Some(Switch::On));
            if auth == Some(&*feature.name) && !stays {
                return Err(Error::conflict(format!(
                    "`{}` recognises who asks; without it nobody could sign in. To serve nobody: sbd tenant suspend {}",
                    feature.name, tenant.name
                )));
            }
            let switches = application.switches();
            switches.set(&tenant.name, &feature.name, switch).await?;
            Ok(self.stands(&tenant, feature))
        };
        self.act(actor, "feature.set", &target, details, set).await
    }

    fn stands(&self, tenant: &Arc<Tenant>, feature: Feature) -> TenantFeature {
        let application = self.runtime.application();
        let switches = application.switches();
        let features = application.features();
        TenantFeature {
            switch: switches.get(&tenant.name, &feature.name),
            state: features.state(switches, &tenant.name, &feature.name),
            feature,
        }
    }
}

impl From<sbd_features::Error> for Error {
    fn from(error: sbd_features::Error) -> Self {
        let message = error.to_string();
        match error {
            sbd_features::Error::Unknown { .. } => {
                Self::new(StatusCode::NOT_FOUND, "UNKNOWN_FEATURE", message)
            }
            sbd_features::Error::Invalid(_) => Self::invalid(message),
            _ => Self::unavailable(message),
        }
    }
}
