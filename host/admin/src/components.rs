//! Components come, change and go while the host serves.
//!
//! A change is stored, made ready, tried, written down, switched: it is written down in one step, and
//! before anything is served by it. Whatever fails before leaves things as they are; a crash after
//! it is a start with the new version.

use crate::{Admin, Error};
use http::StatusCode;
use sbd_registry::{Actor, DEFAULT_TENANT, NewVersion, Version, VersionState};
use sbd_runtime::{Application, Canary, CanaryOutcome, Changes};
use serde::Serialize;
use serde_json::json;
use std::time::{Duration, Instant};
use utoipa::ToSchema;

/// Largest file of a component, in bytes. Ours have two to three million.
pub const LARGEST_COMPONENT: usize = 128 << 20;

/// What the account calls it.
const ROLLBACK: &str = "component.rollback";

/// A component to be deployed.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// Its name in the manifest.
    pub component: String,
    /// Its file.
    pub wasm: Vec<u8>,
    /// A manifest that declares it. Without one it keeps its present declaration.
    pub manifest: Option<String>,
    /// What there is to say about it; may be empty.
    pub note: String,
    /// Whether it may have more than the version that is served.
    pub grant: bool,
    /// Rolls back by itself if too many of the first requests fail.
    pub gate: Option<Canary>,
}

/// A component that was deployed.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// The new version.
    pub version: Version,
    /// How its declaration differs from the one before, in words.
    pub differences: Vec<String>,
    /// How long it took from the last check to the switch.
    pub switched_in: Duration,
}

/// A component of the application that is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ServedComponent {
    /// Its name.
    pub name: String,
    /// The deployed version; `null`: the one that the application brings along.
    pub version: Option<u32>,
    /// SHA-256 of its file.
    pub sha256: String,
    /// What it is granted.
    pub grants: Vec<String>,
}

impl Admin {
    /// The components that are served, in the order of their names.
    ///
    /// # Errors
    /// When the registry cannot be read.
    pub async fn components(&self) -> Result<Vec<ServedComponent>, Error> {
        let active = self.active().await?;
        let application = self.runtime.application();
        let components = application.app().components.values().map(|component| {
            let name = component.id.to_string();
            let version = active.iter().find(|version| version.component == name);
            ServedComponent {
                version: version.map(|version| version.number),
                sha256: application.sha256(&name).unwrap_or_default().to_owned(),
                grants: component
                    .settings
                    .grants
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
                name,
            }
        });
        Ok(components.collect())
    }

    /// The deployed versions of a component, the newest first.
    ///
    /// # Errors
    /// When there is no such component, served or deployed.
    pub async fn versions(&self, component: &str) -> Result<Vec<Version>, Error> {
        let versions = self.registry.versions.versions(component).await?;
        if versions.is_empty() {
            self.known(component)?;
        }
        Ok(versions)
    }

    /// Deploys a component: stores it, makes it ready, tries it, and serves it from then on.
    ///
    /// # Errors
    /// It cannot run here, is not well, does not fit the data, or would have more than it has now
    /// without being allowed to. What was served still is.
    pub async fn deploy(&self, actor: &Actor, deployment: Deployment) -> Result<Deployed, Error> {
        let details = json!({
            "bytes": deployment.wasm.len(),
            "note": deployment.note,
            "grant": deployment.grant,
        });
        let component = deployment.component.clone();
        let deploy = async {
            let deployed = self.deploy_now(actor.clone(), deployment).await;
            if deployed.is_err()
                && let Err(error) = self.registry.versions.sweep().await
            {
                tracing::warn!(%error, "the file of a refused component stays until the next start");
            }
            deployed
        };
        self.act(actor, "component.deploy", &component, details, deploy)
            .await
    }

    /// Serves another version of a component: that of this number, else the one before; where there
    /// is none, what the application brings along.
    ///
    /// # Errors
    /// There is no such version, or it does not run any more.
    pub async fn roll_back(
        &self,
        actor: &Actor,
        component: &str,
        number: Option<u32>,
    ) -> Result<Option<Version>, Error> {
        let details = json!({"to": number});
        let roll_back = async {
            let _alone = self.alone()?;
            self.go_back(component, number).await
        };
        self.act(actor, ROLLBACK, component, details, roll_back)
            .await
    }

    /// Serves what the application brings along in place of what was deployed; a component that it
    /// does not bring along is not served any more.
    ///
    /// # Errors
    /// Nothing of this name was deployed.
    pub async fn withdraw(&self, actor: &Actor, component: &str) -> Result<(), Error> {
        let withdraw = async {
            let _alone = self.alone()?;
            self.active_version(component).await?;
            self.put_back(component, None).await.map(drop)
        };
        self.act(actor, "component.withdraw", component, json!({}), withdraw)
            .await
    }

    /// Reads the application's manifest and files again and serves what they say now.
    ///
    /// # Errors
    /// What is wrong with them. What was served still is.
    pub async fn reload(&self, actor: &Actor) -> Result<Changes, Error> {
        let reload = async {
            let _alone = self.alone()?;
            let active = self.active().await?;
            let next = self.load(&active).await?;
            let changes = next.changes_since(&self.runtime.application());
            self.try_out(&next).await?;
            self.switch(&next, async { Ok(()) }).await?;
            Ok(changes)
        };
        self.act(actor, "reload", "application", json!({}), reload)
            .await
    }

    async fn deploy_now(&self, by: Actor, deployment: Deployment) -> Result<Deployed, Error> {
        let _alone = self.alone()?;
        if self.stage.is_safe() {
            return Err(Error::conflict(
                "this server runs in safe mode, without anything that was deployed; start it without --safe and deploy again",
            ));
        }
        let Deployment {
            component: id,
            wasm,
            manifest,
            note,
            grant,
            gate,
        } = deployment;
        if gate.is_some() && !self.stage.is_serving() {
            return Err(Error::conflict(
                "nothing is served here, so a gate has no requests to look at; start the server and deploy again, or deploy without --gate",
            ));
        }
        let mut active = self.active().await?;
        let served = active.iter().position(|version| version.component == id);
        let manifest = match (manifest, served) {
            (Some(manifest), _) => manifest,
            (None, Some(served)) => active[served].manifest.clone(),
            (None, None) => {
                self.known(&id)?;
                String::new()
            }
        };
        let stored = self.registry.versions.store(wasm).await?;
        let candidate = Version {
            component: id.clone(),
            number: 0,
            sha256: stored.sha256().to_owned(),
            bytes: stored.bytes(),
            manifest: manifest.clone(),
            deployed_at: String::new(),
            deployed_by: String::new(),
            note: note.clone(),
            state: VersionState::Added,
        };
        active.retain(|version| version.component != id);
        active.push(candidate);
        let next = self.load(&active).await?;
        let differences = self.differences(&next, &id, grant)?;
        let verdict = match gate {
            None => None,
            Some(gate) => Some(next.watch(&id, gate).ok_or_else(|| {
                Error::conflict(format!(
                    "component `{id}` is served from this very file already, and its first requests were looked at; deploy it without --gate, or another file"
                ))
            })?),
        };
        self.try_out(&next).await?;
        let new = NewVersion {
            component: id,
            wasm: stored,
            manifest,
            by,
            note,
        };
        let begun = Instant::now();
        let versions = &self.registry.versions;
        let write_down = async {
            let added = versions.add_version(new).await?;
            Ok(versions.activate(&added.component, added.number).await?)
        };
        let version = self.switch(&next, write_down).await?;
        let switched_in = begun.elapsed();
        if let Some(verdict) = verdict {
            tokio::spawn(self.clone().guard(version.clone(), verdict));
        }
        Ok(Deployed {
            version,
            differences,
            switched_in,
        })
    }

    /// Rolls back when a version has not passed its gate.
    async fn guard(self, version: Version, verdict: impl Future<Output = Option<CanaryOutcome>>) {
        let Some(verdict) = verdict.await else { return };
        let Version {
            component, number, ..
        } = &version;
        let CanaryOutcome {
            requests, failed, ..
        } = verdict;
        if verdict.passed {
            tracing::info!(
                component,
                version = number,
                requests,
                failed,
                "passed its gate"
            );
            return;
        }
        tracing::error!(
            component,
            version = number,
            requests,
            failed,
            "did not pass its gate; rolling back"
        );
        // Somebody may be about to deploy the next one already, or have done so.
        let _alone = self.changing.clone().lock_owned().await;
        if !self.is_active(&version).await {
            return;
        }
        let details = json!({"from": number});
        let roll_back = self.go_back(component, None);
        let done = self.act(&Actor::Host, ROLLBACK, component, details, roll_back);
        if let Err(error) = done.await {
            tracing::error!(component, %error, "could not be rolled back");
        }
    }

    async fn is_active(&self, version: &Version) -> bool {
        let active = self.active_version(&version.component).await;
        active.is_ok_and(|active| active.number == version.number)
    }

    async fn go_back(&self, id: &str, number: Option<u32>) -> Result<Option<Version>, Error> {
        let target = self.rollback_target(id, number).await?;
        self.put_back(id, target).await
    }

    async fn rollback_target(
        &self,
        id: &str,
        number: Option<u32>,
    ) -> Result<Option<Version>, Error> {
        let versions = &self.registry.versions;
        if let Some(number) = number {
            return Ok(Some(versions.version(id, number).await?));
        }
        let active = self.active_version(id).await?;
        let known = versions.versions(id).await?;
        let before = known.into_iter().find(|version| {
            version.number < active.number && version.state == VersionState::Superseded
        });
        Ok(before)
    }

    /// Serves this version of a component, or none.
    async fn put_back(&self, id: &str, version: Option<Version>) -> Result<Option<Version>, Error> {
        let versions = &self.registry.versions;
        let write_down = async {
            match &version {
                Some(version) => versions.activate(id, version.number).await.map(Some),
                None => versions.withdraw(id).await.map(|_| None),
            }
        };
        if self.stage.is_safe() {
            // It is not served now, and will be after the next start.
            return Ok(write_down.await?);
        }
        let mut active = self.active().await?;
        active.retain(|version| version.component != id);
        active.extend(version.clone());
        let next = self.load(&active).await?;
        self.try_out(&next).await?;
        self.switch(&next, async { Ok(write_down.await?) }).await
    }

    async fn load(&self, versions: &[Version]) -> Result<Application, Error> {
        // In the order in which the next start takes them: what is tried is what it will find.
        let mut versions = versions.to_vec();
        versions.sort_by(|one, other| one.component.cmp(&other.component));
        let definition = self.stage.read(&versions).map_err(Error::unusable)?;
        let loaded = self.runtime.load(definition).await;
        loaded.map_err(|error| Error::unusable(error.to_string()))
    }

    async fn try_out(&self, next: &Application) -> Result<(), Error> {
        let tried = self.runtime.probe(next, &DEFAULT_TENANT.into()).await;
        tried.map_err(|error| Error::unusable(error.to_string()))
    }

    /// Writes down what is served from now on, and serves it.
    async fn switch<T>(
        &self,
        next: &Application,
        write_down: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let prepared = async {
            let commit = self.stage.prepare(next).map_err(Error::unusable)?;
            Ok((commit, write_down.await?))
        };
        match prepared.await {
            Ok((commit, written)) => {
                self.runtime.switch(next);
                commit();
                Ok(written)
            }
            Err(error) => {
                self.runtime.give_up();
                Err(error)
            }
        }
    }

    /// The right to change the application; one has it at a time.
    fn alone(&self) -> Result<tokio::sync::OwnedMutexGuard<()>, Error> {
        let guard = self.changing.clone().try_lock_owned();
        guard.map_err(|_| {
            Error::conflict(
                "another deployment, rollback or reload is under way; wait for it and try again",
            )
        })
    }

    async fn active(&self) -> Result<Vec<Version>, Error> {
        Ok(self.registry.versions.active().await?)
    }

    async fn active_version(&self, id: &str) -> Result<Version, Error> {
        let active = self.active().await?.into_iter();
        let mut own = active.filter(|version| version.component == id);
        match own.next() {
            Some(version) => Ok(version),
            None => {
                self.known(id)?;
                Err(Error::conflict(format!(
                    "component `{id}` is served as the application brings it along; nothing was deployed in its place"
                )))
            }
        }
    }

    /// Refuses names that no component has.
    fn known(&self, id: &str) -> Result<(), Error> {
        let application = self.runtime.application();
        let components = &application.app().components;
        if components.contains_key(id) {
            return Ok(());
        }
        let known: Vec<String> = components.keys().map(ToString::to_string).collect();
        Err(Error::new(
            StatusCode::NOT_FOUND,
            "UNKNOWN_COMPONENT",
            format!(
                "there is no component `{id}`; there are {}. A new one is deployed with its manifest: sbd component deploy {id} FOLDER",
                known.join(", ")
            ),
        ))
    }
}
