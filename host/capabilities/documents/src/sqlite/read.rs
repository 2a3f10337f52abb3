//! Searching a collection.

use super::session::{ENTRY_BYTES, Session, params, parsed};
use crate::request::Find;
use crate::{Error, Limits, Page};
use sbd_documents_query::sqlite::Plan;
use sbd_documents_query::{Distinct, Failed, Filter, Path, Pipeline, Projection, Sort, SortKey};
use sbd_storage::rusqlite::params_from_iter;
use serde_json::Value;
use std::ops::ControlFlow;

/// A page is small up to so many rows.
const FEW: usize = 128;

/// What was found for a page.
struct Found {
    documents: Vec<String>,
    /// The place of the last document, if more follow.
    last: Option<SortKey>,
    /// How many match in all, if all were seen.
    total: Option<u64>,
}

// === impl Session ===

impl Session<'_> {
    /// One page, and how many match in all if that is asked.
    pub(super) fn page(&self, find: &Find) -> Result<Page, Error> {
        let plan = self.plan(find);
        let is_small = find.skip.saturating_add(find.limit) <= FEW;
        self.expect_brief(plan.exact && plan.sorted && is_small && plan.statement.is_short())?;
        // What is read twice, or counted beside, must be the same.
        let reads_twice = find.total || !plan.sorted;
        let _moment = reads_twice.then(|| self.moment()).transpose()?;
        let found = if plan.sorted {
            self.page_in_order(&plan, find)?
        } else {
            self.page_by_sorting(&plan, find)?
        };
        let count = || {
            found
                .total
                .map_or_else(|| self.count(&find.filter, u64::MAX), Ok)
        };
        Ok(Page {
            total: find.total.then(count).transpose()?,
            documents: found.documents,
            next: found.last.map(|last| find.cursor(&last)),
        })
    }

    /// What SQLite says of how it finds a page.
    pub(super) fn explain(&self, find: &Find) -> Result<Vec<String>, Error> {
        let mut statement = self.plan(find).statement;
        statement.sql.insert_str(0, "EXPLAIN QUERY PLAN ");
        let mut explain = self.connection.prepare(&statement.sql)?;
        let lines = explain.query_map(params_from_iter(params(&statement)), |row| row.get(3))?;
        Ok(lines.collect::<Result<_, _>>()?)
    }

    fn plan(&self, find: &Find) -> Plan {
        let after = find.after.as_ref();
        self.collection.page(&find.filter, &find.sort, after)
    }

    /// The rows come in order and begin behind the cursor: nothing but the page is held.
    fn page_in_order(&self, plan: &Plan, find: &Find) -> Result<Found, Error> {
        let (mut skip, mut last, mut more) = (find.skip, None, false);
        let mut seen = 0;
        let mut answer = Answer::new(self.limits);
        self.each(plan, &find.filter, |mut found| {
            // Of a list, later entries lie behind the cursor though the document does not.
            if let Some(after) = &find.after
                && found.may_hold_list()
                && find.sort.compare(&found.place(&find.sort)?, after).is_le()
            {
                return Ok(ControlFlow::Continue(()));
            }
            seen += 1;
            if skip > 0 {
                skip -= 1;
                return Ok(ControlFlow::Continue(()));
            }
            if answer.documents.len() == find.limit {
                more = true;
                return Ok(ControlFlow::Break(()));
            }
            answer.push(match &find.projection {
                Some(projection) => projection.apply(found.document()?).to_string(),
                None => found.text.to_owned(),
            })?;
            if answer.documents.len() == find.limit {
                last = Some((found.id.to_owned(), found.text.to_owned()));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let last = last.filter(|_| more);
        let place = |(id, text): (String, String)| place_of(&id, &text, &find.sort);
        Ok(Found {
            documents: answer.documents,
            last: last.map(place).transpose()?,
            total: (!more && find.after.is_none()).then_some(seen),
        })
    }

    /// Every match is looked at, but only places are held; documents are read once the page is known.
    fn page_by_sorting(&self, plan: &Plan, find: &Find) -> Result<Found, Error> {
        let sort = &find.sort;
        // One more than asked for tells whether there is a next page.
        let wanted = find.skip.saturating_add(find.limit).saturating_add(1);
        let mut first = First::new(sort, wanted, self.limits);
        let mut seen = 0;
        self.each(plan, &find.filter, |mut found| {
            seen += 1;
            let place = found.place(sort)?;
            let is_before = |after| sort.compare(&place, after).is_le();
            if !find.after.as_ref().is_some_and(is_before) {
                first.push(place)?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let mut places = first.finish();
        let mut places = places.split_off(find.skip.min(places.len()));
        let more = places.len() > find.limit;
        places.truncate(find.limit);
        let mut answer = Answer::new(self.limits);
        for place in &places {
            let text = self.get(&place.id)?.unwrap_or_default();
            answer.push(projected(&place.id, text, find.projection.as_ref())?)?;
        }
        Ok(Found {
            documents: answer.documents,
            last: places.pop().filter(|_| more),
            total: Some(seen),
        })
    }

    /// How many match; reads no further than `most` of them and one.
    pub(super) fn count(&self, filter: &Filter, most: u64) -> Result<u64, Error> {
        if let Some(statement) = self.collection.count(filter) {
            // All of a collection are counted in one step, which nothing interrupts.
            self.expect_brief(!filter.is_all() && statement.is_short())?;
            return self.number(&statement);
        }
        let mut count = 0;
        let plan = self.collection.plan(filter, &Sort::default());
        self.expect_brief(plan.exact && plan.statement.is_short())?;
        self.each(&plan, filter, |_| {
            count += 1;
            Ok(go_on(count <= most))
        })?;
        Ok(count)
    }

    /// The values of a field, each once, in order.
    pub(super) fn distinct(&self, field: &Path, filter: &Filter) -> Result<Vec<String>, Error> {
        let mut values = Distinct::new(field, self.limits.distinct);
        let plan = self.collection.plan(filter, &Sort::default());
        self.each(&plan, filter, |mut found| {
            let added = values.add(found.document()?);
            added.map_err(|_| Error::Limit("distinct"))?;
            if values.bytes() > self.limits.query.held_bytes {
                return Err(Error::Limit("held"));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        self.answer(&values.finish())
    }

    /// What a pipeline makes of the collection.
    pub(super) fn aggregate(&self, pipeline: &Pipeline) -> Result<Vec<String>, Error> {
        // A pipeline refuses documents only when it holds or copies too much.
        let too_much = |failed| match failed {
            Failed::Invalid(_) => Error::Limit("pipeline"),
            Failed::TooLong(too_long) => too_long.into(),
        };
        let filter = pipeline.leading_filter();
        let plan = self.collection.plan(&filter, &pipeline.leading_sort());
        let patience = self.patience();
        let mut run = pipeline.begin(&patience);
        self.each(&plan, &filter, |found| {
            let more = run.push(found.into_document()?).map_err(too_much)?;
            Ok(go_on(more))
        })?;
        self.answer(&run.finish().map_err(too_much)?)
    }

    fn answer(&self, values: &[Value]) -> Result<Vec<String>, Error> {
        let mut answer = Answer::new(self.limits);
        values
            .iter()
            .try_for_each(|value| answer.push(value.to_string()))?;
        Ok(answer.documents)
    }
}

fn go_on(more: bool) -> ControlFlow<()> {
    if more {
        ControlFlow::Continue(())
    } else {
        ControlFlow::Break(())
    }
}

/// A document's place in an order.
fn place_of(id: &str, text: &str, sort: &Sort) -> Result<SortKey, Error> {
    if sort.fields().is_empty() {
        return Ok(SortKey {
            fields: Vec::new(),
            id: id.to_owned(),
        });
    }
    Ok(sort.key(&parsed(id, text)?, id))
}

/// What of a document is answered.
pub(super) fn projected(
    id: &str,
    text: String,
    projection: Option<&Projection>,
) -> Result<String, Error> {
    Ok(match projection {
        Some(projection) => projection.apply(&parsed(id, &text)?).to_string(),
        None => text,
    })
}

/// The first places of an order, in little memory.
pub(super) struct First<'a> {
    sort: &'a Sort,
    most: usize,
    limits: &'a Limits,
    places: Vec<SortKey>,
    bytes: usize,
    /// Once there are enough, nothing behind this one is among the first.
    last: Option<SortKey>,
}

// === impl First ===

impl<'a> First<'a> {
    pub(super) fn new(sort: &'a Sort, most: usize, limits: &'a Limits) -> Self {
        Self {
            sort,
            most,
            limits,
            places: Vec::new(),
            bytes: 0,
            last: None,
        }
    }

    pub(super) fn push(&mut self, place: SortKey) -> Result<(), Error> {
        let is_behind = |last| self.sort.compare(&place, last).is_gt();
        if self.last.as_ref().is_some_and(is_behind) {
            return Ok(());
        }
        self.bytes += weight(&place);
        self.places.push(place);
        // Sorting at twice the size keeps the work for each document small.
        if self.places.len() >= self.most.saturating_mul(2).max(1024) || self.is_over() {
            self.cut();
            if self.is_over() {
                return Err(Error::Limit("held"));
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Vec<SortKey> {
        self.cut();
        self.places
    }

    fn is_over(&self) -> bool {
        self.places.len() > self.limits.query.held || self.bytes > self.limits.query.held_bytes
    }

    fn cut(&mut self) {
        let sort = self.sort;
        self.places
            .sort_unstable_by(|one, other| sort.compare(one, other));
        self.places.truncate(self.most);
        self.bytes = self.places.iter().map(weight).sum();
        if self.places.len() == self.most {
            self.last = self.places.last().cloned();
        }
    }
}

fn weight(place: &SortKey) -> usize {
    let fields = place.fields.iter().map(|field| field.len() + ENTRY_BYTES);
    place.id.len() + ENTRY_BYTES + fields.sum::<usize>()
}

/// The texts of an answer, within bounds.
struct Answer {
    documents: Vec<String>,
    bytes: usize,
    most: usize,
}

// === impl Answer ===

impl Answer {
    fn new(limits: &Limits) -> Self {
        Self {
            documents: Vec::new(),
            bytes: 0,
            most: limits.answer_bytes,
        }
    }

    fn push(&mut self, document: String) -> Result<(), Error> {
        self.bytes = self.bytes.saturating_add(document.len());
        if self.bytes > self.most {
            return Err(Error::Limit("answer_bytes"));
        }
        self.documents.push(document);
        Ok(())
    }
}
