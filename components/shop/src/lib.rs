//! What is sold for tokens, who buys it, and what everybody owns.
//!
//! Administrators keep what is offered; whoever is signed in buys it. An order is a saga (`saga`): stock is
//! reserved in its own commit, tokens are held, each line is granted, and only then are the tokens paid.
//! What stops on the way is gone on with by a schedule, or undone.

mod api;
mod cart;
mod catalogue;
mod categories;
mod checkout;
mod commit;
mod contents;
mod departure;
mod events;
mod features;
mod grants;
mod holding;
mod inventory;
mod item;
mod kinds;
mod listing;
#[cfg(test)]
mod market;
mod model;
mod neighbours;
mod order;
mod orders;
mod payer;
mod payers;
mod progress;
mod receipt;
mod recipient;
mod refunds;
mod renewals;
mod rentals;
mod saga;
mod statistics;
mod stock;
mod store;
mod telling;
mod vouchers;

use sbd_sdk::Component;

/// All that the component offers.
pub fn component() -> Component {
    Component::new()
        .operations(
            "shop catalogue",
            [
                api::items::list_shop_items(),
                api::items::get_shop_item(),
                api::items::create_shop_item(),
                api::items::import_shop_items(),
                api::items::replace_shop_item(),
                api::items::restock_shop_item(),
                api::items::delete_shop_item(),
                api::contents::add_shop_image(),
                api::contents::get_shop_image(),
                api::contents::remove_shop_image(),
                api::contents::put_shop_file(),
                api::contents::get_shop_file(),
                api::categories::list_shop_categories(),
                api::categories::get_shop_category(),
                api::categories::create_shop_category(),
                api::categories::replace_shop_category(),
                api::categories::delete_shop_category(),
            ],
        )
        .operations(
            "shop inventory",
            [
                api::inventory::list_shop_inventory(),
                api::inventory::renew_shop_rental(),
                api::inventory::end_shop_renewal(),
                api::inventory::get_shop_active(),
                api::inventory::use_shop_item(),
                api::inventory::stop_using_shop_item(),
            ],
        )
        .operations(
            "shop kinds",
            [
                api::kinds::list_shop_kinds(),
                api::kinds::declare_shop_kind(),
                api::kinds::get_shop_grant(),
                api::kinds::confirm_shop_grant(),
                api::kinds::refuse_shop_grant(),
            ],
        )
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
                api::payers::list_shop_payers(),
                api::orders::place_shop_order(),
                api::orders::list_shop_orders(),
                api::orders::get_shop_order(),
                api::orders::cancel_shop_order(),
                api::receipts::get_shop_receipt(),
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
        .operations("shop statistics", [api::statistics::get_shop_statistics()])
        .events([
            api::host::account_deleted(),
            api::progress::family_decided(),
            api::progress::workspace_decided(),
            api::progress::granted(),
            api::progress::refused_by_others(),
            api::progress::ended(),
        ])
        .tasks([api::host::renew_rental()])
        .schedules([
            api::progress::settle(),
            api::host::settle_rentals(),
            api::host::sweep_contents(),
            api::host::tell_features(),
        ])
}

sbd_sdk::component!(component);

#[cfg(test)]
mod shelf;
