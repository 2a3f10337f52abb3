//! Backups of the whole host.

use crate::{Admin, Error};
use sbd_backup::{Backup, Manifest};
use sbd_registry::Actor;
use serde_json::Value;
use std::io::Write;

impl Admin {
    /// Writes a backup of everything; answers what it was written to, and what is in it. Requests go on meanwhile, and so does all administration but that of
    /// deleting tenants, which waits.
    ///
    /// # Errors
    /// When it is not the host's owner who asks, something is damaged or cannot be read, or there is no
    /// room.
    pub async fn back_up<W: Write + Send + 'static>(
        &self,
        actor: &Actor,
        to: W,
    ) -> Result<(W, Manifest), Error> {
        let back_up = async {
            if !matches!(actor, Actor::Owner | Actor::Host) {
                return Err(Error::forbidden(
                    "a backup holds the keys of every tenant; make it on the server, as the user that runs it",
                ));
            }
            // Whatever tenant is named in it is in it.
            let _here = self.deleting.lock().await;
            let data_dir = self.runtime.data_dir().to_owned();
            let temporary = self.temporary();
            let begin = move || Backup::begin(&data_dir, &temporary, env!("CARGO_PKG_VERSION"), to);
            let begun = {
                let _still = self.changing.lock().await;
                tokio::task::spawn_blocking(begin).await
            };
            let begun = begun.map_err(|error| Error::unavailable(error.to_string()))??;
            let finished = tokio::task::spawn_blocking(|| begun.finish()).await;
            Ok(finished.map_err(|error| Error::unavailable(error.to_string()))??)
        };
        self.act(actor, "backup.create", "host", Value::Null, back_up)
            .await
    }
}

impl From<sbd_backup::Error> for Error {
    fn from(error: sbd_backup::Error) -> Self {
        Self::unavailable(error.to_string())
    }
}
