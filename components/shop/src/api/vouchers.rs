//! `/api/v1/shop/vouchers`.

use crate::store::VOUCHERS;
use crate::vouchers::{self, New, Off, Voucher};
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Created, Json, Listing, NoContent, Path, Result, Tokens, operation};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// What is to be a voucher.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ShopVoucherInput)]
pub(crate) struct VoucherInput {
    /// 4 to 40 of A-Z, 0-9 and -; small letters are taken for capitals.
    #[schema(min_length = 4, max_length = 40, example = "SPRING-10")]
    code: String,
    /// So many of a hundred off; or else `amount`.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100)]
    percent: Option<u8>,
    /// So many tokens off; or else `percent`.
    #[serde(default)]
    amount: Option<Tokens>,
    /// Only for orders of so many tokens or more.
    #[serde(default)]
    least: Option<Tokens>,
    /// How often it may be used; without an end when not said. Each buyer uses it once.
    #[serde(default)]
    #[schema(minimum = 1)]
    uses: Option<u64>,
    /// Not before.
    #[serde(default)]
    from: Option<Time>,
    /// Not any more from this time on.
    #[serde(default)]
    until: Option<Time>,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 200)]
    note: Option<String>,
}

/// A voucher.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShopVoucher)]
pub(crate) struct VoucherView {
    /// By which it is used.
    code: String,
    /// So many of a hundred off.
    percent: Option<u8>,
    /// So many tokens off.
    amount: Option<Tokens>,
    /// Only for orders of so many tokens or more.
    least: Option<Tokens>,
    /// How often it may be used still.
    left: Option<u64>,
    /// How often it was.
    used: u64,
    /// Not before.
    from: Option<Time>,
    /// Not any more from this time on.
    until: Option<Time>,
    /// What it is for.
    note: Option<String>,
    /// Who made it.
    created_by: String,
    /// When.
    created_at: Time,
}

/// Makes a voucher, which takes something off an order: once for each buyer.
#[operation(
    post "/api/v1/shop/vouchers", permission = "admin:shop:vouchers", location = "All vouchers",
    refuses(conflict = "There is one of this code")
)]
pub(crate) async fn make_shop_voucher(
    caller: Caller,
    Json(input): Json<VoucherInput>,
) -> Result<Created<VoucherView>> {
    let voucher = vouchers::make(&caller, input.into()).await?;
    Created::at("/api/v1/shop/vouchers", &VoucherView::from(voucher))
}

/// Lists vouchers.
#[operation(get "/api/v1/shop/vouchers", permission = "admin:shop:vouchers")]
pub(crate) async fn list_shop_vouchers(
    _: Caller,
    listing: Listing,
) -> Result<Json<Page<VoucherView>>> {
    let page = VOUCHERS.find(json!({})).page(&listing).await?;
    Ok(Json(page.map(VoucherView::from)))
}

/// Ends a voucher: it is not good any more.
#[operation(
    delete "/api/v1/shop/vouchers/{code}", permission = "admin:shop:vouchers",
    refuses(not_found = "No voucher of this code")
)]
pub(crate) async fn end_shop_voucher(_: Caller, Path(code): Path<String>) -> Result<NoContent> {
    vouchers::end(&code).await?;
    Ok(NoContent)
}

impl From<VoucherInput> for New {
    fn from(input: VoucherInput) -> Self {
        Self {
            code: input.code,
            off: Off {
                percent: input.percent,
                amount: input.amount,
            },
            least: input.least,
            uses: input.uses,
            from: input.from,
            until: input.until,
            note: input.note,
        }
    }
}

impl From<Voucher> for VoucherView {
    fn from(voucher: Voucher) -> Self {
        Self {
            code: voucher.code,
            percent: voucher.off.percent,
            amount: voucher.off.amount,
            least: voucher.least,
            left: voucher.left,
            used: voucher.used,
            from: voucher.from,
            until: voucher.until,
            note: voucher.note,
            created_by: voucher.created_by,
            created_at: voucher.created_at,
        }
    }
}
