//! What the host asks the auth component at [`crate::path::AUTHENTICATE`], and what it answers.

use crate::Scopes;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;

/// Whom does this speak for, and what may they do now? Answered with an [`Identity`], or with 401
/// and the code `TOKEN_EXPIRED` or `TOKEN_INVALID`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Question {
    /// A bearer token of a request.
    Token(Presented),
    /// What a user left a component to do: whether they may still do it.
    Delegation {
        /// The user's id.
        user: Arc<str>,
    },
}

/// A token, and from where it was presented. The answer to it is kept for the same token from the same address with
/// the same program alone.
#[derive(Clone, Serialize, Deserialize)]
pub struct Presented {
    /// The token.
    pub token: String,
    /// The address that the request comes from, as far as trusted proxies tell.
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// What the program that sent it calls itself.
    #[serde(default)]
    pub user_agent: Option<String>,
}

/// Who that is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// The user's id.
    pub user: Arc<str>,
    /// The session's id, if it is a session's token.
    pub session: Option<Arc<str>>,
    /// The user's name, for display.
    pub username: String,
    /// The user's roles.
    pub roles: Vec<String>,
    /// What the user may do. Who says nothing gives no right to anything that needs a permission.
    #[serde(default)]
    pub scopes: Scopes,
    /// The administrator who acts in the user's place, if one does. The host says so in every answer, in its log, and in
    /// what is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impersonated_by: Option<Arc<str>>,
    /// Until when the answer holds at most, RFC 3339.
    pub expires_at: String,
}

impl std::fmt::Debug for Presented {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Presented")
            .field("address", &self.address)
            .field("user_agent", &self.user_agent)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Question {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Token(presented) => presented.fmt(f),
            Self::Delegation { user } => f.debug_struct("Delegation").field("user", user).finish(),
        }
    }
}
