//! What the host answers itself under `/api/v1`: one module a subject, and their `description`.

mod description;
pub mod realtime;
mod tasks;

use sbd_gateway::HostRoute;
use sbd_registry::Tenants;
use sbd_runtime::Runtime;

/// The routes, for the gateway's configuration.
pub fn routes(
    runtime: &Runtime,
    tenants: &Tenants,
    realtime: realtime::Settings,
) -> Vec<HostRoute> {
    let mut routes = tasks::routes(runtime);
    routes.extend(realtime::routes(runtime, tenants, realtime));
    let document = description::document();
    let described = |route: HostRoute| route.described_by(&document);
    routes.into_iter().map(described).collect()
}
