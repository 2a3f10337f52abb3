//! What limits cost a component that stays far below them.
//!
//! They cannot be switched off. What is compared is the default against every limit as wide as the
//! manifest takes it; that they are looked at at all is part of what `family-vs-bare` measures.

use crate::Plan;
use crate::report::{Figure, Goal};
use crate::rounds::{Contender, compare};
use crate::sbd::{self, Sbd, USERS};

const WIDE: &str = r#"
memory = "1GiB"
handles = 1000000000
cpu_time = "24h"
request_timeout = "24h"
response_stall = "24h"
concurrency = 1000000000
instances = 1000
queue = 1000000000
reuse_requests = 128
failures = 1000000000
request_headers = "1GiB"
request_body = "1GiB"
response_headers = "1GiB"
response_body = "1000GiB"
log_rate = "1GiB"
outbound_in_flight = 1000000000
outbound_requests = 1000000000
outbound_response = "1000GiB"
call_depth = 1000000000
calls = 1000000000
capability_calls = 1000000000
capability_bytes = "1000GiB"
stored_bytes = "1000GiB"
stored_documents = 1000000000
"#;

/// One figure: requests a second.
pub(crate) fn run(plan: Plan) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let wide = Sbd::start_changed(&folder.path().join("wide"), |manifest| {
        let tables = ["auth", "family"]
            .map(|component| format!("\n[component.{component}.tool.sbd.limits]{WIDE}"));
        manifest + &tables.concat()
    })?;
    let limited = Sbd::start_for_load(&folder.path().join("limited"))?;
    let (wide_shots, shots) = (
        sbd::shots(&wide.families(USERS)?),
        sbd::shots(&limited.families(USERS)?),
    );
    let figure = compare(
        plan,
        "limits",
        &Contender {
            label: "limits as wide as they go",
            process: &wide.process,
            address: wide.address,
            shots: wide_shots,
        },
        &Contender {
            label: "the default limits",
            process: &limited.process,
            address: limited.address,
            shots,
        },
    )?;
    Ok(vec![figure.goal(Goal::RatioAtLeast(0.95))])
}
