pub(crate) fn collections(_: &sbd_manifest::ComponentSettings) -> Vec<sbd_documents::CollectionDeclaration> { Vec::new() }
