//! `/backup`

use super::answers::{By, Failure, archive};
use crate::{Admin, Error};
use axum::extract::State;
use axum::response::IntoResponse;
use sbd_backup::Paced;
use std::io::{Seek as _, SeekFrom};

/// A backup of everything, in one file; for the host's owner alone.
#[utoipa::path(get, path = "/backup", responses((status = 200, content_type = "application/x-tar", body = Vec<u8>)))]
pub(crate) async fn create(
    State(admin): State<Admin>,
    By(actor): By,
) -> Result<impl IntoResponse, Failure> {
    let cannot = |error: std::io::Error| Error::unavailable(format!("cannot back up: {error}"));
    let file = tempfile::tempfile_in(admin.temporary()).map_err(cannot)?;
    let (file, _) = admin.back_up(&actor, Paced::new(file)).await?;
    let mut file = file.into_inner();
    file.seek(SeekFrom::Start(0)).map_err(cannot)?;
    archive(file)
}
