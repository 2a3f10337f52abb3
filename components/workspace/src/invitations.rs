//! Who is invited into a workspace, as what, and who looks after that.

use crate::commit::still_is;
use crate::inviting::{self, require_room};
use crate::model::WorkspaceId;
use crate::permissions::{Permission, Role};
use crate::store::{self, WORKSPACES};
use group::inviting::{Inviter, Inviting, Keeper};
use sbd_sdk::documents::Transaction;
use sbd_sdk::mail::Template;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[cfg(test)]
mod answers;
#[cfg(test)]
mod bad_input;

pub(crate) type Invitation = group::invitations::Invitation<WorkspaceId>;

/// What the invited are to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Terms {
    pub(crate) role: Role,
}

impl Inviting for WorkspaceId {
    type Terms = Terms;

    const UNANSWERED: u64 = 1000;
    const PER_DAY: u64 = 200;
    const MAIL: [Template; 2] = [
        Template::with_html(
            "en",
            "{{ inviter }} invites you into a workspace",
            "Hello,\n\n{{ inviter }} invites you into the workspace \"{{ workspace }}\".\n\n{% if link %}Sign in, or open an account, and accept or decline here:\n\n{{ link }}\n{% else %}Sign in, or open an account, and accept or decline with this code:\n\n{{ code }}\n{% endif %}\nThis is good for 7 days. If you do not know {{ inviter }}, ignore it.\n",
            "<p>Hello,</p><p>{{ inviter }} invites you into the workspace <strong>{{ workspace }}</strong>.</p>{% if link %}<p>Sign in, or open an account, and accept or decline here: <a href=\"{{ link }}\">{{ link }}</a></p>{% else %}<p>Sign in, or open an account, and accept or decline with this code: <code>{{ code }}</code></p>{% endif %}<p>This is good for 7 days. If you do not know {{ inviter }}, ignore it.</p>",
        ),
        Template::with_html(
            "de",
            "{{ inviter }} lädt Sie in einen Arbeitsbereich ein",
            "Guten Tag,\n\n{{ inviter }} lädt Sie in den Arbeitsbereich \"{{ workspace }}\" ein.\n\n{% if link %}Melden Sie sich an, oder eröffnen Sie ein Konto, und nehmen Sie hier an oder lehnen Sie ab:\n\n{{ link }}\n{% else %}Melden Sie sich an, oder eröffnen Sie ein Konto, und nehmen Sie mit diesem Code an oder lehnen Sie ab:\n\n{{ code }}\n{% endif %}\nDas gilt 7 Tage. Wenn Sie {{ inviter }} nicht kennen, tun Sie nichts.\n",
            "<p>Guten Tag,</p><p>{{ inviter }} lädt Sie in den Arbeitsbereich <strong>{{ workspace }}</strong> ein.</p>{% if link %}<p>Melden Sie sich an, oder eröffnen Sie ein Konto, und nehmen Sie hier an oder lehnen Sie ab: <a href=\"{{ link }}\">{{ link }}</a></p>{% else %}<p>Melden Sie sich an, oder eröffnen Sie ein Konto, und nehmen Sie mit diesem Code an oder lehnen Sie ab: <code>{{ code }}</code></p>{% endif %}<p>Das gilt 7 Tage. Wenn Sie {{ inviter }} nicht kennen, tun Sie nichts.</p>",
        ),
    ];

    async fn inviter(&self, caller: &Caller, terms: Option<&Terms>) -> Result<Inviter<Terms>> {
        let role = terms.map(|terms| &terms.role);
        let inviting = inviting::require(self, caller, role).await?;
        require_room(&inviting.workspace)?;
        Ok(Inviter {
            still: inviting.checked(Transaction::new()),
            name: inviting.own.username,
            terms: Terms {
                role: inviting.given.role,
            },
        })
    }

    async fn keeper(&self, caller: &Caller) -> Result<Keeper> {
        let own = store::membership(self, caller).await?;
        Ok(Keeper {
            of_all: own.may(Permission::Invite),
            still: still_is(&own),
        })
    }

    async fn joins(
        &self,
        change: Transaction,
        invitation: &Invitation,
        caller: &Caller,
        now: Time,
    ) -> Result<Transaction> {
        let workspace = WORKSPACES.get(self.as_str()).await?;
        let workspace = workspace.ok_or_else(|| Error::not_found("invitation"))?;
        let (by, role) = (&invitation.invited_by, &invitation.terms.role);
        let (change, _) = inviting::joins(change, &workspace, by, role, caller, now).await?;
        Ok(change)
    }

    fn told(terms: &Terms) -> Value {
        json!({"role": terms.role})
    }
}
