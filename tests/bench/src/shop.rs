//! What selling takes: a page of a catalogue of ten thousand items against one of fifty, and the checkout of a cart of
//! five items, durable in all its steps, against a transfer of the ledger.

use crate::Plan;
use crate::load::{self, Shot};
use crate::report::{self, Figure, Goal};
use crate::rounds::{Contender, compare};
use crate::sbd::{Sbd, text};
use anyhow::Context as _;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

const ITEMS: usize = 10_000;
/// Items of the small catalogue, and of a page.
const PAGE: usize = 50;
/// Items that one request brings in.
const BATCH: usize = 25;
/// Buyers who order at the same time.
const BUYERS: usize = 16;
const LINES: usize = 5;
const PRICE: u64 = 3;
/// Tokens of each buyer, which no measurement spends.
const TOKENS: u64 = 1_000_000;

const SHOP: &str = "/api/v1/shop";
const WALLET: &str = "/api/v1/wallet";

/// Two figures.
pub(crate) fn run(plan: Plan) -> anyhow::Result<Vec<Figure>> {
    Ok(vec![catalogue(plan)?, checkout(plan)?])
}

// === The catalogue ===

fn catalogue(plan: Plan) -> anyhow::Result<Figure> {
    let folder = tempfile::tempdir_in(report::folder()?)?;
    let filled = |name: &str, items: usize| {
        let data_dir = folder.path().join(name);
        let sbd = Sbd::start_for_load(&data_dir)?;
        let root = sbd.administrator(&data_dir)?;
        fill(&sbd, &root, items)?;
        let page = Shot::get(format!("{SHOP}/items?limit={PAGE}"));
        let shots: Arc<[Shot]> = [page.header("authorization", root)].into();
        anyhow::Ok((sbd, shots))
    };
    let (small, small_page) = filled("small", PAGE)?;
    let (large, large_page) = filled("large", ITEMS)?;
    let small = Contender {
        label: "50 of 50 items",
        process: &small.process,
        address: small.address,
        shots: small_page,
    };
    let large = Contender {
        label: "50 of 10 000 items",
        process: &large.process,
        address: large.address,
        shots: large_page,
    };
    let figure = compare(plan, "shop-catalogue", &small, &large)?;
    Ok(figure.goal(Goal::RatioAtLeast(0.8)))
}

/// Brings items into the catalogue; answers their ids.
fn fill(sbd: &Sbd, root: &str, items: usize) -> anyhow::Result<Vec<String>> {
    let mut ids = Vec::with_capacity(items);
    while ids.len() < items {
        let batch = (ids.len()..items).take(BATCH).map(|number| {
            json!({
                "kind": "theme", "title": format!("Theme {number}"), "price": PRICE,
                "listed": true, "featured": number % 10 == 0,
            })
        });
        let batch = json!({"items": batch.collect::<Vec<_>>()});
        let import = Shot::post(format!("{SHOP}/items/import"), &batch).expecting(200);
        let answer = load::once(sbd.address, &import.header("authorization", root))?;
        let answer: Value = serde_json::from_slice(&answer)?;
        let made = answer.get("ids").and_then(Value::as_array);
        let made = made.context("an import answers the ids")?.iter();
        ids.extend(made.filter_map(Value::as_str).map(str::to_owned));
    }
    Ok(ids)
}

// === Checkout ===

fn checkout(plan: Plan) -> anyhow::Result<Figure> {
    let folder = tempfile::tempdir_in(report::folder()?)?;
    let data_dir = folder.path().join("sbd");
    let sbd = Sbd::start_for_load(&data_dir)?;
    let root = sbd.administrator(&data_dir)?;
    // Nobody owns a theme twice: each round sells others.
    let items = fill(&sbd, &root, plan.rounds * LINES)?;
    let buyers = (0..BUYERS)
        .map(|number| {
            let user = sbd.user(&format!("bench{number}"))?;
            let own = Shot::get(WALLET).header("authorization", &user);
            let id = text(&load::once(sbd.address, &own)?, "id")?;
            let mint = json!({"to": id, "amount": TOKENS});
            let mint = Shot::post(format!("{WALLET}/mint"), &mint).header("authorization", &root);
            load::once(sbd.address, &mint.keyed())?;
            anyhow::Ok((user, id))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let (mut transfers, mut orders) = (Vec::new(), Vec::new());
    for round in items.chunks(LINES) {
        for (user, _) in &buyers {
            for item in round {
                let line = Shot::post(format!("{SHOP}/cart/lines"), &json!({"item_id": item}));
                load::once(sbd.address, &line.header("authorization", user))?;
            }
        }
        let pay = buyers.iter().zip(buyers.iter().cycle().skip(1));
        let pay = pay.map(|((user, _), (_, to))| {
            let one = json!({"to": to, "amount": 1});
            let pay = Shot::post(format!("{WALLET}/transfers"), &one);
            pay.header("authorization", user).keyed()
        });
        transfers.push(at_once(&sbd, &pay.collect::<Vec<_>>())?);
        let order = buyers.iter().map(|(user, _)| {
            let order = json!({"total": PRICE * LINES as u64});
            let order = Shot::post(format!("{SHOP}/orders"), &order);
            order.header("authorization", user).keyed()
        });
        orders.push(at_once(&sbd, &order.collect::<Vec<_>>())?);
    }
    Ok(Figure::new(
        "shop-checkout",
        "/s",
        ("transfers of 16 buyers at once", &transfers),
        ("orders of five items by the same", &orders),
    ))
}

/// Sends all of them at once, each on a connection of its own; how many were answered a second.
fn at_once(sbd: &Sbd, shots: &[Shot]) -> anyhow::Result<f64> {
    let began = Instant::now();
    std::thread::scope(|scope| {
        let sent: Vec<_> = shots
            .iter()
            .map(|shot| scope.spawn(|| load::once(sbd.address, shot)))
            .collect();
        sent.into_iter().try_for_each(|sent| {
            let answer = sent
                .join()
                .map_err(|_| anyhow::anyhow!("a client panicked"));
            answer?.map(drop)
        })
    })?;
    // Exact up to 2^53 requests.
    Ok(shots.len() as f64 / began.elapsed().as_secs_f64())
}
