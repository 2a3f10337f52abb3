//! What guests ask, read once and before a backend goes about it: the same for every backend.

use crate::backend::{Operation, Query, UpdateOptions};
use crate::{Error, Event, Limits, Record};
use sbd_contract::Oversized;
use sbd_documents_query::{Filter, Projection, Sort, SortKey, Update, fingerprint};
use serde_json::{Value, json};

/// What the texts of one call may take in memory once they are read. However dense it is, a single
/// value as large as a document may be takes less.
const PARSED_BYTES: usize = 64 << 20;

/// A page to find.
pub(crate) struct Find {
    pub(crate) filter: Filter,
    pub(crate) sort: Sort,
    pub(crate) projection: Option<Projection>,
    pub(crate) after: Option<SortKey>,
    pub(crate) skip: usize,
    pub(crate) limit: usize,
    /// Whether all matches are counted too.
    pub(crate) total: bool,
    /// What its cursors belong to.
    fingerprint: u64,
}

/// A step of a transaction.
pub(crate) enum Step {
    Insert {
        collection: String,
        document: Value,
    },
    Update {
        collection: String,
        filter: Filter,
        update: Update,
        options: UpdateOptions,
        expect: Option<u64>,
    },
    Delete {
        collection: String,
        filter: Filter,
        many: bool,
        expect: Option<u64>,
    },
    Check {
        collection: String,
        filter: Filter,
        expect: u64,
    },
    Publish(Event),
    Audit(Record),
}

// === impl Find ===

impl Find {
    pub(crate) fn parse(collection: &str, query: &Query, limits: &Limits) -> Result<Self, Error> {
        if query.limit == 0 {
            let most = limits.page;
            return Err(Error::Invalid(format!("`limit` must be 1 to {most}")));
        }
        if query.limit > limits.page {
            return Err(Error::Limit("page"));
        }
        let texts = [&query.sort, &query.projection].into_iter().flatten();
        check_parsed(texts.chain([&query.filter]).map(String::as_str))?;
        let filter = json("filter", &query.filter, limits)?;
        let sort = match &query.sort {
            Some(sort) => json("sort", sort, limits)?,
            None => json!({}),
        };
        let projection = projection(query.projection.as_deref(), limits)?;
        let fingerprint = fingerprint(&[&json!(collection), &filter, &sort]);
        let sort = Sort::parse(&sort, &limits.query)?;
        let cursor = query.cursor.as_deref();
        let after = cursor.map(|cursor| sort.read_cursor(cursor, fingerprint));
        Ok(Self {
            filter: Filter::parse(&filter, &limits.query)?,
            projection,
            after: after.transpose()?,
            sort,
            skip: usize::try_from(query.skip).unwrap_or(usize::MAX),
            limit: usize::try_from(query.limit).unwrap_or(usize::MAX),
            total: query.total,
            fingerprint,
        })
    }

    pub(crate) fn cursor(&self, last: &SortKey) -> String {
        self.sort.cursor(last, self.fingerprint)
    }
}

// === impl Step ===

impl Step {
    /// Reads the steps of a transaction, each only when those before it have been taken: of a document
    /// and an event little more than the text may be kept.
    pub(crate) fn read_all<R>(
        operations: Vec<Operation>,
        limits: &Limits,
        mut take: impl FnMut(Self) -> Result<R, Error>,
    ) -> Result<Vec<R>, Error> {
        let is_read = |operation: &&Operation| {
            !matches!(
                operation,
                Operation::Insert { .. } | Operation::Publish(_) | Operation::Audit(_)
            )
        };
        let kept = operations.iter().filter(is_read);
        check_parsed(kept.flat_map(texts))?;
        let is_alone = operations.len() == 1;
        let steps = operations
            .into_iter()
            .enumerate()
            .map(|(place, operation)| {
                let step = Self::read(operation, limits).and_then(&mut take);
                step.map_err(|error| match error {
                    Error::Invalid(message) if !is_alone => {
                        Error::Invalid(format!("operation {place}: {message}"))
                    }
                    other => other,
                })
            });
        steps.collect()
    }

    fn read(operation: Operation, limits: &Limits) -> Result<Self, Error> {
        Ok(match operation {
            Operation::Insert {
                collection,
                document: text,
            } => Self::Insert {
                collection,
                document: document(&text, limits)?,
            },
            Operation::Update {
                collection,
                filter: of,
                update: to,
                options,
                expect,
            } => {
                let (filter, update) = (filter(&of, limits)?, update(&to, limits)?);
                if options.many && matches!(update, Update::Replace(_)) {
                    return Err(Error::Invalid(
                        "a whole document can replace one match only; use operators like $set for many"
                            .to_owned(),
                    ));
                }
                Self::Update {
                    collection,
                    filter,
                    update,
                    options,
                    expect,
                }
            }
            Operation::Delete {
                collection,
                filter: of,
                many,
                expect,
            } => Self::Delete {
                collection,
                filter: filter(&of, limits)?,
                many,
                expect,
            },
            Operation::Check {
                collection,
                filter: of,
                expect,
            } => Self::Check {
                collection,
                filter: filter(&of, limits)?,
                expect,
            },
            Operation::Publish(event) => Self::Publish(event.checked(limits)?),
            Operation::Audit(record) => Self::Audit(record.checked(limits)?),
        })
    }
}

pub(crate) fn filter(text: &str, limits: &Limits) -> Result<Filter, Error> {
    Ok(Filter::parse(
        &json("filter", text, limits)?,
        &limits.query,
    )?)
}

pub(crate) fn update(text: &str, limits: &Limits) -> Result<Update, Error> {
    Ok(Update::parse(
        &json("update", text, limits)?,
        &limits.query,
    )?)
}

/// By `_id` when there is none.
pub(crate) fn sort(text: Option<&str>, limits: &Limits) -> Result<Sort, Error> {
    text.map_or(Ok(Sort::default()), |text| {
        Ok(Sort::parse(&json("sort", text, limits)?, &limits.query)?)
    })
}

/// Whole documents when there is none.
pub(crate) fn projection(text: Option<&str>, limits: &Limits) -> Result<Option<Projection>, Error> {
    let projection = text.map(|text| {
        let projection = json("projection", text, limits)?;
        Ok(Projection::parse(&projection, &limits.query)?)
    });
    projection.transpose()
}

/// A document that is to be stored.
pub(crate) fn document(text: &str, limits: &Limits) -> Result<Value, Error> {
    if text.len() > limits.document_bytes {
        return Err(Error::Limit("document_bytes"));
    }
    json("document", text, limits)
}

/// Reads a guest's JSON.
pub(crate) fn json(what: &str, text: &str, limits: &Limits) -> Result<Value, Error> {
    check_bytes([text], limits)?;
    check_parsed([text])?;
    let value = serde_json::from_str(text).map_err(|error| {
        Error::Invalid(format!("the {what} is no JSON: {error}; correct it there"))
    })?;
    match Oversized::find(text) {
        None => Ok(value),
        Some(number) => Err(Error::Invalid(format!("at `{}`: {number}", number.field()))),
    }
}

/// The bytes of a call's texts; refuses what is too large together.
pub(crate) fn check_bytes<'t>(
    texts: impl IntoIterator<Item = &'t str>,
    limits: &Limits,
) -> Result<usize, Error> {
    let bytes = texts.into_iter().map(str::len).sum();
    if bytes > limits.call_bytes {
        return Err(Error::Limit("call_bytes"));
    }
    Ok(bytes)
}

/// Refuses texts that would take too much memory together once they are read.
pub(crate) fn check_parsed<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<(), Error> {
    if texts.into_iter().map(parsed_bytes).sum::<usize>() > PARSED_BYTES {
        return Err(Error::Limit("call_bytes"));
    }
    Ok(())
}

/// About what a JSON text takes in memory once it is read: each value, and each field's name, is
/// much larger than its text can be. None is without a sign of its own.
fn parsed_bytes(text: &str) -> usize {
    let (mut signs, mut in_string, mut escaped) = (0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b',' | b':' | b'[' | b'{' if !in_string => signs += 1,
            _ => {}
        }
    }
    text.len() + signs * size_of::<Value>()
}

/// The JSON texts of an operation.
pub(crate) fn texts(operation: &Operation) -> impl Iterator<Item = &str> {
    let (one, other) = match operation {
        Operation::Insert { document, .. } => (document, None),
        Operation::Update { filter, update, .. } => (filter, Some(update)),
        Operation::Delete { filter, .. } | Operation::Check { filter, .. } => (filter, None),
        Operation::Publish(event) => (&event.data, None),
        Operation::Audit(record) => (&record.data, None),
    };
    std::iter::once(one).chain(other).map(String::as_str)
}

/// Refuses a call of none, or of too many of something.
pub(crate) fn check_count(
    count: usize,
    limit: &'static str,
    most: usize,
    what: &str,
) -> Result<(), Error> {
    if count == 0 {
        return Err(Error::Invalid(format!("{what} 1 to {most} at once")));
    }
    if count > most {
        return Err(Error::Limit(limit));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::panic,
        reason = "a test fails by panicking"
    )]

    use super::*;

    #[test]
    fn what_would_be_large_is_not_read() {
        let limits = Limits::default();
        let zeros = |count| format!("[{}0]", "0,".repeat(count));
        let too_large = Err(Error::Limit("call_bytes"));
        assert_eq!(json("filter", &zeros(1_000_000), &limits), too_large);
        // It is not even JSON.
        assert_eq!(
            json("filter", &"{\"\":".repeat(500_000), &limits),
            too_large
        );
        assert_eq!(
            check_parsed(vec![zeros(400_000); 3].iter().map(String::as_str)),
            too_large.map(drop)
        );
        // A value as large as a document may be can be read, and a text may hold anything.
        for text in [
            zeros(524_000),
            format!("[{}{{}}]", "[],".repeat(349_000)),
            format!("{{\"a\":\"{}\"}}", ",".repeat(4 << 20)),
            format!("{{\"a\":\"\\\"{}\\\\\"}}", "[{:,".repeat(1 << 20)),
        ] {
            assert!(json("update", &text, &limits).is_ok());
        }
        let text = r#"{"a":"\\","b":[1,"\",",2]}"#;
        assert_eq!(parsed_bytes(text), text.len() + 7 * size_of::<Value>());
    }

    #[test]
    fn whole_numbers_that_would_be_rounded_are_refused() {
        let limits = Limits::default();
        let digits = "123456789012345678901234567890";
        let says = format!("{digits} is beyond 9223372036854775807; write it as a text");
        let refused = |text: String| match json("filter", &text, &limits) {
            Err(Error::Invalid(message)) => message,
            other => panic!("{text}: {other:?}"),
        };
        let nested = format!(r#"{{"a":[1,{{"$in":[-1,{digits}]}}]}}"#);
        assert_eq!(refused(nested), format!("at `a[1].$in[1]`: {says}"));
        let read = |text: &str| json("filter", text, &limits);
        assert!(read(&format!(r#"{{"a":"{digits}"}}"#)).is_ok());
        assert!(read(r#"{"a":1.2345678901234568e+29}"#).is_ok());
    }

    #[test]
    fn a_document_is_measured_before_it_is_read() {
        let limits = Limits::default();
        let large = "[".repeat(limits.document_bytes + 1);
        let refused = Err(Error::Limit("document_bytes"));
        assert_eq!(document(&large, &limits), refused);
        let just = format!("{{\"a\":\"{}\"}}", "x".repeat(limits.document_bytes - 8));
        assert_eq!(just.len(), limits.document_bytes);
        assert!(document(&just, &limits).is_ok());
    }

    #[test]
    fn the_steps_of_a_transaction_are_read_only_if_there_is_room_for_all() {
        let limits = Limits::default();
        let zeros = format!("[{}0]", "0,".repeat(400_000));
        let update = Operation::Update {
            collection: "things".to_owned(),
            filter: "{}".to_owned(),
            update: format!("{{\"$set\":{{\"a\":{zeros}}}}}"),
            options: UpdateOptions::default(),
            expect: None,
        };
        let read = |steps| Step::read_all(steps, &limits, |_| Ok(())).err();
        assert_eq!(read(vec![update.clone(); 2]), None);
        let refused = read(vec![update; 3]);
        assert_eq!(refused, Some(Error::Limit("call_bytes")));
    }
}
