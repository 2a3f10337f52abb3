//! OpenAI's API over the models that the operator has set up: `/v1/models`, `/v1/chat/completions` and
//! `/v1/embeddings`, so that whatever speaks to OpenAI speaks to this server, with an access token as its
//! key. What goes wrong is told as OpenAI does.
//!
//! What is asked and cannot be done here is refused; what is asked and makes no difference is left out.

mod answer;
mod api;
mod failure;
mod question;
mod vectors;

use sbd_sdk::Component;

/// All that the component offers.
pub fn component() -> Component {
    Component::new()
        .operations(
            "models",
            [
                api::models::list_models(),
                api::models::get_model(),
                api::chat::create_chat_completion(),
                api::embeddings::create_embeddings(),
            ],
        )
        .operations("usage", [api::usage::list_usage()])
}

sbd_sdk::component!(component);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use sbd_sdk::testing::{App, assert_described};

    /// The component with its own manifest and an embedding model of 26 numbers.
    pub(crate) fn app() -> App {
        let app = App::new(super::component()).manifest(include_str!("../spin.toml"));
        app.with_embedding_model(26)
    }

    #[test]
    fn every_operation_is_described() {
        assert_described(super::component());
    }
}
