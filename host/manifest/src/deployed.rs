//! A component of another manifest in an application: how one comes in that was deployed by itself.

use crate::error::ManifestError;
use crate::{App, ComponentId, HttpTrigger, Route, route};
use std::path::PathBuf;

impl App {
    /// Takes a component's routes from it.
    pub fn release_routes(&mut self, id: &str) {
        self.triggers
            .retain(|trigger| trigger.component() != Some(id));
    }

    /// Takes a component from another application, with its routes, in place of the one of its name if
    /// there is one. Variables that its values are made of come along unless they are known here.
    ///
    /// # Errors
    /// The other application has no such component; one of its routes belongs to another component.
    pub fn adopt(&mut self, other: &Self, id: &str, source: PathBuf) -> Result<(), ManifestError> {
        let Some((id, component)) = other.components.get_key_value(id) else {
            let there: Vec<&str> = other.components.keys().map(ComponentId::as_str).collect();
            return Err(ManifestError::plain(format!(
                "the manifest has no component `{id}`, but {}; deploy it under its own name",
                there.join(", ")
            )));
        };
        let is_own = |trigger: &&HttpTrigger| trigger.component() == Some(id.as_str());
        let place = self.triggers.iter().position(|trigger| is_own(&trigger));
        let place = place.unwrap_or(self.triggers.len());
        let routes: Vec<HttpTrigger> = other.triggers.iter().filter(is_own).cloned().collect();
        for trigger in &routes {
            let others = self.triggers.iter().filter(|other| !is_own(other));
            check_free(trigger, others, id)?;
        }
        if !component.files.is_empty() {
            return Err(ManifestError::plain(format!(
                "component `{id}` has `files`, which no deployment carries along; build them into the component, or serve the application with --app"
            )));
        }
        self.release_routes(id.as_str());
        self.triggers.splice(place..place, routes);
        let mut component = component.clone();
        component.source = source;
        for (name, variable) in &other.variables {
            let known = self.variables.entry(name.clone());
            known.or_insert_with(|| variable.clone());
        }
        self.components.insert(id.clone(), component);
        Ok(())
    }
}

fn check_free<'a>(
    trigger: &HttpTrigger,
    mut others: impl Iterator<Item = &'a HttpTrigger>,
    id: &ComponentId,
) -> Result<(), ManifestError> {
    let Route::Public(text) = &trigger.route else {
        return Ok(());
    };
    let taken = others
        .find(|other| matches!(&other.route, Route::Public(theirs) if route::same(theirs, text)));
    match taken {
        None => Ok(()),
        Some(other) => {
            let owner = other.component().unwrap_or("a static response");
            Err(ManifestError::plain(format!(
                "component `{id}`: route `{text}` belongs to {owner} already; change one of them"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::LoadOptions;
    use std::path::Path;

    fn app(components: &[(&str, &[&str])]) -> App {
        let mut text = String::from("spin_manifest_version = 2\n[application]\nname = \"a\"\n");
        for (id, routes) in components {
            for route in *routes {
                text += &format!("[[trigger.http]]\nroute = \"{route}\"\ncomponent = \"{id}\"\n");
            }
            text += &format!("[component.{id}]\nsource = \"{id}.wasm\"\n");
        }
        let loaded = App::parse(&text, "spin.toml", Path::new(""), &LoadOptions::default());
        loaded.unwrap().app
    }

    fn routes(app: &App) -> Vec<(&str, &str)> {
        let triggers = app.triggers.iter().map(|trigger| match &trigger.route {
            Route::Public(text) => (text.as_str(), trigger.component().unwrap()),
            Route::Private => ("-", trigger.component().unwrap()),
        });
        triggers.collect()
    }

    #[test]
    fn a_component_comes_with_its_routes() {
        let mut base = app(&[("one", &["/one", "/uno"]), ("two", &["/two"])]);
        let source = PathBuf::from("/elsewhere.wasm");
        let other = app(&[("one", &["/one", "/ein"]), ("three", &["/two"])]);
        base.adopt(&other, "one", source.clone()).unwrap();
        assert_eq!(
            routes(&base),
            [("/one", "one"), ("/ein", "one"), ("/two", "two")]
        );
        assert_eq!(base.components["one"].source, source);

        let before = base.clone();
        let taken = base.adopt(&other, "three", source.clone()).unwrap_err();
        assert!(
            taken.to_string().contains("`/two` belongs to two"),
            "{taken}"
        );
        let none = base.adopt(&other, "four", source.clone()).unwrap_err();
        assert!(none.to_string().contains("one, three"), "{none}");
        assert_eq!(base, before);

        let new = app(&[("three", &["/three"])]);
        base.adopt(&new, "three", source).unwrap();
        assert_eq!(routes(&base).last(), Some(&("/three", "three")));
    }

    #[test]
    fn files_do_not_come_along() {
        let mut base = app(&[("one", &["/one"])]);
        let text = "spin_manifest_version = 2\n[application]\nname = \"a\"\n[component.one]\n\
                    source = \"one.wasm\"\nfiles = [\"assets/*\"]\n";
        let other = App::parse(text, "spin.toml", Path::new(""), &LoadOptions::default());
        let refused = base.adopt(&other.unwrap().app, "one", PathBuf::from("/one.wasm"));
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.contains("serve the application with --app"),
            "{refused}"
        );
        assert_eq!(routes(&base), [("/one", "one")]);
    }
}
