//! What moving tokens takes: durable transfers by 64 clients, all on one account and each on its own; a page of a
//! statement of a million entries, the first one and one deep inside; and the members of a family of a hundred
//! against those of a family of one.

use crate::Plan;
use crate::load::{self, Shot};
use crate::report::{self, Figure, Goal};
use crate::rounds::{Contender, compare};
use crate::sbd::{self, Sbd, text};
use anyhow::Context as _;
use sbd_documents::{Backend as _, CollectionDeclaration, SqliteDocuments};
use sbd_storage::{Database, Options, Quota};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const CLIENTS: usize = 64;
/// Tokens of each, which no measurement spends.
const TOKENS: u64 = 1_000_000_000;

/// Entries of the long statement, and how many are written at once.
const ENTRIES: usize = 1_000_000;
const BATCH: usize = 1000;
const MEMBERS: usize = 100;

const WALLET: &str = "/api/v1/wallet";

/// Three figures.
pub(crate) fn run(plan: Plan) -> anyhow::Result<Vec<Figure>> {
    let transfers = transfers(plan)?;
    let mut figures = vec![transfers];
    figures.extend(long(plan)?);
    Ok(figures)
}

// === Transfers ===

fn transfers(plan: Plan) -> anyhow::Result<Figure> {
    let folder = tempfile::tempdir_in(report::folder()?)?;
    let data_dir = folder.path().join("sbd");
    let sbd = Sbd::start_for_load(&data_dir)?;
    let root = sbd.administrator(&data_dir)?;
    let users = (0..CLIENTS)
        .map(|number| {
            let user = sbd.user(&format!("bench{number}"))?;
            let id = account(&sbd, &user)?;
            let mint = json!({"to": id, "amount": TOKENS});
            let mint = Shot::post(format!("{WALLET}/mint"), &mint).header("authorization", &root);
            load::once(sbd.address, &mint.keyed())?;
            anyhow::Ok((user, id))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let pay = |from: usize, to: usize| {
        let ((user, _), (_, to)) = (users.get(from)?, users.get(to % CLIENTS)?);
        let pay = Shot::post(
            format!("{WALLET}/transfers"),
            &json!({"to": to, "amount": 1}),
        );
        Some(pay.header("authorization", user).keyed())
    };
    let one: Arc<[Shot]> = (0..CLIENTS).filter_map(|_| pay(0, 1)).collect();
    let many: Arc<[Shot]> = (0..CLIENTS)
        .filter_map(|from| pay(from, from + 1))
        .collect();
    let fire = |shots, duration| load::fire(sbd.address, shots, CLIENTS, duration);
    for shots in [&one, &many] {
        fire(shots, Duration::from_secs(1))?;
    }
    let (mut on_one, mut on_many, mut p99) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        on_one.push(fire(&one, plan.duration)?.rate());
        let sample = fire(&many, plan.duration)?;
        on_many.push(sample.rate());
        // Microseconds below a minute are exact.
        p99.push(sample.latency.value_at_quantile(0.99) as f64 / 1000.0);
    }
    let p99 = report::Spread::of(&p99);
    let figure = Figure::new(
        "wallet-transfers",
        "transfers/s",
        ("64 clients on one account", &on_one),
        ("64 clients on 64 accounts", &on_many),
    );
    Ok(figure.note(format!(
        "on 64 accounts p99 {p99} ms; 1000 a second are the aim"
    )))
}

/// The id of the account of whoever sends this.
fn account(sbd: &Sbd, authorization: &str) -> anyhow::Result<String> {
    let own = Shot::get(WALLET).header("authorization", authorization);
    text(&load::once(sbd.address, &own)?, "id")
}

// === A long statement and a large family ===

fn long(plan: Plan) -> anyhow::Result<[Figure; 2]> {
    let folder = tempfile::tempdir_in(report::folder()?)?;
    let data_dir = folder.path().join("sbd");
    let sbd = Sbd::start_for_load(&data_dir)?;
    let families = sbd.families(2)?;
    let [small, large] = families.as_slice() else {
        anyhow::bail!("there are no two families");
    };
    let owner = account(&sbd, &large.authorization)?;
    drop(sbd);
    // As the ledger and the family have written them, without their requests: a million take too long.
    tokio::runtime::Runtime::new()?.block_on(fill(&data_dir, &owner, &large.path))?;
    let sbd = Sbd::start_for_load(&data_dir)?;
    let page = |query: &str| {
        Shot::get(format!("{WALLET}/statement?{query}"))
            .header("authorization", &large.authorization)
    };
    let mut cursor = String::new();
    for _ in 0..ENTRIES / 2 / BATCH {
        let answer = load::once(sbd.address, &page(&format!("limit={BATCH}{cursor}")))?;
        cursor = format!("&cursor={}", text(&answer, "next")?);
    }
    let contender = |label, shots| Contender {
        label,
        process: &sbd.process,
        address: sbd.address,
        shots,
    };
    let first: Arc<[Shot]> = [page("limit=50")].into();
    let deep: Arc<[Shot]> = [page(&format!("limit=50{cursor}"))].into();
    let statement = compare(
        plan,
        "wallet-statement",
        &contender("the first page of 1 000 000 entries", first),
        &contender("a page in their middle", deep),
    )?;
    let read = |family: &sbd::Family| -> Arc<[Shot]> {
        let path = format!("{}/members?per_page={MEMBERS}", family.path);
        let shot = Shot::get(path).header("authorization", &family.authorization);
        [shot].into()
    };
    let family = compare(
        plan,
        "family-members",
        &contender("a family of one member", read(small)),
        &contender("a family of 100", read(large)),
    )?;
    Ok([statement.goal(Goal::RatioAtLeast(0.8)), family])
}

/// Writes a long statement of one account, and many members of one family.
async fn fill(data_dir: &Path, owner: &str, family: &str) -> anyhow::Result<()> {
    let file = data_dir.join("tenants").join("default.db");
    let documents = SqliteDocuments::new(Database::open(&file, &Options::default())?);
    // Without indexes, which the server fills as it starts.
    let collection = |name: &str| CollectionDeclaration {
        name: name.to_owned(),
        indexes: Vec::new(),
    };
    let wallet: Arc<str> = "wallet".into();
    documents
        .configure(&wallet, &[collection("entries")])
        .await?;
    let more = Quota {
        documents: u64::MAX,
        bytes: u64::MAX,
    };
    documents.allow(&wallet, more).await?;
    let begin = jiff::Timestamp::from_second(1_760_000_000)?;
    for batch in 0..ENTRIES / BATCH {
        let entries = (0..BATCH).map(|number| {
            let number = batch * BATCH + number;
            let at = begin + jiff::SignedDuration::from_millis(i64::try_from(number)?);
            let transaction = format!("txn_{number:032x}");
            let entry = json!({
                "_id": format!("{transaction}/{owner}"), "transaction": transaction, "account": owner,
                "amount": 1, "counterparty": "usr_00000000000000000000000000000000",
                "type": "transfer", "memo": null, "cause": null, "at": format!("{at:.3}"),
            });
            anyhow::Ok(entry.to_string())
        });
        let entries = entries.collect::<anyhow::Result<_>>()?;
        documents
            .insert(&wallet, "entries".to_owned(), entries)
            .await?;
    }
    let component: Arc<str> = "family".into();
    documents
        .configure(&component, &[collection("memberships")])
        .await?;
    let family = family.rsplit('/').next().context("a family has an id")?;
    let founder = format!("{family}/{owner}");
    let founder = documents
        .get(&component, "memberships".to_owned(), founder)
        .await?;
    let founder: Value = serde_json::from_str(&founder.context("the founder is a member")?)?;
    let members = (1..MEMBERS).map(|number| {
        let user = format!("usr_{number:032x}");
        let mut member = founder.clone();
        member["_id"] = format!("{family}/{user}").into();
        member["user_id"] = user.into();
        member["role"] = "member".into();
        member.to_string()
    });
    documents
        .insert(&component, "memberships".to_owned(), members.collect())
        .await?;
    Ok(())
}
