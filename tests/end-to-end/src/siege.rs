//! A server with one hostile guest and a neighbour who must not notice.

use crate::{Launch, Server, assert_error};
use reqwest::Response;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinHandle;

/// After an attack the server's resident memory comes back to within this of before.
const GROWTH: f64 = 50e6;

/// The neighbour, and who a user is.
const NEIGHBOURS: &str = r#"
[application.tool.sbd]
auth = "auth"
rate_limit = { per_second = 100000, burst = 100000 }

[[trigger.http]]
route = "/probe/..."
component = "victim"

[component.victim]
source = "{guest:probe}"
allowed_outbound_hosts = ["http://nobody.spin.internal"]

{component:auth}
"#;

/// A hostile guest at work.
pub struct Siege {
    /// The server it attacks.
    pub server: Server,
    component: String,
    before: f64,
    over: Arc<AtomicBool>,
    neighbour: JoinHandle<usize>,
}

// === impl Siege ===

impl Siege {
    /// Starts a server with these folders of `tests/hostile`, and a neighbour who keeps asking.
    pub async fn of(guests: &[&str]) -> Self {
        let mut manifest = NEIGHBOURS.to_owned();
        for guest in guests {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hostile");
            let path = folder.join(guest).join("spin.toml");
            manifest.push_str(&std::fs::read_to_string(path).unwrap());
        }
        let server = Launch::app(&manifest).start().await;
        let victim = server.at("/probe/whoami");
        for _ in 0..20 {
            assert_eq!(server.get("/probe/whoami").await.status(), 200);
        }
        let before = server.metric("process_resident_memory_bytes", "").await;
        let over = Arc::new(AtomicBool::new(false));
        let (client, ending) = (server.client.clone(), Arc::clone(&over));
        let neighbour = tokio::spawn(async move {
            let mut answers = 0;
            while !ending.load(Ordering::Relaxed) {
                let response = client.get(&victim).send().await.unwrap();
                assert_eq!(response.status(), 200, "the neighbour noticed");
                answers += 1;
            }
            answers
        });
        Self {
            server,
            component: guests[0].to_owned(),
            before,
            over,
            neighbour,
        }
    }

    /// GET of a path of the guest.
    pub async fn get(&self, path: &str) -> Response {
        let path = format!("/{}/{path}", self.component);
        self.server.get(&path).await
    }

    /// JSON that the guest answers.
    pub async fn read(&self, path: &str) -> Value {
        crate::json(self.get(path).await, 200).await
    }

    /// The guest still serves.
    pub async fn serves(&self) {
        assert_eq!(self.get("ok").await.status(), 200);
    }

    /// A request that a limit refuses: the answer names it, and so do the metric and the log.
    pub async fn refused(&self, path: &str, status: u16, code: &str, limit: &str) -> Value {
        let refused = assert_error(self.get(path).await, status, code).await;
        let named = &refused["error"]["details"][0]["field"];
        assert_eq!(*named, format!("limits.{limit}"), "{refused}");
        self.told(limit).await;
        refused
    }

    /// Metric and log name the limit.
    pub async fn told(&self, limit: &str) {
        let component = &self.component;
        let line = format!("the limit `{limit}` (");
        self.server.wait_for_log(&line).await;
        let metrics = self.server.metrics().await;
        let counted = metrics.lines().any(|line| {
            line.starts_with("sbd_limit_exceeded_total")
                && line.contains("tenant=\"default\"")
                && line.contains(&format!("limit=\"{limit}\""))
        });
        assert!(
            counted,
            "`{limit}` of {component} is not counted:\n{metrics}"
        );
    }

    /// Ends it: the neighbour was served all along, and the memory comes back.
    pub async fn lift(self) {
        self.over.store(true, Ordering::Relaxed);
        let answers = self.neighbour.await.unwrap();
        assert!(answers > 0, "the neighbour got no answer");
        let mut now = f64::INFINITY;
        for _ in 0..600 {
            now = self
                .server
                .metric("process_resident_memory_bytes", "")
                .await;
            if now <= self.before + GROWTH {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!(
            "{:.0} MB before, {:.0} MB after",
            self.before / 1e6,
            now / 1e6
        );
    }
}
