//! Which indexes there are, so that a changed declaration can be told from the one before.

use super::session::Session;
use crate::{CollectionDeclaration, Error, IndexDeclaration, Limits};
use sbd_documents_query::sqlite::{Collection, Index};
use sbd_documents_query::{Direction, Path};
use sbd_storage::rusqlite::Connection;
use std::collections::HashMap;

/// Makes the catalogue.
pub(super) fn make(connection: &Connection) -> Result<(), Error> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS document_indexes (
            name TEXT NOT NULL PRIMARY KEY, collection TEXT NOT NULL, definition TEXT NOT NULL
        ) WITHOUT ROWID",
    )?;
    Ok(())
}

/// The tables of a component's collections.
pub(super) fn collections(
    component: &str,
    declared: &[CollectionDeclaration],
    limits: &Limits,
) -> Result<HashMap<String, Collection>, Error> {
    let tables = declared.iter().map(|declaration| {
        let name = &declaration.name;
        let indexes = declaration
            .indexes
            .iter()
            .map(|index| tables_of(component, name, index, limits));
        let collection = Collection {
            table: format!("doc:{component}:{name}"),
            indexes: indexes.collect::<Result<_, _>>()?,
        };
        Ok((name.clone(), collection))
    });
    tables.collect()
}

fn tables_of(
    component: &str,
    collection: &str,
    declared: &IndexDeclaration,
    limits: &Limits,
) -> Result<Index, Error> {
    let fields = declared
        .fields
        .iter()
        .map(|(path, direction)| Ok((Path::parse(path, &limits.query)?, *direction)));
    Ok(Index {
        table: format!("idx:{component}:{collection}:{}", declared.name),
        name: format!("{collection}.{}", declared.name),
        fields: fields.collect::<Result<_, Error>>()?,
        unique: declared.unique,
        sparse: declared.sparse,
        ttl_seconds: declared.ttl_seconds,
    })
}

/// Brings the tables in line with what is declared.
pub(super) fn configure(
    connection: &Connection,
    collections: &HashMap<String, Collection>,
    limits: &Limits,
) -> Result<(), Error> {
    for collection in collections.values() {
        let present = present(connection, collection)?;
        let mut fresh = Vec::new();
        for index in &collection.indexes {
            if present.get(&index.table) != Some(&definition(index)) {
                connection.execute_batch(&index.drop_table())?;
                fresh.push(index);
            }
        }
        let kept = |table: &str| collection.indexes.iter().any(|index| index.table == table);
        for table in present.keys().filter(|table| !kept(table)) {
            connection.execute_batch(&format!(
                "DROP TABLE IF EXISTS \"{}\"",
                table.replace('"', "\"\"")
            ))?;
            connection.execute("DELETE FROM document_indexes WHERE name = ?1", [table])?;
        }
        for statement in collection.schema() {
            connection.execute_batch(&statement)?;
        }
        for index in fresh {
            Session::new(connection, collection, limits).fill(index).map_err(|error| match error {
                Error::Duplicate(name) => Error::Invalid(format!(
                    "index `{name}` cannot be unique: there are documents with the same values; change them or declare it without `unique`"
                )),
                other => other,
            })?;
            connection.execute(
                "INSERT OR REPLACE INTO document_indexes (name, collection, definition) VALUES (?1, ?2, ?3)",
                (&index.table, &collection.table, definition(index)),
            )?;
        }
    }
    Ok(())
}

fn present(
    connection: &Connection,
    collection: &Collection,
) -> Result<HashMap<String, String>, Error> {
    let mut present = connection
        .prepare_cached("SELECT name, definition FROM document_indexes WHERE collection = ?1")?;
    let rows = present.query_map([&collection.table], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// All that the rows of an index depend on.
fn definition(index: &Index) -> String {
    let fields = index
        .fields
        .iter()
        .map(|(path, direction)| match direction {
            Direction::Ascending => path.to_string(),
            Direction::Descending => format!("-{path}"),
        });
    let fields: Vec<String> = fields.collect();
    format!(
        "{} unique={} sparse={}",
        fields.join(","),
        index.unique,
        index.sparse
    )
}
