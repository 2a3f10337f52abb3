//! What a component may do, held against what it might do before: more of it is the operator's to
//! allow.

use crate::{Admin, Error};
use http::StatusCode;
use sbd_manifest::{App, Route};
use sbd_runtime::Application;
use std::collections::BTreeSet;

impl Admin {
    /// How a component's declaration differs from the one that is served, in words.
    ///
    /// # Errors
    /// It may do more than before, and that is not `allowed`.
    pub(crate) fn differences(
        &self,
        next: &Application,
        id: &str,
        allowed: bool,
    ) -> Result<Vec<String>, Error> {
        let served = self.runtime.application();
        let (before, after) = (rights(served.app(), id), rights(next.app(), id));
        let changed = changed(served.app(), next.app(), id);
        let more: Vec<&String> = after.difference(&before).chain(&changed).collect();
        if !more.is_empty() && !allowed {
            let list: String = more.iter().map(|right| format!("\n  {right}")).collect();
            return Err(Error::new(
                StatusCode::CONFLICT,
                "GRANTS_WIDENED",
                format!(
                    "component `{id}` would be allowed more than now:{list}\nIf that is what you want, deploy it again with --grant."
                ),
            ));
        }
        let more = more.into_iter().map(|right| format!("may now: {right}"));
        let less = before.difference(&after);
        let less = less.map(|right| format!("no more: {right}"));
        let limits = limits(served.app(), next.app(), id);
        Ok(more.chain(less).chain(limits).collect())
    }
}

/// Everything that the manifest lets a component do, each in words.
fn rights(app: &App, id: &str) -> BTreeSet<String> {
    let mut rights = BTreeSet::new();
    let Some(component) = app.components.get(id) else {
        return rights;
    };
    for grant in &component.settings.grants {
        rights.insert(format!("use the capability {grant}"));
    }
    for publisher in &component.settings.listens_to {
        rights.insert(format!("hear the events of {publisher}"));
    }
    for host in component.allowed_outbound_hosts.texts() {
        rights.insert(format!("send requests to {host}"));
    }
    for store in &component.key_value_stores {
        rights.insert(format!("open the key-value store {store}"));
    }
    for database in &component.sqlite_databases {
        rights.insert(format!("open the SQLite database {database}"));
    }
    for template in component.variables.values() {
        for variable in template.variables() {
            rights.insert(format!("read the variable {variable}"));
        }
    }
    let own = app.triggers.iter();
    for trigger in own.filter(|trigger| trigger.component() == Some(id)) {
        if let Route::Public(route) = &trigger.route {
            rights.insert(format!("answer requests to {route}"));
        }
    }
    if component.settings.enabled {
        rights.insert("be on where nobody switched it off".to_owned());
    }
    if app.settings.auth.as_deref() == Some(id) {
        rights.insert("say who people are".to_owned());
    }
    rights
}

/// What a component had before, and now means more: hosts by the values of variables, and features
/// that hold back less.
fn changed(before: &App, after: &App, id: &str) -> Vec<String> {
    let (Some(before), Some(after)) = (before.components.get(id), after.components.get(id)) else {
        return Vec::new();
    };
    let hosts = &after.allowed_outbound_hosts;
    let hosts = hosts
        .other_meanings(&before.allowed_outbound_hosts)
        .map(|host| format!("send requests to {host}, where the variables mean another host now"));
    let features = before.settings.features.iter().flat_map(|(name, old)| {
        let new = after.settings.features.get(name);
        let starts = !old.default && new.is_some_and(|new| new.default);
        let starts =
            starts.then(|| format!("have the feature {name} on where nobody switched it off"));
        let is_held_back = move |route: &String| new.is_some_and(|new| new.routes.contains(route));
        let free = old.routes.iter().filter(move |route| !is_held_back(route));
        let free = free
            .map(move |route| format!("answer requests to {route} whether {name} is on or not"));
        starts.into_iter().chain(free)
    });
    hosts.chain(features).collect()
}

/// The limits that are others than before. They say what a component costs, not what it may do.
fn limits(before: &App, after: &App, id: &str) -> Vec<String> {
    let of = |app: &App| {
        let component = app.components.get(id)?;
        Some(component.settings.limits.entries())
    };
    let (Some(before), Some(after)) = (of(before), of(after)) else {
        return Vec::new();
    };
    let pairs = before.into_iter().zip(after);
    let changed = pairs.filter(|((_, old), (_, new))| old != new);
    changed
        .map(|((name, old), (_, new))| format!("limit {name}: {old} -> {new}"))
        .collect()
}
