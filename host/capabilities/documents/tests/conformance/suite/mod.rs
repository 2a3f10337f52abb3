//! What every backend of the documents capability must do.

mod audit;
mod concurrency;
mod events;
mod indexes;
mod queries;
mod quotas;
mod refusals;
mod writes;

pub(crate) use audit::*;
pub(crate) use concurrency::*;
pub(crate) use events::*;
pub(crate) use indexes::*;
pub(crate) use queries::*;
pub(crate) use quotas::*;
pub(crate) use refusals::*;
pub(crate) use writes::*;

use sbd_documents::{
    Backend, CollectionDeclaration, Direction, Error, FindAndUpdate, IndexDeclaration, Operation,
    Outcome, Page, Query, UpdateOptions, Updated,
};
use serde_json::{Value, json};
use std::sync::Arc;

/// Makes one test of each check for the backend that `$factory` makes.
macro_rules! conformance {
    ($factory:ident) => {
        mod $factory {
            conformance!(
                $factory: documents_come_back, ids_are_made_and_checked, an_insert_is_all_or_nothing,
                operators_find, indexes_change_no_answer, pages_are_sorted, an_empty_list_comes_first,
                cursors_survive_inserts,
                projections_choose, counts_and_distinct_values, pipelines_aggregate,
                updates_change, an_update_upserts, deletes_delete, one_consumer_wins,
                a_found_document_is_updated, unique_indexes_refuse, sparse_indexes_leave_out,
                lists_are_indexed_element_by_element, an_index_is_built_later, an_index_goes,
                a_wrong_unique_index_changes_nothing, due_documents_go, transactions_are_one,
                a_failed_expectation_undoes_all, pages_are_consistent, cursors_fit_one_query,
                malformed_texts_change_nothing, limits_are_named, indexes_change_under_load, a_silent_caller_holds_up_nobody,
                components_are_apart, undeclared_is_refused,
                wrong_declarations_are_refused, too_large_is_refused, what_is_kept_is_counted, quotas_are_kept,
                entries_of_indexes_are_bounded_and_counted,
                parallel_writers_lose_nothing, totals_come_with_pages, an_update_answers_what_is_asked,
                events_are_published_with_what_happened, events_of_what_is_undone_are_not,
                events_keep_the_order_of_their_commits, events_count_until_they_are_forgotten,
                the_newest_events_are_kept_for_a_while, events_that_cannot_be_delivered_are_refused,
                entries_are_chained_by_subject, entries_say_who_acted, entries_say_who_acted_in_whose_place,
                nothing_is_recorded_of_what_is_undone,
                entries_are_found_by_what_they_say, two_who_record_at_once_make_one_chain,
                entries_count_for_what_is_kept, what_was_recorded_long_ago_goes,
                what_was_recorded_elsewhere_goes_on, entries_that_say_nothing_are_refused
            );
        }
    };
    ($factory:ident: $($check:ident),+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $check() {
                let (backend, _guard) = super::$factory().await;
                crate::suite::$check(std::sync::Arc::new(backend)).await;
            }
        )+
    };
}

/// A collection as the checks speak of it.
#[derive(Clone)]
pub(crate) struct Things {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) component: Arc<str>,
}

pub(crate) fn index(name: &str, fields: &[(&str, i8)]) -> IndexDeclaration {
    let direction = |way: i8| {
        if way > 0 {
            Direction::Ascending
        } else {
            Direction::Descending
        }
    };
    IndexDeclaration {
        name: name.to_owned(),
        fields: fields
            .iter()
            .map(|(path, way)| ((*path).to_owned(), direction(*way)))
            .collect(),
        unique: false,
        sparse: false,
        ttl_seconds: None,
    }
}

pub(crate) fn things(indexes: Vec<IndexDeclaration>) -> CollectionDeclaration {
    CollectionDeclaration {
        name: "things".to_owned(),
        indexes,
    }
}

fn values(texts: &[String]) -> Vec<Value> {
    texts
        .iter()
        .map(|text| serde_json::from_str(text).unwrap())
        .collect()
}

pub(crate) fn ids(page: &Page) -> Vec<String> {
    values(&page.documents)
        .iter()
        .map(|document| document["_id"].as_str().unwrap().to_owned())
        .collect()
}

pub(crate) fn insertion(document: Value) -> Operation {
    Operation::Insert {
        collection: "things".to_owned(),
        document: document.to_string(),
    }
}

pub(crate) fn updating(of: &Value, to: &Value, many: bool, expect: Option<u64>) -> Operation {
    Operation::Update {
        collection: "things".to_owned(),
        filter: of.to_string(),
        update: to.to_string(),
        options: UpdateOptions {
            many,
            upsert: false,
        },
        expect,
    }
}

pub(crate) fn deletion(of: &Value, many: bool, expect: Option<u64>) -> Operation {
    Operation::Delete {
        collection: "things".to_owned(),
        filter: of.to_string(),
        many,
        expect,
    }
}

/// The first page of all.
pub(crate) fn everything(limit: u32) -> Query {
    Query {
        filter: "{}".to_owned(),
        limit,
        ..Query::default()
    }
}

// === impl Things ===

impl Things {
    pub(crate) async fn new(backend: Arc<impl Backend>, indexes: Vec<IndexDeclaration>) -> Self {
        let this = Self {
            backend,
            component: Arc::from("family"),
        };
        this.configure(indexes).await.unwrap();
        this
    }

    pub(crate) async fn configure(&self, indexes: Vec<IndexDeclaration>) -> Result<(), Error> {
        self.backend
            .configure(&self.component, &[things(indexes)])
            .await
    }

    pub(crate) async fn insert(&self, documents: &[Value]) -> Result<Vec<String>, Error> {
        let texts = documents.iter().map(Value::to_string).collect();
        self.backend
            .insert(&self.component, "things".to_owned(), texts)
            .await
    }

    pub(crate) async fn transact(&self, operations: Vec<Operation>) -> Result<Vec<Outcome>, Error> {
        self.backend.transact(&self.component, operations).await
    }

    pub(crate) async fn find(&self, query: Query) -> Result<Page, Error> {
        self.backend
            .find(&self.component, "things".to_owned(), query)
            .await
    }

    async fn text(&self, id: &str) -> Option<String> {
        self.backend
            .get(&self.component, "things".to_owned(), id.to_owned())
            .await
            .unwrap()
    }

    pub(crate) async fn get(&self, id: &str) -> Option<Value> {
        Some(serde_json::from_str(&self.text(id).await?).unwrap())
    }

    pub(crate) async fn page(
        &self,
        of: &Value,
        by: &Value,
        cursor: Option<String>,
        skip: u32,
        limit: u32,
    ) -> Page {
        let query = Query {
            filter: of.to_string(),
            sort: Some(by.to_string()),
            projection: None,
            skip,
            limit,
            cursor,
            total: false,
        };
        self.find(query).await.unwrap()
    }

    pub(crate) async fn ids(&self, of: &Value) -> Vec<String> {
        ids(&self.page(of, &json!({}), None, 0, 1000).await)
    }

    pub(crate) async fn count(&self, of: &Value) -> u64 {
        self.try_count(&of.to_string()).await.unwrap()
    }

    pub(crate) async fn try_count(&self, filter: &str) -> Result<u64, Error> {
        self.backend
            .count(&self.component, "things".to_owned(), filter.to_owned())
            .await
    }

    pub(crate) async fn distinct(&self, field: &str, filter: &str) -> Result<Vec<Value>, Error> {
        let (field, filter) = (field.to_owned(), filter.to_owned());
        let found = self
            .backend
            .distinct(&self.component, "things".to_owned(), field, filter);
        Ok(values(&found.await?))
    }

    pub(crate) async fn aggregate(&self, pipeline: &str) -> Result<Vec<Value>, Error> {
        let answer =
            self.backend
                .aggregate(&self.component, "things".to_owned(), pipeline.to_owned());
        Ok(values(&answer.await?))
    }

    pub(crate) async fn update(
        &self,
        of: &Value,
        to: &Value,
        many: bool,
        upsert: bool,
    ) -> Result<Updated, Error> {
        let operation = Operation::Update {
            collection: "things".to_owned(),
            filter: of.to_string(),
            update: to.to_string(),
            options: UpdateOptions { many, upsert },
            expect: None,
        };
        match self.transact(vec![operation]).await?.pop() {
            Some(Outcome::Updated(updated)) => Ok(updated),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn find_and_update(
        &self,
        of: &Value,
        by: &Value,
        to: &Value,
        upsert: bool,
        return_new: bool,
    ) -> Option<Value> {
        let options = FindAndUpdate {
            sort: Some(by.to_string()),
            projection: None,
            upsert,
            return_new,
        };
        let found = self.backend.find_one_and_update(
            &self.component,
            "things".to_owned(),
            of.to_string(),
            to.to_string(),
            options,
        );
        Some(serde_json::from_str(&found.await.unwrap()?).unwrap())
    }
}
