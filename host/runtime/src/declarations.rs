//! Collections as the manifest declares them, in the words of the documents capability.

use sbd_documents::{CollectionDeclaration, Direction, IndexDeclaration};
use sbd_manifest::ComponentSettings;

pub(crate) fn collections(settings: &ComponentSettings) -> Vec<CollectionDeclaration> {
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
