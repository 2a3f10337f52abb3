//! What the host answers itself under `/api/v1`: one module a subject.

mod tasks;

use sbd_dispatch::Dispatch;
use sbd_gateway::HostRoute;
use sbd_runtime::Runtime;

/// The routes, for the gateway's configuration.
pub fn routes(runtime: &Runtime, _dispatch: &Dispatch) -> Vec<HostRoute> {
    tasks::routes(runtime)
}
