//! What accounts cost: a token on each request, renewing tokens and signing in against PocketBase, what others notice
//! of many who sign in at once, and how soon sockets hear that their session is over.

use crate::Plan;
use crate::load::{self, Shot};
use crate::pocketbase::{self, PocketBase};
use crate::process::Process;
use crate::report::{self, Figure, Goal};
use crate::rounds::{CONNECTIONS, Contender, compare};
use crate::sbd::{self, PASSWORD, Sbd, USERS};
use crate::sockets;
use anyhow::Context as _;
use futures::StreamExt as _;
use sbd_passwords::{Hasher, PasswordsCtx, Settings};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Microseconds that a token which is known adds to a request.
const CHECK: Goal = Goal::CandidateAtMost(30.0);

/// What others notice of a storm of logins.
const STORM: Goal = Goal::RatioAtMost(1.5);

/// Seconds until all sockets of sessions that ended are closed.
const OVER: Goal = Goal::CandidateAtMost(1.0);

/// Who signs in at once in a storm, and who reads meanwhile: it leaves the machine room.
const STORMERS: usize = 8;
const READERS: usize = 2;

/// Sockets of each user, of whom one may have 64: a thousand.
const SOCKETS: usize = 63;
const LISTENERS: usize = 16;

/// Passwords that are hashed to say what one takes.
const HASHES: u32 = 10;

/// The rooms of the sockets' measurement are in three tenants; these are in the first.
const TENANT: &str = "default";

/// Five figures.
pub(crate) fn run(plan: Plan) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir_in(report::folder()?)?;
    let sbd = Sbd::start_changed(&folder.path().join("sbd"), |manifest| {
        manifest + &sockets::rooms()
    })?;
    let families = sbd.families(USERS)?;
    let reads = sbd::shots(&families);
    let mut figures = vec![token(plan, &sbd, &families)?, storm(plan, &sbd, &reads)?];
    let pocketbase = folder.path().join("pocketbase");
    std::fs::create_dir(&pocketbase)?;
    let pocketbase = PocketBase::start(&pocketbase::find()?, &pocketbase, USERS)?;
    figures.push(logins(plan, &sbd, &pocketbase)?);
    figures.push(refreshes(plan, &sbd, &pocketbase)?);
    figures.push(over(plan, &sbd)?);
    Ok(figures)
}

/// The same request without and with a token: what is public is read by either.
fn token(plan: Plan, sbd: &Sbd, families: &[sbd::Family]) -> anyhow::Result<Figure> {
    let public = || Shot::get("/.well-known/jwks.json");
    let with = families
        .iter()
        .map(|family| public().header("authorization", &family.authorization))
        .collect();
    let (mut without, mut added) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        let base = processor_time(sbd, &[public()].into(), plan.duration)?;
        without.push(base);
        added.push(processor_time(sbd, &with, plan.duration)? - base);
    }
    Ok(Figure::new(
        "token-check",
        "µs",
        ("processor time of a request without a token", &without),
        ("what one adds that is known", &added),
    )
    .goal(CHECK))
}

/// Microseconds a request.
fn processor_time(sbd: &Sbd, shots: &Arc<[Shot]>, duration: Duration) -> anyhow::Result<f64> {
    let used = || used(&sbd.process);
    let before = used()?;
    let sample = load::fire(sbd.address, shots, CONNECTIONS, duration)?;
    // Exact up to 2^53 requests.
    Ok((used()? - before).as_secs_f64() * 1e6 / sample.requests as f64)
}

fn used(process: &Process) -> anyhow::Result<Duration> {
    let time = process.processor_time();
    time.context("this system does not say how much processor time a process used")
}

/// Reads beside many who sign in, against reads alone.
fn storm(plan: Plan, sbd: &Sbd, reads: &Arc<[Shot]>) -> anyhow::Result<Figure> {
    let (mut alone, mut beside, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        alone.push(p99(sbd.address, reads, plan.duration)?);
        let over = Arc::new(AtomicBool::new(false));
        let storm = std::thread::spawn({
            let (address, over) = (sbd.address, Arc::clone(&over));
            move || storming(address, &over)
        });
        beside.push(p99(sbd.address, reads, plan.duration)?);
        over.store(true, Ordering::Relaxed);
        let rate = storm.join();
        rates.push(rate.map_err(|_| anyhow::anyhow!("the storm broke off"))??);
    }
    Ok(Figure::new(
        "login-storm",
        "ms",
        ("p99 of reads alone", &alone),
        (
            "p99 of the same beside eight who sign in, again and again",
            &beside,
        ),
    )
    .goal(STORM)
    .note(format!("{} logins/s meanwhile", report::Spread::of(&rates))))
}

/// Signs in until it is over; how often a second.
fn storming(address: SocketAddr, over: &AtomicBool) -> anyhow::Result<f64> {
    let logins: Arc<[Shot]> = logins_of_sbd();
    let (begun, mut many) = (Instant::now(), 0);
    while !over.load(Ordering::Relaxed) {
        let burst = Duration::from_millis(200);
        many += load::fire(address, &logins, STORMERS, burst)?.requests;
    }
    Ok(many as f64 / begun.elapsed().as_secs_f64())
}

fn p99(address: SocketAddr, shots: &Arc<[Shot]>, duration: Duration) -> anyhow::Result<f64> {
    let sample = load::fire(address, shots, READERS, duration)?;
    let micros = sample.latency.value_at_quantile(0.99);
    Ok(Duration::from_micros(micros).as_secs_f64() * 1e3)
}

fn logins_of_sbd() -> Arc<[Shot]> {
    let names = (0..USERS).map(|number| format!("bench{number}"));
    names.map(|name| sbd::login(&name)).collect()
}

fn logins(plan: Plan, sbd: &Sbd, pocketbase: &PocketBase) -> anyhow::Result<Figure> {
    let figure = compare(
        plan,
        "logins",
        &Contender {
            label: "PocketBase, bcrypt at cost 10",
            process: &pocketbase.process,
            address: pocketbase.address,
            shots: (0..USERS).map(pocketbase::login).collect(),
        },
        &Contender {
            label: "sbd, Argon2id as OWASP asks for it, and a session that is stored and recorded",
            process: &sbd.process,
            address: sbd.address,
            shots: logins_of_sbd(),
        },
    )?;
    Ok(figure.note(format!(
        "of one of ours the hash alone takes {:.1} ms of one processor",
        hash()?
    )))
}

/// Milliseconds that a hash takes as they are made, one after the other.
fn hash() -> anyhow::Result<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let passwords = PasswordsCtx::new(Arc::new(Hasher::new(Settings::default())?));
    let begun = Instant::now();
    for _ in 0..HASHES {
        runtime.block_on(passwords.hash(PASSWORD.to_owned()))?;
    }
    Ok(begun.elapsed().as_secs_f64() * 1e3 / f64::from(HASHES))
}

/// Each connection has a session, whose tokens it renews again and again.
fn refreshes(plan: Plan, sbd: &Sbd, pocketbase: &PocketBase) -> anyhow::Result<Figure> {
    let mut ours = (0..CONNECTIONS)
        .map(|number| {
            refresh(&load::once(
                sbd.address,
                &sbd::login(&format!("bench{number}")),
            )?)
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut theirs = (0..CONNECTIONS)
        .map(|number| pocketbase.first_refresh(number))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let (mut base, mut new) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        let next = pocketbase::refresh;
        base.push(load::follow(pocketbase.address, &mut theirs, plan.duration, next)?.rate());
        new.push(load::follow(sbd.address, &mut ours, plan.duration, refresh)?.rate());
    }
    Ok(Figure::new(
        "refreshes",
        "req/s",
        (
            "PocketBase, which signs another token and stores nothing",
            &base,
        ),
        ("sbd, which stores each rotation before it answers", &new),
    ))
}

/// The request that renews the tokens in this answer.
fn refresh(answer: &[u8]) -> anyhow::Result<Shot> {
    let token = sbd::text(answer, "refresh_token")?;
    let refresh = serde_json::json!({"refresh_token": token});
    Ok(Shot::post("/api/v1/auth/refresh", &refresh).expecting(200))
}

/// From signing out to the last of a thousand sockets closed, against one.
fn over(plan: Plan, sbd: &Sbd) -> anyhow::Result<Figure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut one, mut all) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        one.push(runtime.block_on(signed_out(sbd, 1, 1))?);
        all.push(runtime.block_on(signed_out(sbd, LISTENERS, SOCKETS))?);
    }
    Ok(Figure::new(
        "revocation",
        "s",
        ("from signing out to the socket of one user closed", &one),
        (
            "from 16 users signing out at once to the last of 1008 sockets closed",
            &all,
        ),
    )
    .goal(OVER))
}

/// Seconds until the last socket of so many users with so many each is closed.
async fn signed_out(sbd: &Sbd, users: usize, each: usize) -> anyhow::Result<f64> {
    let address = sbd.address;
    let (mut tokens, mut open) = (Vec::new(), JoinSet::new());
    for number in 0..users {
        let login = sbd::login(&format!("bench{number}"));
        let signed_in = tokio::task::spawn_blocking(move || load::once(address, &login)).await??;
        let token = sbd::text(&signed_in, "access_token")?;
        for _ in 0..each {
            let mut socket = sockets::connect(address, TENANT, &token).await?;
            open.spawn(async move {
                while let Some(Ok(_)) = socket.next().await {}
                Instant::now()
            });
        }
        tokens.push(token);
    }
    let begun = Instant::now();
    let leaving: Vec<_> = tokens
        .into_iter()
        .map(|token| {
            let leave = Shot::post("/api/v1/auth/logout", &serde_json::json!({})).expecting(204);
            let leave = leave.header("authorization", format!("Bearer {token}"));
            tokio::task::spawn_blocking(move || load::once(address, &leave))
        })
        .collect();
    let mut last = begun;
    while let Some(closed) = open.join_next().await {
        last = last.max(closed?);
    }
    for one in leaving {
        one.await??;
    }
    Ok((last - begun).as_secs_f64())
}
