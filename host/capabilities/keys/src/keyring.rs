//! The signing keys of every tenant.

use crate::key::Key;
use futures::future::BoxFuture;
use sbd_keyring::Error;
use serde_json::{Value, json};
use std::sync::Arc;

/// The signing keys of one tenant: the one that signs, and those that still verify.
pub type TenantKeys = sbd_keyring::Keys<Key>;

/// Signing keys in a folder, one file a tenant.
pub type FileKeyring = sbd_keyring::FileKeyring<Key>;

/// Where signing keys are kept.
pub trait Keyring: Send + Sync + 'static {
    /// The keys of a tenant; made on first use.
    fn keys<'a>(&'a self, tenant: &'a str) -> BoxFuture<'a, Result<Arc<TenantKeys>, Error>>;

    /// Signs with a new key from now on. Tokens signed before stay good until they run out.
    fn rotate<'a>(&'a self, tenant: &'a str) -> BoxFuture<'a, Result<(), Error>>;
}

impl Keyring for FileKeyring {
    fn keys<'a>(&'a self, tenant: &'a str) -> BoxFuture<'a, Result<Arc<TenantKeys>, Error>> {
        Box::pin(self.keys(tenant))
    }

    fn rotate<'a>(&'a self, tenant: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.rotate(tenant))
    }
}

/// The key of an id, unless no token signed with it can be good any more.
pub(crate) fn by_id<'a>(keys: &'a TenantKeys, kid: &str, now: i64) -> Option<&'a Key> {
    verifying(keys, now).find(|key| key.kid == kid)
}

/// The public keys as a JSON Web Key Set (RFC 7517).
pub(crate) fn jwks(keys: &TenantKeys, now: i64) -> String {
    let keys: Vec<Value> = verifying(keys, now).filter_map(Key::jwk).collect();
    json!({ "keys": keys }).to_string()
}

fn verifying(keys: &TenantKeys, now: i64) -> impl Iterator<Item = &Key> {
    let former = keys.former.iter();
    let former = former.filter(move |key| key.retire_at.is_some_and(|at| at > now));
    std::iter::once(&keys.current).chain(former)
}
