//! Who is given what: once for each line of an order, however often it is asked, and taken back the same way.
//!
//! What the shop grants itself is there with the commit. What another component grants is asked of it
//! (`events`), and there when it confirms; where it refuses, or says nothing for ten minutes, it is not.
//! A line that was taken back is never granted any more, whoever comes late.
//!
//! A bundle gives what it contains, one after the other, each in its own commit; never what is owned already.

use crate::commit::{busy, committed, tries};
use crate::events::{self, Ended};
use crate::features;
use crate::holding::{DAY, GrantId, Holding, Unfit, holding_id};
use crate::item::{Good, ItemId};
use crate::kinds::{Kind, seller};
use crate::model::{LineId, OrderId};
use crate::rentals;
use crate::store::{ACTIVE, GRANTS, HOLDINGS};
use membership::text;
use sbd_sdk::documents::Transaction;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Error, Principal, Result, metrics};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long another component has to confirm.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// How many the schedule goes through at a time.
const AT_ONCE: u32 = 100;
/// Characters in the reason of a component at most.
const LONGEST_REASON: usize = 200;

const OWNED: &str = "it is owned already";
const TOO_LONG: &str = "it would be rented for more than 1096 days";

/// A line of an order, to be given to somebody.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivery<'a> {
    pub(crate) order: &'a OrderId,
    pub(crate) line: &'a LineId,
    /// Whom it is for.
    pub(crate) user: &'a str,
    pub(crate) good: &'a Good,
    /// For so many days; for good without.
    pub(crate) days: Option<u16>,
    pub(crate) count: u32,
}

/// What became of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is theirs.
    Granted,
    /// Another component is to confirm it: ask again when `shop.grant.granted` or `.refused` is told.
    Asked,
    /// It cannot be, for this reason.
    Refused(String),
}

/// What was given by a line of an order, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grant {
    #[serde(rename = "_id")]
    pub(crate) id: GrantId,
    /// What makes it happen once: the line, and of a bundle's contents the item.
    pub(crate) key: String,
    pub(crate) order_id: OrderId,
    pub(crate) line_id: LineId,
    pub(crate) user_id: String,
    pub(crate) good: Good,
    pub(crate) days: Option<u16>,
    pub(crate) count: u32,
    pub(crate) state: State,
    /// Why it is refused.
    pub(crate) refusal: Option<String>,
    pub(crate) at: Time,
    /// Until when another component is to confirm it.
    pub(crate) due_at: Option<Time>,
}

/// Where a grant is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ShopGrantState)]
pub(crate) enum State {
    /// A bundle whose contents are being given.
    Giving,
    /// Another component is asked.
    Asked,
    /// It is theirs, or was until its rent ended.
    Granted,
    /// It was not to be.
    Refused,
    /// It was given, or was to be, and is not any more.
    TakenBack,
}

/// Which of these somebody owns for good: nobody buys them for that one again.
pub(crate) async fn owned(user: &str, items: &[ItemId]) -> Result<BTreeSet<ItemId>> {
    let mut owned = BTreeSet::new();
    // As many as one filter may have.
    for some in items.chunks(1000) {
        let ids: Vec<_> = some.iter().map(|item| holding_id(user, item)).collect();
        let filter = json!({"_id": {"$in": ids}, "until": null});
        let found = HOLDINGS.find(filter).limit(1000).fetch().await?;
        owned.extend(found.documents.into_iter().map(|holding| holding.item_id));
    }
    Ok(owned)
}

/// Refuses what somebody cannot be given, before anybody pays for it: a 409 that says why.
pub(crate) async fn require_fit(user: &str, good: &Good, days: Option<u16>) -> Result<()> {
    let now = time::now();
    let unfit = |unfit: Unfit| Error::conflict(format!("\"{}\": {}", good.title, unfit.why()));
    if good.kind == Kind::Bundle {
        let items: Vec<_> = good.contains.iter().map(|good| good.item.clone()).collect();
        let owned = owned(user, &items).await?;
        if items.iter().all(|item| owned.contains(item)) {
            let message = format!("all that \"{}\" contains is owned already", good.title);
            return Err(Error::conflict(message));
        }
        return Ok(());
    }
    let (holding, _) = held(user, good, now).await?;
    let with = holding.with(&GrantId::new(), days, (1, good.repeatable), now);
    with.map(drop).map_err(unfit)
}

/// Gives somebody what a line of an order is of. The same line is given once: asked again, it is answered again.
pub(crate) async fn grant(delivery: &Delivery<'_>) -> Result<Outcome> {
    for _ in tries() {
        let known = GRANTS.find_one(json!({"key": delivery.key()})).await?;
        let done = match known {
            Some(bundle) if bundle.state == State::Giving => give_contents(&bundle).await?,
            Some(grant) => Some(grant.outcome()),
            None => begin(delivery).await?,
        };
        if let Some(granted) = done {
            return Ok(granted);
        }
    }
    Err(busy())
}

/// What is left of the days that a line has added to what somebody rents, and what they were: of a bundle, of all that
/// it has given.
pub(crate) async fn left(delivery: &Delivery<'_>, now: Time) -> Result<(Duration, Duration)> {
    let of_line =
        json!({"order_id": delivery.order, "line_id": delivery.line, "state": State::Granted});
    let given = GRANTS.find(of_line).limit(1000).fetch().await?.documents;
    let given = given.iter().filter(|grant| grant.good.kind != Kind::Bundle);
    let ids = given
        .clone()
        .map(|grant| holding_id(&grant.user_id, &grant.good.item));
    let held = json!({"_id": {"$in": ids.collect::<Vec<_>>()}});
    let held = HOLDINGS.find(held).limit(1000).fetch().await?.documents;
    let parts: Vec<_> = held.iter().flat_map(|holding| &holding.parts).collect();
    let (mut left, mut all) = (Duration::ZERO, Duration::ZERO);
    for grant in given {
        let part = parts.iter().find(|part| part.grant == grant.id);
        left += part.map_or(Duration::ZERO, |part| part.left(now));
        all += DAY * u32::from(grant.days.unwrap_or(0));
    }
    Ok((left, all))
}

/// Takes back what a line has given, as far as it has, and has nothing be given by it any more.
pub(crate) async fn take_back(delivery: &Delivery<'_>) -> Result<()> {
    // The line itself first: from then on nobody gives more of a bundle.
    for _ in tries() {
        let now = time::now();
        let known = GRANTS.find_one(json!({"key": delivery.key()})).await?;
        let done = match known {
            Some(grant) => take_one_back(&grant, now).await?,
            None => {
                let never = Grant {
                    state: State::TakenBack,
                    ..Grant::of(delivery, now)
                };
                committed(Transaction::new().insert(&GRANTS, &never).commit().await)?
            }
        };
        if done {
            return take_contents_back(delivery).await;
        }
    }
    Err(busy())
}

async fn take_contents_back(delivery: &Delivery<'_>) -> Result<()> {
    let of_line = json!({
        "order_id": delivery.order, "line_id": delivery.line, "state": {"$in": [State::Granted, State::Asked]},
    });
    for _ in tries() {
        let left = GRANTS.find(of_line.clone()).fetch().await?.documents;
        if left.is_empty() {
            return Ok(());
        }
        for grant in &left {
            take_one_back(grant, time::now()).await?;
        }
    }
    Err(busy())
}

/// Whether it is taken back now, or was.
async fn take_one_back(grant: &Grant, now: Time) -> Result<bool> {
    if matches!(grant.state, State::TakenBack | State::Refused) {
        return Ok(true);
    }
    let change = moved(grant, State::TakenBack, None);
    let change = match grant.state {
        State::Asked => events::ended(change, &grant.told(), Ended::TakenBack),
        _ => change,
    };
    let Some(holding) = HOLDINGS
        .get(&holding_id(&grant.user_id, &grant.good.item))
        .await?
    else {
        return committed(change.commit().await);
    };
    let change = match holding.parts.iter().any(|part| part.grant == grant.id) {
        false => change,
        true => {
            let without = holding.without(&grant.id, now);
            let change = events::ended(change, &grant.told(), Ended::TakenBack);
            match without.parts.is_empty() {
                true => gone(change, &holding),
                false => replaced(change, &holding, &without)?,
            }
        }
    };
    committed(change.commit().await)
}

/// Begins with a line; none if somebody else was quicker.
async fn begin(delivery: &Delivery<'_>) -> Result<Option<Outcome>> {
    let now = time::now();
    if let Some(why) = features::refusal(delivery.good).await? {
        return Ok(Some(Outcome::Refused(why.to_owned())));
    }
    let grant = Grant::of(delivery, now);
    if delivery.good.kind == Kind::Bundle {
        let giving = Grant {
            state: State::Giving,
            ..grant
        };
        let change = Transaction::new().insert(&GRANTS, &giving);
        return match committed(change.commit().await)? {
            true => give_contents(&giving).await,
            false => Ok(None),
        };
    }
    let (holding, stored) = held(delivery.user, delivery.good, now).await?;
    let with = match holding.with(
        &grant.id,
        delivery.days,
        (delivery.count, delivery.good.repeatable),
        now,
    ) {
        Ok(with) => with,
        // It may be theirs by this line: somebody else goes on with the same order.
        Err(_) if GRANTS.count(json!({"key": grant.key})).await? > 0 => return Ok(None),
        Err(unfit) => return Ok(Some(Outcome::Refused(unfit.why().to_owned()))),
    };
    if delivery.good.kind.component().is_some() {
        let asked = Grant {
            state: State::Asked,
            due_at: Some(now + PATIENCE),
            ..grant
        };
        let change = Transaction::new().insert(&GRANTS, &asked);
        let change = events::requested(change, &asked.told(), with.until);
        let done = committed(change.commit().await)?;
        return Ok(done.then_some(Outcome::Asked));
    }
    let change = Transaction::new().insert(&GRANTS, &grant);
    let change = kept(change, stored.as_ref(), &with)?;
    let change = events::granted(change, &grant.told(), with.until);
    match committed(change.commit().await)? {
        true => {
            counted(&grant).await;
            Ok(Some(Outcome::Granted))
        }
        false => Ok(None),
    }
}

/// Gives what a bundle contains, as far as that is not done; none if somebody else was quicker.
async fn give_contents(bundle: &Grant) -> Result<Option<Outcome>> {
    for good in &bundle.good.contains {
        let now = time::now();
        let key = format!("{}/{}", bundle.key, good.item);
        if GRANTS.count(json!({"key": key})).await? > 0 {
            continue;
        }
        let grant = Grant {
            id: GrantId::new(),
            key,
            good: good.clone(),
            state: State::Granted,
            at: now,
            ..bundle.clone()
        };
        let (holding, stored) = held(&bundle.user_id, good, now).await?;
        let Ok(with) = holding.with(&grant.id, bundle.days, (1, false), now) else {
            continue;
        };
        let still = json!({"_id": bundle.id, "state": State::Giving});
        let change = Transaction::new()
            .check(&GRANTS, still, 1)
            .insert(&GRANTS, &grant);
        let change = kept(change, stored.as_ref(), &with)?;
        let change = events::granted(change, &grant.told(), with.until);
        if !committed(change.commit().await)? {
            return Ok(None);
        }
        counted(&grant).await;
    }
    finish(bundle).await
}

/// A bundle is theirs when something of it is.
async fn finish(bundle: &Grant) -> Result<Option<Outcome>> {
    let now = time::now();
    let given =
        json!({"order_id": bundle.order_id, "line_id": bundle.line_id, "state": State::Granted});
    if GRANTS.count(given).await? == 0 {
        let change = moved(bundle, State::Refused, Some(OWNED));
        let done = committed(change.commit().await)?;
        return Ok(done.then(|| Outcome::Refused(OWNED.to_owned())));
    }
    let change = moved(bundle, State::Granted, None);
    let (holding, stored) = held(&bundle.user_id, &bundle.good, now).await?;
    // Whoever has it already, and lacked some of what is in it now, has it still.
    let change = match holding.with(&bundle.id, bundle.days, (1, false), now) {
        Ok(with) => kept(change, stored.as_ref(), &with)?,
        Err(_) => change,
    };
    let change = events::granted(change, &bundle.told(), None);
    let done = committed(change.commit().await)?;
    Ok(done.then_some(Outcome::Granted))
}

/// A component says that it has granted what it was asked for. Said again, it is answered again.
pub(crate) async fn confirm(by: &Principal, id: &GrantId) -> Result<Grant> {
    for _ in tries() {
        let grant = asked_of(by, id).await?;
        match grant.state {
            State::Granted => return Ok(grant),
            State::Asked => {}
            _ => return Err(over()),
        }
        let now = time::now();
        let (holding, stored) = held(&grant.user_id, &grant.good, now).await?;
        let more = (grant.count, grant.good.repeatable);
        let change = match holding.with(&grant.id, grant.days, more, now) {
            Ok(with) => {
                let change = moved(&grant, State::Granted, None);
                let change = kept(change, stored.as_ref(), &with)?;
                events::granted(change, &grant.told(), with.until)
            }
            // Another order was quicker.
            Err(unfit) => refused(&grant, unfit.why()),
        };
        if committed(change.commit().await)? {
            let grant = asked_of(by, id).await?;
            if grant.state != State::Granted {
                return Err(over());
            }
            counted(&grant).await;
            return Ok(grant);
        }
    }
    Err(busy())
}

/// A component says that it cannot grant what it was asked for. Said again, it is answered again.
pub(crate) async fn refuse(by: &Principal, id: &GrantId, reason: &str) -> Result<Grant> {
    let reason = text::some_line("reason", reason, LONGEST_REASON)?;
    for _ in tries() {
        let grant = asked_of(by, id).await?;
        match grant.state {
            State::Refused => return Ok(grant),
            State::Asked => {}
            _ => return Err(over()),
        }
        let change = moved(&grant, State::Refused, Some(&reason));
        let change = events::refused(change, &grant.told(), &reason);
        if committed(change.commit().await)? {
            return asked_of(by, id).await;
        }
    }
    Err(busy())
}

/// A grant that the component that asks was asked for. To others it is not there.
pub(crate) async fn asked_of(by: &Principal, id: &GrantId) -> Result<Grant> {
    let component = seller(by)?;
    let grant = GRANTS.get(id.as_str()).await?;
    let grant = grant.filter(|grant| grant.good.kind.component() == Some(component));
    grant.ok_or_else(|| Error::not_found("grant"))
}

/// Refuses what no component has confirmed in time.
pub(crate) async fn lapse() -> Result<()> {
    let silent = json!({"state": State::Asked, "due_at": {"$lte": time::now()}});
    let found = GRANTS.find(silent).limit(AT_ONCE).fetch().await?;
    for grant in found.documents {
        let change = refused(&grant, "whoever grants it did not answer in time");
        // Who answers at this moment is not late.
        committed(change.commit().await)?;
    }
    Ok(())
}

/// What somebody has of an item, as it is now, and as it is stored. What has ended is nothing, and put away first.
async fn held(user: &str, good: &Good, now: Time) -> Result<(Holding, Option<Holding>)> {
    let stored = HOLDINGS.get(&holding_id(user, &good.item)).await?;
    match stored {
        Some(holding) if holding.is_live(now) => Ok((holding.clone(), Some(holding))),
        Some(ended) if !rentals::end(&ended).await? => Err(busy()),
        _ => Ok((Holding::none(user, good, now), None)),
    }
}

/// Has a change keep what somebody has from now on.
fn kept(change: Transaction, stored: Option<&Holding>, with: &Holding) -> Result<Transaction> {
    match stored {
        None => Ok(change.insert(&HOLDINGS, with)),
        Some(stored) => replaced(change, stored, with),
    }
}

fn replaced(change: Transaction, stored: &Holding, with: &Holding) -> Result<Transaction> {
    let as_read = json!({"_id": stored.id, "version": stored.version});
    let with = serde_json::to_value(with).map_err(Error::internal)?;
    Ok(change.update_one(&HOLDINGS, as_read, with))
}

/// Has a change leave nothing of what somebody has; if it is in use, it is not any more.
pub(crate) fn gone(change: Transaction, holding: &Holding) -> Transaction {
    let as_read = json!({"_id": holding.id, "version": holding.version});
    let change = change.delete_one(&HOLDINGS, as_read);
    if !holding.kind.is_used() {
        return change;
    }
    let field = holding.kind.to_string();
    let used = json!({"_id": holding.user_id, (&*field): holding.item_id});
    change.update_many(&ACTIVE, used, json!({"$unset": {field: ""}}))
}

/// Moves a grant on from where it was read.
fn moved(grant: &Grant, to: State, refusal: Option<&str>) -> Transaction {
    let as_read = json!({"_id": grant.id, "state": grant.state});
    let set = json!({"$set": {"state": to, "refusal": refusal, "due_at": null}});
    Transaction::new().update_one(&GRANTS, as_read, set)
}

/// It is refused here; the component that was asked learns that nothing comes of it.
fn refused(grant: &Grant, why: &str) -> Transaction {
    let change = moved(grant, State::Refused, Some(why));
    let change = events::refused(change, &grant.told(), why);
    events::ended(change, &grant.told(), Ended::TakenBack)
}

async fn counted(grant: &Grant) {
    if grant.days.is_some() {
        metrics::count("shop_rentals_total", &[("change", "begun")]).await;
    }
}

fn over() -> Error {
    Error::conflict(
        "it was decided otherwise; read the grant to see how, and undo what you have done",
    )
}

// === impl Delivery ===

impl Delivery<'_> {
    fn key(&self) -> String {
        self.line.to_string()
    }
}

// === impl Grant ===

impl Grant {
    fn of(delivery: &Delivery<'_>, now: Time) -> Self {
        Self {
            id: GrantId::new(),
            key: delivery.key(),
            order_id: delivery.order.clone(),
            line_id: delivery.line.clone(),
            user_id: delivery.user.to_owned(),
            good: delivery.good.clone(),
            days: delivery.days,
            count: delivery.count,
            state: State::Granted,
            refusal: None,
            at: now,
            due_at: None,
        }
    }

    fn outcome(&self) -> Outcome {
        match self.state {
            State::Granted => Outcome::Granted,
            State::Asked | State::Giving => Outcome::Asked,
            State::Refused => Outcome::Refused(self.refusal.clone().unwrap_or_default()),
            State::TakenBack => Outcome::Refused("it was taken back".to_owned()),
        }
    }

    pub(crate) fn told(&self) -> events::Told<'_> {
        events::Told {
            grant_id: &self.id,
            order_id: &self.order_id,
            line_id: &self.line_id,
            user_id: &self.user_id,
            item_id: &self.good.item,
            kind: &self.good.kind,
            component: self.good.kind.component(),
            reference: self.good.reference.as_deref(),
            count: self.count,
            days: self.days,
        }
    }
}

// === impl Unfit ===

impl Unfit {
    fn why(self) -> &'static str {
        match self {
            Self::Owned => OWNED,
            Self::TooLong => TOO_LONG,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::shelf::{INVENTORY, Line, Shelf};
    use serde_json::Value;

    fn refused(why: &str) -> Outcome {
        Outcome::Refused(why.to_owned())
    }

    #[test]
    fn a_line_is_granted_once_and_taken_back_for_good() {
        let shelf = Shelf::new();
        let item = shelf.item(json!({}));
        let line = shelf.give("usr_1", &item, None);
        assert_eq!(shelf.grant(&line), Outcome::Granted);
        assert_eq!(shelf.told("shop.grant.granted").len(), 1);
        assert_eq!(shelf.titles("usr_1"), ["A red theme"]);
        // Theirs already: nobody else's line gives it again.
        let other = shelf.line("usr_1", &item, None);
        assert_eq!(shelf.grant(&other), refused(OWNED));
        let good = shelf.good(&item);
        let fits = |user| shelf.app.run(require_fit(user, &good, None));
        assert_eq!(fits("usr_1").unwrap_err().code(), "CONFLICT");
        fits("usr_2").unwrap();
        let owned = shelf
            .app
            .run(owned("usr_1", &[good.item.clone(), ItemId::new()]))
            .unwrap();
        assert_eq!(owned, BTreeSet::from([good.item.clone()]));
        for _ in 0..2 {
            shelf.take_back(&line);
            assert!(shelf.titles("usr_1").is_empty());
        }
        assert_eq!(shelf.told("shop.grant.ended").len(), 1);
        assert_eq!(shelf.grant(&line), refused("it was taken back"));
        shelf.give("usr_1", &item, None);
    }

    /// Two go on with the same order, and one has not seen yet what the other one has done.
    #[test]
    fn what_is_owned_by_the_same_line_is_no_reason_to_refuse_it() {
        let shelf = Shelf::new();
        let item = shelf.item(json!({}));
        let line = shelf.give("usr_1", &item, None);
        let late = shelf.app.run(begin(&line.delivery())).unwrap();
        assert_eq!(late, None);
        let other = shelf.line("usr_1", &item, None);
        let late = shelf.app.run(begin(&other.delivery())).unwrap();
        assert_eq!(late, Some(refused(OWNED)));
    }

    #[test]
    fn what_was_taken_back_before_it_was_given_is_never_given() {
        let shelf = Shelf::new();
        let (theme, avatar) = (shelf.item(json!({})), shelf.item(json!({"kind": "avatar"})));
        let bundle = shelf.item(json!({"kind": "bundle", "contains": [theme, avatar]}));
        for item in [theme, bundle] {
            let line = shelf.line("usr_1", &item, None);
            shelf.take_back(&line);
            assert_eq!(shelf.grant(&line), refused("it was taken back"));
        }
        assert!(shelf.titles("usr_1").is_empty() && shelf.told("shop.grant.granted").is_empty());
    }

    #[test]
    fn a_bundle_gives_what_is_lacking_and_takes_that_back() {
        let shelf = Shelf::new();
        let items: Vec<_> = ["A", "B", "C"]
            .map(|title| {
                shelf.item(
                    json!({"title": title, "kind": "avatar", "rentals": [{"days": 7, "price": 1}]}),
                )
            })
            .into();
        let bundle = shelf.item(json!({"title": "All", "kind": "bundle", "contains": items}));
        shelf.give("usr_1", &items[0], None);
        shelf.give("usr_1", &items[1], Some(7));
        let line = shelf.give("usr_1", &bundle, None);
        let all = ["A", "All", "B", "C"].map(|title| (title.to_owned(), false));
        assert_eq!(shelf.inventory("usr_1"), all);
        assert_eq!(shelf.grant(&line), Outcome::Granted);
        assert!(shelf.titles("usr_2").is_empty());
        // All of it is theirs.
        let again = shelf.line("usr_1", &bundle, None);
        assert_eq!(shelf.grant(&again), refused(OWNED));
        assert_eq!(shelf.grant(&again), refused(OWNED));
        let good = shelf.good(&bundle);
        assert!(shelf.app.run(require_fit("usr_1", &good, None)).is_err());
        // What was theirs before stays so, and what was rented is rented again.
        shelf.take_back(&line);
        let before = [("A".to_owned(), false), ("B".to_owned(), true)];
        assert_eq!(shelf.inventory("usr_1"), before);
    }

    #[test]
    fn rents_are_extended_end_and_say_so() {
        let shelf = Shelf::new();
        let item =
            shelf.item(json!({"rentals": [{"days": 7, "price": 3}, {"days": 30, "price": 9}]}));
        let begun = shelf.app.now();
        shelf.give("usr_1", &item, Some(7));
        shelf.app.advance(DAY * 2);
        shelf.tick();
        let more = shelf.give("usr_1", &item, Some(30));
        let ada = shelf.app.signed_in("usr_1");
        let until = || ada.get(INVENTORY)["items"][0]["until"].clone();
        assert_eq!(until(), json!(begun + DAY * 37));
        let change = json!({"item_id": item});
        ada.put("/api/v1/shop/active/theme", change.clone())
            .assert_status(200);
        // A refund in the middle of it: what is left is the first week.
        shelf.take_back(&more);
        assert_eq!(until(), json!(begun + DAY * 7));
        shelf.app.advance(DAY * 4 + DAY / 2);
        shelf.tick();
        shelf.tick();
        let notices = |kind: &str| {
            let told = shelf.told("notification.requested").into_iter();
            told.filter(|notice| notice["kind"] == kind).count()
        };
        assert_eq!(
            (notices("shop.rental.ending"), notices("shop.rental.ended")),
            (1, 0)
        );
        // However late the clock is looked at again, it is over.
        shelf.app.advance(DAY * 400);
        assert!(shelf.titles("usr_1").is_empty());
        assert_eq!(ada.get("/api/v1/shop/active")["theme"], Value::Null);
        ada.put("/api/v1/shop/active/theme", change)
            .assert_refused(422, "VALIDATION_ERROR");
        shelf.tick();
        shelf.tick();
        assert_eq!(
            (notices("shop.rental.ending"), notices("shop.rental.ended")),
            (1, 1)
        );
        let ended = shelf.told("shop.grant.ended");
        let why: Vec<_> = ended
            .iter()
            .map(|ended| ended["why"].as_str().unwrap())
            .collect();
        assert_eq!(why, ["taken_back", "expired"]);
        let count = |change| {
            shelf
                .app
                .counted("shop_rentals_total", &[("change", change)])
        };
        assert_eq!((count("begun"), count("ended")), (2, 1));
        // Rented again it begins anew, and bought it is for good.
        shelf.give("usr_1", &item, Some(7));
        shelf.app.advance(DAY * 8);
        shelf.give("usr_1", &item, Some(7));
        shelf.give("usr_1", &item, None);
        shelf.app.advance(DAY * 8);
        assert_eq!(
            shelf.inventory("usr_1"),
            [("A red theme".to_owned(), false)]
        );
        assert_eq!(
            shelf.grant(&shelf.line("usr_1", &item, Some(7))),
            refused(OWNED)
        );
    }

    /// A shop that sells a component's lessons.
    fn courses(repeatable: bool) -> (Shelf, String) {
        let shelf = Shelf::new();
        let body = json!({"title": "A lesson", "repeatable": repeatable});
        let declared = shelf
            .component("courses")
            .put("/api/v1/shop/kinds/lesson", body);
        assert_eq!(declared.assert_status(200)["kind"], "courses.lesson");
        let item = shelf.item(json!({"kind": "courses.lesson", "reference": "piano-1"}));
        (shelf, item)
    }

    fn asked(shelf: &Shelf) -> (Value, String) {
        let asked = shelf.told("shop.grant.requested").pop().unwrap();
        let path = format!(
            "/api/v1/shop/grants/{}",
            asked["grant_id"].as_str().unwrap()
        );
        (asked, path)
    }

    #[test]
    fn what_another_component_grants_is_there_when_it_confirms() {
        let (shelf, item) = courses(false);
        let line = shelf.line("usr_1", &item, None);
        assert_eq!(shelf.grant(&line), Outcome::Asked);
        assert_eq!(shelf.grant(&line), Outcome::Asked);
        assert!(shelf.titles("usr_1").is_empty());
        assert_eq!(shelf.told("shop.grant.requested").len(), 1);
        let (told, path) = asked(&shelf);
        assert_eq!(
            (&told["component"], &told["reference"], &told["user_id"]),
            (&json!("courses"), &json!("piano-1"), &json!("usr_1"))
        );
        let confirmation = format!("{path}/confirmation");
        // To others it is not there, and to users there is nothing to confirm.
        shelf
            .component("music")
            .post(&confirmation, json!({}))
            .assert_refused(404, "NOT_FOUND");
        shelf
            .app
            .signed_in("usr_1")
            .post(&confirmation, json!({}))
            .assert_refused(403, "FORBIDDEN");
        let courses = shelf.component("courses");
        for _ in 0..2 {
            assert_eq!(
                courses.post(&confirmation, json!({})).assert_status(200)["state"],
                "granted"
            );
        }
        assert_eq!(shelf.grant(&line), Outcome::Granted);
        assert_eq!(shelf.titles("usr_1"), ["A red theme"]);
        courses
            .post(&format!("{path}/refusal"), json!({"reason": "no"}))
            .assert_refused(409, "CONFLICT");
        shelf.take_back(&line);
        assert_eq!(
            shelf.told("shop.grant.ended").pop().unwrap()["why"],
            "taken_back"
        );
        courses
            .post(&confirmation, json!({}))
            .assert_refused(409, "CONFLICT");
    }

    #[test]
    fn what_it_refuses_or_does_not_answer_is_not_granted() {
        let (shelf, item) = courses(false);
        let courses = shelf.component("courses");
        let line = shelf.line("usr_1", &item, None);
        shelf.grant(&line);
        let refusal = format!("{}/refusal", asked(&shelf).1);
        courses
            .post(&refusal, json!({"reason": "a\u{202e}b"}))
            .assert_refused(422, "VALIDATION_ERROR");
        for _ in 0..2 {
            courses
                .post(&refusal, json!({"reason": "It is full"}))
                .assert_status(200);
        }
        assert_eq!(shelf.grant(&line), refused("It is full"));
        let slow = shelf.line("usr_1", &item, None);
        shelf.grant(&slow);
        let (_, path) = asked(&shelf);
        shelf.app.advance(PATIENCE - Duration::from_secs(1));
        shelf.tick();
        assert_eq!(shelf.grant(&slow), Outcome::Asked);
        shelf.app.advance(Duration::from_secs(1));
        shelf.tick();
        assert_eq!(
            shelf.grant(&slow),
            refused("whoever grants it did not answer in time")
        );
        // Whoever granted it all the same undoes it.
        courses
            .post(&format!("{path}/confirmation"), json!({}))
            .assert_refused(409, "CONFLICT");
        assert_eq!(shelf.told("shop.grant.ended").len(), 1);
        assert!(shelf.titles("usr_1").is_empty());
        // One that the saga gives up on while it is asked for.
        let given_up = shelf.line("usr_1", &item, None);
        shelf.grant(&given_up);
        let (_, path) = asked(&shelf);
        shelf.take_back(&given_up);
        courses
            .post(&format!("{path}/confirmation"), json!({}))
            .assert_refused(409, "CONFLICT");
        assert_eq!(shelf.told("shop.grant.ended").len(), 2);
    }

    #[test]
    fn of_some_kinds_there_are_several() {
        let (shelf, item) = courses(true);
        let confirm = |line: &Line| {
            shelf.grant(line);
            let path = format!("{}/confirmation", asked(&shelf).1);
            shelf
                .component("courses")
                .post(&path, json!({}))
                .assert_status(200);
        };
        let three = shelf.line("usr_1", &item, None).of(3);
        confirm(&three);
        confirm(&shelf.line("usr_1", &item, None).of(2));
        let count = || shelf.app.signed_in("usr_1").get(INVENTORY)["items"][0]["count"].clone();
        assert_eq!(count(), 5);
        shelf.take_back(&three);
        assert_eq!(count(), 2);
    }

    #[test]
    fn only_components_declare_kinds() {
        let (shelf, _) = courses(false);
        let user = shelf.app.signed_in("usr_1");
        let body = json!({"title": "A lesson"});
        user.put("/api/v1/shop/kinds/lesson", body.clone())
            .assert_refused(403, "FORBIDDEN");
        shelf
            .keeper()
            .put("/api/v1/shop/kinds/lesson", body.clone())
            .assert_refused(403, "FORBIDDEN");
        let courses = shelf.component("courses");
        for word in ["Lesson", "le.sson", "1", "x%20y", "%24set"] {
            courses
                .put(&format!("/api/v1/shop/kinds/{word}"), body.clone())
                .assert_refused(422, "VALIDATION_ERROR");
        }
        // Another component's is another kind.
        shelf
            .component("music")
            .put("/api/v1/shop/kinds/lesson", json!({"title": "B"}))
            .assert_status(200);
        courses
            .put("/api/v1/shop/kinds/lesson", json!({"title": "C"}))
            .assert_status(200);
        let all = user.get("/api/v1/shop/kinds").assert_status(200);
        let all: Vec<_> = all
            .body()
            .as_array()
            .unwrap()
            .iter()
            .map(|of| (of["kind"].as_str().unwrap(), of["title"].as_str().unwrap()))
            .collect();
        assert_eq!(all, [("courses.lesson", "C"), ("music.lesson", "B")]);
    }
}
