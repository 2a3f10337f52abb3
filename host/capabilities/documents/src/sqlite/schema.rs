//! The tables of collections, and how they follow what is declared.
//!
//! An index's definition is part of its table's name. So a table that is there is the index that
//! is declared, filled, and a reader of an older declaration finds no table rather than another.

use super::session::{parsed, text_of};
use crate::{CollectionDeclaration, Error, IndexDeclaration, Limits};
use sbd_documents_query::sqlite::{Collection, Index};
use sbd_documents_query::{Direction, Distinct, Filter, Path, Sort};
use sbd_storage::quota::{self, Counted};
use sbd_storage::rusqlite::types::Value as Sql;
use sbd_storage::rusqlite::{self, Connection, ffi, params_from_iter};
use serde_json::Value;
use std::ops::Deref;
use std::sync::Arc;

/// The form of the keys in an index, a part of its table's name: one of another form is made anew.
/// 2: an empty list comes before null, and the entries count for the quota. No field is called so.
const KEYS: &str = "#2";

/// A component's collections, by name.
pub(super) type Collections = std::collections::HashMap<String, Arc<Owned>>;

/// The tables of a collection, and whose quota they count for.
pub(super) struct Owned {
    pub(super) owner: String,
    collection: Collection,
}

impl Deref for Owned {
    type Target = Collection;

    fn deref(&self) -> &Collection {
        &self.collection
    }
}

/// The tables of a component's collections.
pub(super) fn collections(
    component: &str,
    declared: &[CollectionDeclaration],
    limits: &Limits,
) -> Result<Collections, Error> {
    let owner = component.to_owned();
    let component = escaped(component);
    let tables = declared
        .iter()
        .map(|CollectionDeclaration { name, indexes }| {
            let place = format!("{component}:{}", escaped(name));
            let indexes = indexes
                .iter()
                .map(|declared| index(&place, name, declared, limits));
            let collection = Collection {
                indexes: indexes.collect::<Result<_, _>>()?,
                table: format!("doc:{place}"),
            };
            let owner = owner.clone();
            Ok((name.clone(), Arc::new(Owned { owner, collection })))
        });
    tables.collect()
}

/// A declared collection.
pub(super) fn known(
    collections: &Collections,
    component: &str,
    name: &str,
) -> Result<Arc<Owned>, Error> {
    let found = collections.get(name).cloned();
    found.ok_or_else(|| Error::UnknownCollection {
        component: component.to_owned(),
        collection: name.to_owned(),
    })
}

fn index(
    place: &str,
    collection: &str,
    declared: &IndexDeclaration,
    limits: &Limits,
) -> Result<Index, Error> {
    let name = format!("{collection}.{}", declared.name);
    let fields = declared.fields.iter().map(|(path, direction)| {
        let path = Path::parse(path, &limits.query)
            .map_err(|error| Error::Invalid(format!("index `{name}`: {error}")))?;
        Ok((path, *direction))
    });
    let fields = fields.collect::<Result<Vec<_>, Error>>()?;
    let definition = fields.iter().map(|(path, direction)| {
        let sign = match direction {
            Direction::Ascending => "",
            Direction::Descending => "-",
        };
        format!("{sign}{}", escaped(&path.to_string()))
    });
    let mut table = format!(
        "idx:{place}:{}:{KEYS}:{}",
        escaped(&declared.name),
        definition.collect::<Vec<_>>().join(",")
    );
    for (is, word) in [(declared.unique, ":unique"), (declared.sparse, ":sparse")] {
        if is {
            table.push_str(word);
        }
    }
    let index = Index {
        table,
        name,
        fields,
        unique: declared.unique,
        sparse: declared.sparse,
        ttl_seconds: declared.ttl_seconds,
    };
    index.check()?;
    Ok(index)
}

/// A name as a part of a table's name: SQLite takes `Users` and `users` for the same table, and
/// colons and commas part the names.
fn escaped(name: &str) -> String {
    let mut escaped = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("%{byte:02x}")),
        }
    }
    escaped
}

/// Brings a collection's tables in line with its declaration.
pub(super) fn configure(
    connection: &Connection,
    collection: &Owned,
    limits: &Limits,
) -> Result<(), Error> {
    let present = index_tables(connection, collection)?;
    let kept = |table: &String| collection.indexes.iter().any(|index| index.table == *table);
    for table in present.iter().filter(|table| !kept(table)) {
        quota::charge(
            connection,
            &collection.owner,
            -counted_in(connection, table)?,
        )?;
        connection.execute_batch(&format!("DROP TABLE {}", identifier(table)))?;
    }
    for statement in collection.schema() {
        connection.execute_batch(&statement)?;
    }
    let is_new = |index: &&Index| !present.contains(&index.table);
    let mut new = collection.indexes.iter().filter(is_new);
    new.try_for_each(|index| fill(connection, collection, index, limits))
}

/// What of a collection counts for its component's quota.
pub(super) fn counted(collection: &Collection) -> Counted<'_> {
    Counted {
        table: &collection.table,
        condition: "1",
        bytes: "octet_length({row}.doc)",
        documents: 1,
    }
}

/// The tables of the indexes that are there.
fn index_tables(connection: &Connection, collection: &Collection) -> Result<Vec<String>, Error> {
    let prefix = format!("{}:", collection.table.replacen("doc:", "idx:", 1));
    let mut tables = connection.prepare_cached(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND substr(name, 1, length(?1)) = ?1",
    )?;
    let names = tables.query_map([prefix], |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}

/// What the entries in the table of an index count for.
fn counted_in(connection: &Connection, table: &str) -> Result<i64, Error> {
    if table.split(':').nth(4) != Some(KEYS) {
        return Ok(0);
    }
    let mut columns = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
    let columns = columns.query_map([table], |row| row.get(0))?;
    let lengths = columns.map(|column| {
        let column: String = column?;
        Ok::<_, Error>(format!("octet_length({})", identifier(&column)))
    });
    let row = lengths.collect::<Result<Vec<_>, _>>()?.join(" + ");
    let table = identifier(table);
    let sum = format!("SELECT coalesce(sum({row}), 0) FROM {table}");
    Ok(connection.query_row(&sum, [], |row| row.get(0))?)
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Fills an index from every document, however long that takes.
fn fill(
    connection: &Connection,
    collection: &Owned,
    index: &Index,
    limits: &Limits,
) -> Result<(), Error> {
    let all = collection.plan(&Filter::all(), &Sort::default());
    let mut documents = connection.prepare(&all.statement.sql)?;
    let mut insert = connection.prepare(&index.insert())?;
    let mut rows = documents.query([])?;
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let id = text_of(row, 0)?;
        let document = parsed(id, text_of(row, 1)?)?;
        let entries = index.rows(&document, &limits.query).map_err(|error| {
            Error::Invalid(format!(
                "index `{}` cannot hold the document `{id}`: {error}",
                index.name
            ))
        })?;
        bytes += length(&entries, id);
        for entry in entries {
            let inserted = insert.execute(entry_params(entry, id));
            if is_taken(&inserted) {
                return Err(not_unique(index, id, &document));
            }
            inserted?;
        }
    }
    Ok(quota::recognise(connection, &collection.owner, bytes)?)
}

/// What entries of a document count for.
pub(super) fn length(entries: &[Vec<Vec<u8>>], id: &str) -> i64 {
    i64::try_from(Index::bytes(entries, id)).unwrap_or(i64::MAX)
}

/// The parameters of an index entry.
pub(super) fn entry_params(keys: Vec<Vec<u8>>, id: &str) -> impl rusqlite::Params {
    let id = Sql::Text(id.to_owned());
    params_from_iter(keys.into_iter().map(Sql::Blob).chain([id]))
}

/// Whether a row was refused because the table holds such a row already.
pub(super) fn is_taken(inserted: &rusqlite::Result<usize>) -> bool {
    // Not any constraint: a quota is kept by one, too.
    matches!(
        inserted
            .as_ref()
            .map_err(|error| error.sqlite_error().map(|error| error.extended_code)),
        Err(Some(
            ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
        ))
    )
}

fn not_unique(index: &Index, id: &str, document: &Value) -> Error {
    let values = index.fields.iter().map(|(path, _)| {
        let mut values = Distinct::new(path, usize::MAX);
        let _ = values.add(document);
        format!("`{path}`: {}", Value::Array(values.finish()))
    });
    Error::Invalid(format!(
        "index `{}` cannot be unique: another document has the values of `{id}` ({}); change one of them, or declare the index without `unique`",
        index.name,
        values.collect::<Vec<_>>().join(", ")
    ))
}
