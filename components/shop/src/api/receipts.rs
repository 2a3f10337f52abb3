//! `/api/v1/shop/orders/{order_id}/receipt`.

use crate::model::OrderId;
use crate::orders;
use crate::receipt::Receipt;
use axum::response::{IntoResponse, Response};
use http::header;
use membership::html;
use sbd_sdk::openapi::{Description, Output};
use sbd_sdk::{Caller, Json, Path, Query, Result, operation};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

/// How a receipt is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ShopReceiptFormat)]
pub(crate) enum Format {
    /// As data.
    #[default]
    Json,
    /// As a page.
    Html,
    /// To be printed.
    Pdf,
}

/// Which form of a receipt.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// `json` if not said.
    #[param(inline)]
    format: Option<Format>,
}

/// A receipt in the form that was asked for.
pub(crate) struct Formed {
    receipt: Receipt,
    format: Format,
}

/// Reads the receipt of an order, as data, as a page, or to be printed.
#[operation(
    get "/api/v1/shop/orders/{order_id}/receipt", permission = "shop:read", answers = "It",
    refuses(not_found = "No order of the caller", conflict = "The order is not completed")
)]
pub(crate) async fn get_shop_receipt(
    caller: Caller,
    Path(id): Path<OrderId>,
    Query(wanted): Query<Wanted>,
) -> Result<Formed> {
    let order = orders::visible(&caller, &id).await?;
    Ok(Formed {
        receipt: Receipt::of(&order)?,
        format: wanted.format.unwrap_or_default(),
    })
}

impl IntoResponse for Formed {
    fn into_response(self) -> Response {
        let pdf = [(header::CONTENT_TYPE, "application/pdf")];
        match self.format {
            Format::Json => Json(self.receipt).into_response(),
            Format::Html => (html::HEADERS, self.receipt.html()).into_response(),
            Format::Pdf => (pdf, self.receipt.pdf()).into_response(),
        }
    }
}

/// As data; the other forms say the same.
impl Output for Formed {
    fn describe(description: &mut Description) {
        <Json<Receipt> as Output>::describe(description);
    }
}
