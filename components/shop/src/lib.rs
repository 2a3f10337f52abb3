//! What is sold for tokens, who buys it, and what everybody owns.
//!
//! Administrators keep what is offered; whoever is signed in buys it. An order is a saga (`saga`): stock is
//! reserved in its own commit, tokens are held, each line is granted, and only then are the tokens paid.
//! What stops on the way is gone on with by a schedule, or undone.

mod api;
mod cart;
mod catalogue;
mod checkout;
mod commit;
mod events;
mod grants;
mod holding;
mod item;
mod kinds;
mod model;
mod neighbours;
mod order;
mod orders;
mod payer;
mod progress;
mod refunds;
mod rentals;
mod saga;
mod stock;
mod store;
mod telling;
mod vouchers;

use sbd_sdk::Component;

/// All that the component offers.
pub fn component() -> Component {
    Component::new()
        .operations(
            "shop cart",
            [
                api::cart::get_shop_cart(),
                api::cart::put_into_shop_cart(),
                api::cart::take_out_of_shop_cart(),
                api::cart::empty_shop_cart(),
            ],
        )
        .operations(
            "shop orders",
            [
                api::orders::place_shop_order(),
                api::orders::list_shop_orders(),
                api::orders::get_shop_order(),
                api::orders::cancel_shop_order(),
                api::refunds::refund_shop_order(),
                api::refunds::list_shop_refunds(),
            ],
        )
        .operations(
            "shop vouchers",
            [
                api::vouchers::make_shop_voucher(),
                api::vouchers::list_shop_vouchers(),
                api::vouchers::end_shop_voucher(),
            ],
        )
        .events([
            api::progress::family_decided(),
            api::progress::workspace_decided(),
            api::progress::granted_by_others(),
            api::progress::refused_by_others(),
        ])
        .schedules([api::progress::settle()])
}

sbd_sdk::component!(component);
