//! `/v1/embeddings`

use crate::failure::{Asked, Result};
use crate::vectors::{self, Made, Question};
use sbd_sdk::{Json, operation};

/// Makes vectors of texts.
#[operation(post "/v1/embeddings", permission = "inference:use", answers = "The vectors")]
pub(crate) async fn create_embeddings(Asked(asked): Asked<Question>) -> Result<Json<Made>> {
    vectors::make(asked).await.map(Json)
}
