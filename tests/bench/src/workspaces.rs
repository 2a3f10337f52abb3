//! What a workspace of a thousand members costs against one of its owner alone: a page of its members, reading it,
//! which asks what the caller may do, and giving somebody another role.

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

const MEMBERS: usize = 1000;
/// Of a list.
const PAGE: usize = 100;

const WORKSPACES: &str = "/api/v1/workspaces";

/// Three figures.
pub(crate) fn run(plan: Plan) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir_in(report::folder()?)?;
    let data_dir = folder.path().join("sbd");
    let sbd = Sbd::start_for_load(&data_dir)?;
    let owner = sbd.user("bench0")?;
    let made = ["Small", "Large"].map(|name| {
        let create = Shot::post(WORKSPACES, &json!({"name": name}));
        let create = create.header("authorization", &owner).keyed();
        let made = load::once(sbd.address, &create)?;
        anyhow::Ok((text(&made, "id")?, text(&made, "owner")?))
    });
    let [small, large] = made;
    let ((small, founder), (large, _)) = (small?, large?);
    drop(sbd);
    // As the workspace has written them, without a thousand invitations.
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(fill(&data_dir, &small, &founder, 2))?;
    runtime.block_on(fill(&data_dir, &large, &founder, MEMBERS))?;
    let sbd = Sbd::start_for_load(&data_dir)?;
    let contender = |label, shots| Contender {
        label,
        process: &sbd.process,
        address: sbd.address,
        shots,
    };
    let compared = |name: &str, shots: &dyn Fn(&str) -> Arc<[Shot]>| {
        let small = contender("two members", shots(&small));
        let large = contender("1000 members", shots(&large));
        compare(plan, name, &small, &large)
    };
    let read = |path: String| Shot::get(path).header("authorization", &owner);
    let list = compared("workspace-members", &|id| {
        [read(format!("{WORKSPACES}/{id}/members?per_page={PAGE}"))].into()
    })?;
    let check = compared("workspace-check", &|id| {
        [read(format!("{WORKSPACES}/{id}"))].into()
    })?;
    let role = compared("workspace-role", &|id| {
        let roles = ["editor", "viewer"].map(|role| {
            let path = format!("{WORKSPACES}/{id}/members/{}/role", member(1));
            let give = Shot::post(path, &json!({"role": role})).expecting(200);
            let give = give.header("authorization", &owner);
            Shot {
                method: "PUT".to_owned(),
                ..give
            }
        });
        roles.into()
    })?;
    Ok(vec![
        list.note("a page of both, which of the smaller one is two members"),
        check.goal(Goal::RatioAtLeast(0.8)),
        role.goal(Goal::RatioAtLeast(0.8)),
    ])
}

fn member(number: usize) -> String {
    format!("usr_{number:032x}")
}

/// Writes so many members of a workspace, its owner included.
async fn fill(data_dir: &Path, workspace: &str, owner: &str, members: usize) -> anyhow::Result<()> {
    let file = data_dir.join("tenants").join("default.db");
    let documents = SqliteDocuments::new(Database::open(&file, &Options::default())?);
    let component: Arc<str> = "workspace".into();
    // Without indexes, which the server fills as it starts.
    let collection = CollectionDeclaration {
        name: "memberships".to_owned(),
        indexes: Vec::new(),
    };
    documents.configure(&component, &[collection]).await?;
    let owner = format!("{workspace}/{owner}");
    let owner = documents
        .get(&component, "memberships".to_owned(), owner)
        .await?;
    let owner: Value = serde_json::from_str(&owner.context("the owner is a member")?)?;
    let others = (1..members).map(|number| {
        let (user, mut other) = (member(number), owner.clone());
        other["_id"] = format!("{workspace}/{user}").into();
        other["username"] = format!("member{number}").into();
        other["user_id"] = user.into();
        other["role"] = "viewer".into();
        other["permissions"] = json!(["request"]);
        other.to_string()
    });
    documents
        .insert(&component, "memberships".to_owned(), others.collect())
        .await?;
    Ok(())
}
