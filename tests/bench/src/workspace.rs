//! What a workspace of a thousand members takes against one of two: a page of its members, whether somebody may read it,
//! and giving somebody another role.

use crate::Plan;
use crate::load::{self, Shot};
use crate::report::{self, Figure, Goal};
use crate::rounds::{Contender, compare};
use crate::sbd::{Sbd, text};
use anyhow::Context as _;
use sbd_documents::{Backend as _, CollectionDeclaration, SqliteDocuments};
use sbd_storage::{Database, Options};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

const WORKSPACES: &str = "/api/v1/workspaces";
/// Members of the one and of the other, their owner not counted.
const FEW: usize = 1;
const MANY: usize = 999;

/// Three figures.
pub(crate) fn run(plan: Plan) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir_in(report::folder()?)?;
    let data_dir = folder.path().join("sbd");
    let sbd = Sbd::start_for_load(&data_dir)?;
    let owner = sbd.user("bench")?;
    let create = || {
        let shot = Shot::post(WORKSPACES, &json!({"name": "Engines"}));
        let made = load::once(sbd.address, &shot.header("authorization", &owner))?;
        text(&made, "id")
    };
    let (small, large) = (create()?, create()?);
    drop(sbd);
    // As the workspace has written them, without an invitation of each.
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(fill(&data_dir, [(&small, FEW), (&large, MANY)]))?;
    let sbd = Sbd::start_for_load(&data_dir)?;
    let contender = |label, shots: Vec<Shot>| Contender {
        label,
        process: &sbd.process,
        address: sbd.address,
        shots: shots
            .into_iter()
            .map(|shot| shot.header("authorization", &owner))
            .collect::<Arc<[Shot]>>(),
    };
    let members = |id: &str| vec![Shot::get(format!("{WORKSPACES}/{id}/members?per_page=50"))];
    let read = |id: &str| vec![Shot::get(format!("{WORKSPACES}/{id}"))];
    // One role after the other, so that each changes something.
    let roles = |id: &str, members: usize| {
        let change = |number: usize, role: &str| {
            let path = format!("{WORKSPACES}/{id}/members/{}/role", user(number));
            Shot::put(path, &json!({"role": role}))
        };
        let each = |role| (1..=members).map(move |number| change(number, role));
        each("editor").chain(each("viewer")).collect()
    };
    let pairs = [
        ("workspace-members", members(&small), members(&large)),
        ("workspace-read", read(&small), read(&large)),
        ("workspace-roles", roles(&small, FEW), roles(&large, MANY)),
    ];
    let figures = pairs.into_iter().map(|(name, of_few, of_many)| {
        let few = contender("a workspace of 2 members", of_few);
        let many = contender("a workspace of 1000", of_many);
        compare(plan, name, &few, &many)
    });
    let mut figures = figures.collect::<anyhow::Result<Vec<_>>>()?;
    // Whether somebody may does not depend on how many others there are.
    if let Some(read) = figures.get_mut(1) {
        *read = read.clone().goal(Goal::RatioAtLeast(0.9));
    }
    Ok(figures)
}

fn user(number: usize) -> String {
    format!("usr_{number:032x}")
}

/// Writes so many viewers into each workspace.
async fn fill(data_dir: &Path, workspaces: [(&String, usize); 2]) -> anyhow::Result<()> {
    let file = data_dir.join("tenants").join("default.db");
    let documents = SqliteDocuments::new(Database::open(&file, &Options::default())?);
    let component: Arc<str> = "workspace".into();
    // Without indexes, which the server fills as it starts.
    let collections = ["memberships", "workspaces"].map(|name| CollectionDeclaration {
        name: name.to_owned(),
        indexes: Vec::new(),
    });
    documents.configure(&component, &collections).await?;
    for (id, members) in workspaces {
        let get =
            |collection: &str, id: String| documents.get(&component, collection.to_owned(), id);
        let workspace = get("workspaces", id.clone()).await?;
        let workspace: Value = serde_json::from_str(&workspace.context("it is there")?)?;
        let owner = workspace.get("owner").and_then(Value::as_str);
        let owner = owner.context("a workspace has an owner")?;
        let owner = get("memberships", format!("{id}/{owner}")).await?;
        let owner: Value = serde_json::from_str(&owner.context("the owner is a member")?)?;
        let viewers = (1..=members).map(|number| {
            let mut viewer = owner.clone();
            viewer["_id"] = format!("{id}/{}", user(number)).into();
            viewer["user_id"] = user(number).into();
            viewer["username"] = format!("member{number}").into();
            viewer["role"] = "viewer".into();
            viewer["permissions"] = json!(["request"]);
            viewer.to_string()
        });
        documents
            .insert(&component, "memberships".to_owned(), viewers.collect())
            .await?;
    }
    Ok(())
}
