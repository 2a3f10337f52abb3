//! What the host answers itself under `/api/v1`: one module a subject.

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
    routes
}
