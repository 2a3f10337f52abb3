//! What an order is of.

use sbd_sdk::id;

id!(pub(crate) OrderId, "ord", "order");
id!(pub(crate) LineId, "lin", "line");
