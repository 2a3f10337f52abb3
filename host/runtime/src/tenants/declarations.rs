//! Collections as the manifest declares them, in the words of the documents capability.

use sbd_documents::{CollectionDeclaration, Direction, IndexDeclaration};
use sbd_manifest::ComponentSettings;

/// What a component declares, with what its other versions that are still at work do: each finds all
/// that it relies on. One that is only `tried` deletes no documents before it is served, so an index that is
/// its own alone has no time to live until then.
pub(crate) fn of_all<'a>(
    settings: &ComponentSettings,
    others: impl Iterator<Item = &'a ComponentSettings>,
    tried: bool,
) -> Vec<CollectionDeclaration> {
    let mut all = collections(settings);
    let others: Vec<_> = others.flat_map(collections).collect();
    if tried {
        let is_known = |collection: &str, index: &IndexDeclaration| {
            let mut same = others.iter().filter(|other| other.name == collection);
            same.any(|other| other.indexes.contains(index))
        };
        for collection in &mut all {
            for index in &mut collection.indexes {
                if !is_known(&collection.name, index) {
                    index.ttl_seconds = None;
                }
            }
        }
    }
    for other in others {
        let own = all.iter_mut().find(|own| own.name == other.name);
        match own {
            None => all.push(other),
            Some(own) => {
                let is_missing =
                    |index: &IndexDeclaration| !own.indexes.iter().any(|own| is_same(own, index));
                let missing: Vec<_> = other.indexes.into_iter().filter(is_missing).collect();
                own.indexes.extend(missing);
            }
        }
    }
    all
}

/// Whether two declarations are of one index, however long its documents live.
fn is_same(one: &IndexDeclaration, other: &IndexDeclaration) -> bool {
    let timeless = |index: &IndexDeclaration| IndexDeclaration {
        ttl_seconds: None,
        ..index.clone()
    };
    timeless(one) == timeless(other)
}

fn collections(settings: &ComponentSettings) -> Vec<CollectionDeclaration> {
    let declared = settings
        .collections
        .iter()
        .map(|(name, collection)| CollectionDeclaration {
            name: name.clone(),
            indexes: collection.indexes.iter().map(index).collect(),
        });
    declared.collect()
}

fn index(index: &sbd_manifest::Index) -> IndexDeclaration {
    let fields = index.fields.iter().map(|field| {
        let direction = match field.direction {
            sbd_manifest::Direction::Ascending => Direction::Ascending,
            sbd_manifest::Direction::Descending => Direction::Descending,
        };
        (field.path.clone(), direction)
    });
    IndexDeclaration {
        name: index.name.clone(),
        fields: fields.collect(),
        unique: index.unique,
        sparse: index.sparse,
        ttl_seconds: index.ttl_seconds,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use sbd_manifest::{App, LoadOptions};
    use std::path::Path;

    fn settings(indexes: &str) -> ComponentSettings {
        let text = format!(
            "spin_manifest_version = 2\n[application]\nname = \"a\"\n[component.a]\nsource = \"a.wasm\"\n\
             [component.a.tool.sbd]\ngrants = [\"documents\"]\n\
             [component.a.tool.sbd.collections.notes]\nindexes = [{indexes}]"
        );
        let loaded = App::parse(&text, "spin.toml", Path::new(""), &LoadOptions::default());
        let app = loaded.unwrap().app;
        app.components["a"].settings.clone()
    }

    #[test]
    fn versions_find_what_they_rely_on_and_one_that_is_tried_deletes_nothing() {
        let old = settings(r#"{ name = "owner", fields = ["owner"] }"#);
        let new = settings(
            r#"{ name = "slug", fields = ["slug"], unique = true }, { name = "end", fields = ["end"], ttl_seconds = 0 }"#,
        );
        let shown = |all: Vec<CollectionDeclaration>| -> Vec<(String, Option<u64>)> {
            let indexes = all.into_iter().flat_map(|notes| notes.indexes);
            indexes
                .map(|index| (index.name, index.ttl_seconds))
                .collect()
        };
        let index = |name: &str, ttl| (name.to_owned(), ttl);
        assert_eq!(
            shown(of_all(&new, [&old].into_iter(), true)),
            [
                index("slug", None),
                index("end", None),
                index("owner", None)
            ]
        );
        assert_eq!(
            shown(of_all(&new, [&new].into_iter(), true)),
            [index("slug", None), index("end", Some(0))]
        );
        assert_eq!(
            shown(of_all(&old, [&new].into_iter(), false)),
            [
                index("owner", None),
                index("slug", None),
                index("end", Some(0))
            ]
        );
        assert_eq!(
            shown(of_all(&new, std::iter::empty(), false)),
            [index("slug", None), index("end", Some(0))]
        );
    }
}
