//! `GET /api/v1/families/{id}` as one would write it for one process: axum, rusqlite, one join.
//!
//! A token is verified (EdDSA) when it is first seen and then remembered by its SHA-256, as the
//! gateway does it. Reads run on blocking threads with a connection each, as `sbd`'s do.

use crate::listen;
use crate::load::Shot;
use anyhow::anyhow;
use axum::extract::{Path as RoutePath, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, StatusCode, header};
use hyper_util::service::TowerToHyperService;
use ring::digest;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sbd_storage::rusqlite::{self, Connection, OptionalExtension as _, params};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};
use tokio::net::TcpListener;

/// `{"alg":"EdDSA"}`
const HEADER: &str = "eyJhbGciOiJFZERTQSJ9";

/// What the server prints when it serves: where, and what may be asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ready {
    pub(crate) address: SocketAddr,
    pub(crate) shots: Vec<Shot>,
}

/// Serves so many users with a family each on a free port. Ends with the process.
pub(crate) fn serve(users: usize, data_dir: &Path) -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let key = key_pair()?;
        let path = data_dir.join("native.db");
        let shots = populate(&path, &key, users)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let ready = Ready {
            address: listener.local_addr()?,
            shots,
        };
        println!("{}", serde_json::to_string(&ready)?);
        listen::accept(listener, TowerToHyperService::new(router(path, &key))).await
    })
}

fn key_pair() -> anyhow::Result<Ed25519KeyPair> {
    let mut seed = [0; 32];
    SystemRandom::new()
        .fill(&mut seed)
        .map_err(|_| anyhow!("this system gives no random bytes"))?;
    Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|error| anyhow!("{error}"))
}

fn router(path: PathBuf, key: &Ed25519KeyPair) -> Router {
    let key = UnparsedPublicKey::new(&ED25519, key.public_key().as_ref().to_vec());
    let server = Server {
        path,
        idle: Mutex::default(),
        key,
        known: RwLock::default(),
    };
    Router::new()
        .route("/api/v1/families/{id}", get(read))
        .with_state(Arc::new(server))
}

struct Server {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    key: UnparsedPublicKey<Vec<u8>>,
    known: RwLock<HashMap<[u8; 32], Arc<Claims>>>,
}

/// Who a token stands for.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: String,
    /// Seconds since 1970.
    exp: i64,
}

/// The answer, field by field as the component's.
#[derive(Debug, Serialize)]
struct Family {
    id: String,
    name: String,
    description: Option<String>,
    member_count: i64,
    role: String,
    created_at: String,
    updated_at: String,
    version: i64,
}

async fn read(
    State(server): State<Arc<Server>>,
    RoutePath(id): RoutePath<String>,
    headers: HeaderMap,
) -> Response {
    let Some(claims) = server.authenticate(&headers) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let found = tokio::task::spawn_blocking(move || server.find(&id, &claims.sub)).await;
    match found {
        Ok(Ok(Some(family))) => {
            let tag = format!("\"{}\"", family.version);
            let known = headers
                .get(header::IF_NONE_MATCH)
                .is_some_and(|tags| tags == tag.as_str());
            let etag = [(header::ETAG, tag)];
            if known {
                (StatusCode::NOT_MODIFIED, etag).into_response()
            } else {
                (etag, Json(family)).into_response()
            }
        }
        Ok(Ok(None)) => StatusCode::NOT_FOUND.into_response(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

// === impl Server ===

impl Server {
    fn authenticate(&self, headers: &HeaderMap) -> Option<Arc<Claims>> {
        let token = headers
            .get(header::AUTHORIZATION)?
            .to_str()
            .ok()?
            .strip_prefix("Bearer ")?;
        let hash: [u8; 32] = digest::digest(&digest::SHA256, token.as_bytes())
            .as_ref()
            .try_into()
            .ok()?;
        let known = self.known.read().ok()?.get(&hash).cloned();
        let claims = match known {
            Some(claims) => claims,
            None => {
                let claims = Arc::new(self.verify(token)?);
                self.known.write().ok()?.insert(hash, Arc::clone(&claims));
                claims
            }
        };
        (claims.exp > jiff::Timestamp::now().as_second()).then_some(claims)
    }

    fn verify(&self, token: &str) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.key.verify(signed.as_bytes(), &signature).ok()?;
        let (_, claims) = signed.split_once('.')?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
    }

    fn find(&self, id: &str, user: &str) -> rusqlite::Result<Option<Family>> {
        let rested = self.idle.lock().ok().and_then(|mut idle| idle.pop());
        let connection = match rested {
            Some(connection) => connection,
            None => Connection::open(&self.path)?,
        };
        let found = select(&connection, id, user)?;
        if let Ok(mut idle) = self.idle.lock() {
            idle.push(connection);
        }
        Ok(found)
    }
}

fn select(connection: &Connection, id: &str, user: &str) -> rusqlite::Result<Option<Family>> {
    let mut statement = connection.prepare_cached(
        "SELECT f.id, f.name, f.description, f.member_count, m.role, f.created_at, f.updated_at, f.version
         FROM families f JOIN memberships m ON m.family_id = f.id WHERE f.id = ?1 AND m.user_id = ?2",
    )?;
    let family = statement.query_row(params![id, user], |row| {
        Ok(Family {
            id: row.get(0)?,
            name: row.get(1)?,
            description: row.get(2)?,
            member_count: row.get(3)?,
            role: row.get(4)?,
            created_at: row.get(5)?,
            updated_at: row.get(6)?,
            version: row.get(7)?,
        })
    });
    family.optional()
}

/// Users with a family and a token each, and the requests that read these families.
fn populate(path: &Path, key: &Ed25519KeyPair, users: usize) -> anyhow::Result<Vec<Shot>> {
    let connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         CREATE TABLE families (id TEXT PRIMARY KEY, name TEXT NOT NULL, description TEXT, member_count INTEGER NOT NULL,
             created_at TEXT NOT NULL, updated_at TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
         CREATE TABLE memberships (family_id TEXT NOT NULL, user_id TEXT NOT NULL, role TEXT NOT NULL,
             PRIMARY KEY (family_id, user_id)) WITHOUT ROWID;",
    )?;
    let now = jiff::Timestamp::now();
    let mut shots = Vec::new();
    for _ in 0..users {
        let new = |prefix| format!("{prefix}_{}", uuid::Uuid::now_v7().simple());
        let (user, family) = (new("usr"), new("fam"));
        connection.execute(
            "INSERT INTO families VALUES (?1, 'The Lovelaces', 'of London', 1, ?2, ?2, 1)",
            params![family, format!("{now:.3}")],
        )?;
        connection.execute(
            "INSERT INTO memberships VALUES (?1, ?2, 'admin')",
            params![family, user],
        )?;
        let claims = Claims {
            sub: user,
            exp: now.as_second() + 24 * 3600,
        };
        let signed = format!(
            "{HEADER}.{}",
            URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims)?)
        );
        let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()));
        let shot = Shot::get(format!("/api/v1/families/{family}"));
        shots.push(shot.header("authorization", format!("Bearer {signed}.{signature}")));
    }
    Ok(shots)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test fails by panicking"
    )]
    use super::*;
    use crate::load;

    /// The baseline must do the work, or the comparison is worth nothing.
    #[test]
    fn members_read_their_family_and_nobody_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().to_owned();
        let key = key_pair().unwrap();
        let path = data_dir.join("native.db");
        let shots = populate(&path, &key, 2).unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            tokio::runtime::Runtime::new().unwrap().block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                listen::accept(listener, TowerToHyperService::new(router(path, &key))).await
            })
        });
        let address = told.recv().unwrap();

        let family: serde_json::Value =
            serde_json::from_slice(&load::once(address, &shots[0]).unwrap()).unwrap();
        assert_eq!(
            (family["role"].as_str(), family["member_count"].as_u64()),
            (Some("admin"), Some(1))
        );

        load::once(
            address,
            &shots[0]
                .clone()
                .header("if-none-match", "\"1\"")
                .expecting(304),
        )
        .unwrap();
        let stranger = Shot {
            path: shots[1].path.clone(),
            ..shots[0].clone()
        };
        load::once(address, &stranger.expecting(404)).unwrap();
        let nobody = Shot::get(shots[0].path.clone());
        load::once(address, &nobody.clone().expecting(401)).unwrap();
        let (_, token) = &shots[0].headers[0];
        let forged = token.replacen(&token[token.len() - 8..], "AAAAAAAA", 1);
        load::once(
            address,
            &nobody.header("authorization", forged).expecting(401),
        )
        .unwrap();
    }
}
