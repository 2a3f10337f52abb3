//! Tenants come and go.

use crate::{Admin, Error};
use jiff::Timestamp;
use sbd_features::Switch;
use sbd_registry::{Actor, Entry, Filter, NewTenant, Tenant, TenantState};
use sbd_runtime::ArchivedTenant;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use utoipa::ToSchema;

/// What was left of a tenant, and is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeletedTenant {
    /// Its files, which are removed.
    pub removed: Vec<RemovedFile>,
    /// Their sizes together, in bytes.
    pub bytes: u64,
}

/// A file that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RemovedFile {
    /// Where it was.
    pub path: String,
    /// Its size.
    pub bytes: u64,
}

impl Admin {
    /// The tenants in the order of their names: so many, after so many others; and how many there are.
    pub fn tenants(&self, skip: usize, most: usize) -> (Vec<Arc<Tenant>>, usize) {
        let tenants = &self.registry.tenants;
        (tenants.list(skip, most), tenants.count())
    }

    /// A tenant.
    ///
    /// # Errors
    /// When there is none of this name; names the nearest.
    pub fn tenant(&self, name: &str) -> Result<Arc<Tenant>, Error> {
        Ok(self.registry.tenants.find(name)?)
    }

    /// Makes a tenant. Nothing of it is on disk before its first request.
    ///
    /// # Errors
    /// When its name or a host name is none, or taken.
    pub async fn create_tenant(&self, actor: &Actor, new: NewTenant) -> Result<Arc<Tenant>, Error> {
        let name = new.name.clone();
        let details = json!({"title": new.title, "hosts": new.hosts});
        let create = async { Ok(self.registry.tenants.create(new).await?) };
        self.act(actor, "tenant.create", &name, details, create)
            .await
    }

    /// Changes a tenant's title and host names.
    ///
    /// # Errors
    /// When there is none, or a host name is none, or taken.
    pub async fn describe_tenant(
        &self,
        actor: &Actor,
        name: &str,
        title: Option<String>,
        hosts: Option<Vec<String>>,
    ) -> Result<Arc<Tenant>, Error> {
        let details = json!({"title": title, "hosts": hosts});
        let describe = async { Ok(self.registry.tenants.describe(name, title, hosts).await?) };
        self.act(actor, "tenant.change", name, details, describe)
            .await
    }

    /// Suspends a tenant, or serves it again. Requests that run may finish.
    ///
    /// # Errors
    /// When there is none, or it is the default one.
    pub async fn set_tenant_active(
        &self,
        actor: &Actor,
        name: &str,
        active: bool,
    ) -> Result<Arc<Tenant>, Error> {
        let action = if active {
            "tenant.resume"
        } else {
            "tenant.suspend"
        };
        let set = async { Ok(self.registry.tenants.set_active(name, active).await?) };
        self.act(actor, action, name, Value::Null, set).await
    }

    /// Signs and encrypts with new keys for a tenant from now on. What was made with those before stays good, as long as
    /// it would have been.
    ///
    /// # Errors
    /// When there is no such tenant, or its keys cannot be made or kept.
    pub async fn rotate_keys(&self, actor: &Actor, name: &str) -> Result<Arc<Tenant>, Error> {
        let rotate = async {
            let tenant = self.registry.tenants.changeable(name)?;
            self.runtime.rotate_keys(tenant.name.shared()).await?;
            Ok(tenant)
        };
        self.act(actor, "tenant.rotate_keys", name, Value::Null, rotate)
            .await
    }

    /// All that a tenant has stored, as of one moment: a tar archive of JSON files, in a file without a
    /// name. Its keys stay here, and so do sessions.
    ///
    /// # Errors
    /// When there is no such tenant, it is being deleted, or the archive cannot be written.
    pub async fn export_tenant(&self, actor: &Actor, name: &str) -> Result<File, Error> {
        let export = async {
            let tenant = self.registry.tenants.changeable(name)?;
            let features = self.features(name)?.into_iter();
            let features = features.filter_map(|stands| {
                Some((stands.feature.name.to_string(), json!(stands.switch?)))
            });
            let about = json!({
                "name": tenant.name.to_string(),
                "title": tenant.title,
                "hosts": tenant.hosts,
                "created_at": tenant.created_at,
                "features": features.collect::<serde_json::Map<_, _>>(),
            });
            let exported = self.runtime.export_tenant(tenant.name.shared(), about);
            Ok(exported.await?)
        };
        self.act(actor, "tenant.export", name, Value::Null, export)
            .await
    }

    /// Makes a tenant of this name of what [`Admin::export_tenant`] has written, here or elsewhere: all of it
    /// or nothing. `with_hosts` has the host names lead to it that led to the one that was exported. Its keys
    /// are new, so no token that was given there is good here.
    ///
    /// # Errors
    /// When there is a tenant of this name, a host name is taken, the archive is none or does not fit here,
    /// or it cannot be stored.
    pub async fn import_tenant(
        &self,
        actor: &Actor,
        name: &str,
        archive: File,
        with_hosts: bool,
    ) -> Result<Arc<Tenant>, Error> {
        let import = async {
            let (archive, read) = blocking(move || {
                let read = ArchivedTenant::read(&archive);
                (archive, read)
            })
            .await?;
            let archived = read?;
            let switches = switches(archived.features)?;
            archived.created_at.parse::<Timestamp>().map_err(|error| {
                Error::invalid(format!("tenant.json: `created_at` is no time: {error}"))
            })?;
            let new = NewTenant {
                name: name.to_owned(),
                title: Some(archived.title),
                hosts: if with_hosts {
                    archived.hosts
                } else {
                    Vec::new()
                },
            };
            let _alone = self.deleting.lock().await;
            let tenants = &self.registry.tenants;
            let tenant = tenants.begin_import(new, archived.created_at).await?;
            let filled = self.fill(&tenant, archive, switches).await;
            if let Err(error) = filled {
                if let Err(left) = self.finish_deletion(&tenant).await {
                    tracing::error!(tenant = &*tenant.name, error = %left, "what is left of an import goes with the next start");
                }
                return Err(error);
            }
            Ok(tenants.finish_import(&tenant.name).await?)
        };
        self.act(actor, "tenant.import", name, Value::Null, import)
            .await
    }

    async fn fill(
        &self,
        tenant: &Tenant,
        archive: File,
        switches: Vec<(String, Switch)>,
    ) -> Result<(), Error> {
        self.runtime.import_tenant(&tenant.name, archive).await?;
        let application = self.runtime.application();
        for (feature, switch) in switches {
            let known = application.switches();
            known.set(&tenant.name, &feature, Some(switch)).await?;
        }
        Ok(())
    }

    /// Deletes a tenant and all that is its: from now on nobody is served, running requests finish,
    /// then its files go. Cut short, it is finished at the next start.
    ///
    /// # Errors
    /// When there is none, it is the default one, a request does not finish, or a file stays.
    pub async fn delete_tenant(&self, actor: &Actor, name: &str) -> Result<DeletedTenant, Error> {
        let delete = async {
            let _alone = self.deleting.lock().await;
            let tenant = self.registry.tenants.begin_deletion(name).await?;
            self.finish_deletion(&tenant).await
        };
        self.act(actor, "tenant.delete", name, Value::Null, delete)
            .await
    }

    async fn finish_deletion(&self, tenant: &Tenant) -> Result<DeletedTenant, Error> {
        self.runtime.close_tenant(&tenant.name).await?;
        let removed = self.runtime.remove_tenant(&tenant.name).await?;
        let switches = self.runtime.application();
        switches.switches().forget(&tenant.name).await?;
        self.registry.due.forget(&tenant.name).await?;
        self.registry.plans.forget(&tenant.name).await?;
        self.registry.tenants.forget(&tenant.name).await?;
        let files = removed.iter().map(|(path, bytes)| RemovedFile {
            path: path.display().to_string(),
            bytes: *bytes,
        });
        Ok(DeletedTenant {
            removed: files.collect(),
            bytes: removed.iter().map(|(_, bytes)| bytes).sum(),
        })
    }

    /// Finishes the deletions that an earlier run of the host did not. To be called at start. One that
    /// still cannot be finished is told in the log and keeps nobody else from being served.
    pub async fn finish_deletions(&self) {
        let tenants = &self.registry.tenants;
        for tenant in tenants.list(0, usize::MAX) {
            if tenant.state != TenantState::Deleting {
                continue;
            }
            let tenant_name = &*tenant.name;
            match self.finish_deletion(&tenant).await {
                Ok(_) => tracing::info!(tenant = tenant_name, "a deletion was finished"),
                Err(error) => tracing::error!(
                    tenant = tenant_name,
                    %error,
                    "a deletion cannot be finished; mend the cause, then: sbd tenant delete {tenant_name} --yes"
                ),
            }
        }
    }

    /// The account of changes, newest first: all, or those of one action or target.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn account(&self, filter: Filter, skip: u32, most: u32) -> Result<Vec<Entry>, Error> {
        Ok(self.registry.audit.list(filter, skip, most).await?)
    }

    /// The first entry of the account that does not follow from those before it, if there is one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn verify_account(&self) -> Result<Option<String>, Error> {
        let broken = self.registry.audit.verify().await?;
        Ok(broken.map(|broken| broken.id))
    }
}

/// What was decided about features, as an archive has it.
fn switches(archived: BTreeMap<String, Value>) -> Result<Vec<(String, Switch)>, Error> {
    let read = archived.into_iter().map(|(feature, switch)| {
        let switch: Switch = serde_json::from_value(switch).map_err(|error| {
            let feature: String = feature.chars().take(100).collect();
            Error::invalid(format!("tenant.json: the feature `{feature}`: {error}"))
        })?;
        switch.check()?;
        Ok((feature, switch))
    });
    read.collect()
}

async fn blocking<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(job).await;
    done.map_err(|error| Error::unavailable(error.to_string()))
}
