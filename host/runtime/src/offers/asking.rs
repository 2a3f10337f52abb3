//! Asking a component what it offers, in an instance that belongs to nobody.

use super::{LARGEST, Loading};
use crate::body;
use crate::egress::Egress;
use crate::failures::Failures;
use crate::limit::Allowance;
use crate::origin::{Origin, Passage};
use crate::slots::Slots;
use crate::worker::Blueprint;
use crate::{grants, pool};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use sbd_config::ConfigCtx;
use sbd_contract::path;
use sbd_manifest::{AllowedHosts, Component as Declared};
use std::sync::{Arc, Weak};
use std::time::Duration;
use wasmtime_wasi_http::handler::ProxyHandler;

/// How long a component may take to say what it offers.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a component answered.
#[derive(Debug)]
pub(super) enum Asking {
    /// This document.
    Document(Bytes),
    /// A document that is larger than [`LARGEST`].
    TooLarge,
    /// That there is none; for a component not written for this host that is in order.
    Nothing,
    /// It failed, or did not answer in time.
    Failed(String),
}

// === impl Asking ===

impl Asking {
    /// Asks. Blocks for as long as a component may compute, and no longer than [`PATIENCE`].
    pub(super) fn ask(loading: &Loading<'_>) -> Self {
        let declared = loading.declared;
        let blueprint = match blueprint(loading) {
            Ok(blueprint) => blueprint,
            Err(error) => return Self::Failed(format!("{error:#}")),
        };
        let asked = async { tokio::time::timeout(PATIENCE, answer(blueprint, declared)).await };
        let answered = tokio::runtime::Handle::current().block_on(asked);
        answered
            .unwrap_or_else(|_| Self::Failed(format!("no answer within {} s", PATIENCE.as_secs())))
    }
}

async fn answer(blueprint: Blueprint, declared: &Declared) -> Asking {
    let address = format!("http://{}.spin.internal{}", declared.id, path::OFFER);
    let request = match Request::get(address).body(body::empty()) {
        Ok(request) => request,
        Err(error) => return Asking::Failed(error.to_string()),
    };
    let allowance = Arc::clone(&blueprint.allowance);
    let origin = Arc::new(Origin::new(Passage::of_nobody(), allowance));
    let handler = ProxyHandler::new(blueprint);
    let response = match handler.handle(origin, request).await {
        Ok(response) => response,
        Err(error) => return Asking::Failed(pool::cut(format!("{error:#}"))),
    };
    let (head, body) = response.into_parts();
    if head.status != StatusCode::OK {
        return if head.status.is_server_error() {
            Asking::Failed(format!("it answered {}", head.status))
        } else {
            Asking::Nothing
        };
    }
    match Limited::new(body, LARGEST).collect().await {
        Ok(body) => Asking::Document(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Asking::TooLarge,
        Err(error) => Asking::Failed(error.to_string()),
    }
}

/// An instance of nobody: bounded as every other, with its variables and without anything else.
fn blueprint(loading: &Loading<'_>) -> Result<Blueprint, crate::Error> {
    let Loading {
        loader, declared, ..
    } = *loading;
    let id: Arc<str> = Arc::from(declared.id.as_str());
    let limits = declared.settings.limits.clone();
    let nowhere = Arc::new(AllowedHosts::default());
    let egress = Egress::new(nowhere, loader.reaches.clone(), 1);
    Ok(Blueprint {
        engine: loader.engine.clone(),
        turns: loader.turns.of_tenant(),
        proxy: Arc::new(grants::link_nothing(
            loader.engine,
            declared,
            loading.component,
        )?),
        runtime: Weak::new(),
        egress: Arc::new(egress),
        environment: declared.environment.clone().into_iter().collect(),
        config: ConfigCtx::new(Arc::clone(&id), Arc::clone(loading.variables)),
        capabilities: None,
        slots: Arc::new(Slots::new(1)),
        crowded: Arc::default(),
        own_instances: Arc::default(),
        failures: Arc::new(Failures::new(limits.failures)),
        retired: Arc::default(),
        allowance: Arc::new(Allowance::new("-".into(), id, limits)),
    })
}
