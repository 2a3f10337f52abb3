//! A user of the system, as a test plays it.

use crate::Server;
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
        let body = json!({"username": name, "email": format!("{name}@example.com"), "password": PASSWORD});
        let response = server.client.post(server.at("/api/v1/auth/register")).json(&body).send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert_eq!(status, 201, "{text}\n{}", server.log());
        Self::login(server, name).await
    }

    /// Signs in.
    pub async fn login(server: &Server, identifier: &str) -> Self {
        let body = json!({"identifier": identifier, "password": PASSWORD});
        let response = server.client.post(server.at("/api/v1/auth/login")).json(&body).send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert_eq!(status, 200, "{text}");
        let tokens: Value = serde_json::from_str(&text).unwrap();
        let mut account = Self {
            id: String::new(),
            access: tokens["access_token"].as_str().unwrap().to_owned(),
            refresh: tokens["refresh_token"].as_str().unwrap().to_owned(),
            client: server.client.clone(),
            url: server.url.clone(),
        };
        let me: Value = account.get("/api/v1/auth/me").send().await.unwrap().json().await.unwrap();
        account.id = me["id"].as_str().unwrap_or_else(|| panic!("{me}")).to_owned();
        account
    }

    /// An authenticated request.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).bearer_auth(&self.access)
    }

    /// An authenticated GET.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    /// An authenticated POST of JSON.
    pub fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.request(Method::POST, path).json(body)
    }

    /// Creates a family and returns it.
    pub async fn create_family(&self, name: &str) -> Value {
        let response = self.post("/api/v1/families", &json!({"name": name})).send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert_eq!(status, 201, "{text}");
        serde_json::from_str(&text).unwrap()
    }
}
