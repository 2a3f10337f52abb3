//! A user of the system, as a test plays it.

use crate::{Server, answers, run};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// A registered and signed-in user.
#[derive(Clone, Debug)]
pub struct Account {
    /// The user's id.
    pub id: String,
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
    client: reqwest::Client,
    url: String,
}

/// A password that passes the rules.
pub const PASSWORD: &str = "Correct-horse-7";

// === impl Account ===

impl Account {
    /// Registers a user of this name and signs in.
    pub async fn register(server: &Server, name: &str) -> Self {
        let body =
            json!({"username": name, "email": format!("{name}@example.com"), "password": PASSWORD});
        answers::json(server.post("/api/v1/auth/register", &body).await, 201).await;
        Self::login(server, name).await
    }

    /// Makes an administrator, as an operator does, and signs in.
    pub async fn administrator(server: &Server) -> Self {
        let data = server.data().display().to_string();
        let args = ["admin", "create", "root@example.com", "--data-dir", &data];
        let made = run(&args, &[], &format!("{PASSWORD}\n"));
        assert!(made.success, "{}", made.stderr);
        Self::login(server, "root@example.com").await
    }

    /// Signs in.
    pub async fn login(server: &Server, identifier: &str) -> Self {
        let body = json!({"identifier": identifier, "password": PASSWORD});
        let tokens = answers::json(server.post("/api/v1/auth/login", &body).await, 200).await;
        let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
        let mut account = Self {
            id: String::new(),
            access: text("access_token"),
            refresh: text("refresh_token"),
            client: server.client.clone(),
            url: server.url.clone(),
        };
        let me = account.get("/api/v1/auth/me").send().await.unwrap();
        let me = answers::json(me, 200).await;
        account.id = me["id"].as_str().unwrap().to_owned();
        account
    }

    /// An authenticated request.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(&self.access)
    }

    /// An authenticated GET.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    /// An authenticated POST of JSON.
    pub fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.request(Method::POST, path).json(body)
    }

    /// Reads JSON from a path.
    pub async fn read(&self, path: &str) -> Value {
        answers::json(self.get(path).send().await.unwrap(), 200).await
    }

    /// Creates a family and returns it.
    pub async fn create_family(&self, name: &str) -> Value {
        let created = self
            .post("/api/v1/families", &json!({"name": name}))
            .send()
            .await
            .unwrap();
        answers::json(created, 201).await
    }
}
