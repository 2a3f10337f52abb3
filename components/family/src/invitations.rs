//! Who is invited into a family, and who looks after that: administrators. Whoever accepts is a member, and what they
//! and whoever invited are to each other, if that was said, in one commit.

use crate::commit::{counted, still_admin};
use crate::deletion;
use crate::events::Happened;
use crate::kinship::Kinship;
use crate::model::{Family, FamilyId, Membership, Role, membership_id, require_admin};
use crate::relationships;
use crate::store::{self, FAMILIES, MEMBERSHIPS};
use group::inviting::{Inviter, Inviting, Keeper};
use sbd_sdk::documents::Transaction;
use sbd_sdk::mail::Template;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Error, Result, config, text};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[cfg(test)]
mod answers;

/// How many members a family has at most, unless the variable `members_per_family` says otherwise. The reference
/// allows 5, which people find too few.
const MEMBERS: u64 = 10_000;
/// How many families a user belongs to at most, unless the variable `memberships_per_user` says otherwise.
const MEMBERSHIPS_PER_USER: u64 = 50;

pub(crate) type Invitation = group::invitations::Invitation<FamilyId>;

/// What the inviter and the invited are to each other once they are in one family.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Terms {
    pub(crate) kinship: Option<[Kinship; 2]>,
}

impl Inviting for FamilyId {
    type Terms = Terms;

    const UNANSWERED: u64 = 200;
    // The reference allows 10 in an hour.
    const PER_DAY: u64 = 100;
    const MAIL: [Template; 2] = [
        Template::with_html(
            "en",
            "{{ inviter }} invites you into a family",
            "Hello,\n\n{{ inviter }} invites you into the family \"{{ family }}\".\n\n{% if link %}Sign in, or open an account, and accept or decline here:\n\n{{ link }}\n{% else %}Sign in, or open an account, and accept or decline with this code:\n\n{{ code }}\n{% endif %}\nThis is good for 7 days. If you do not know {{ inviter }}, ignore it.\n",
            "<p>Hello,</p><p>{{ inviter }} invites you into the family <strong>{{ family }}</strong>.</p>{% if link %}<p>Sign in, or open an account, and accept or decline here: <a href=\"{{ link }}\">{{ link }}</a></p>{% else %}<p>Sign in, or open an account, and accept or decline with this code: <code>{{ code }}</code></p>{% endif %}<p>This is good for 7 days. If you do not know {{ inviter }}, ignore it.</p>",
        ),
        Template::with_html(
            "de",
            "{{ inviter }} lädt Sie in eine Familie ein",
            "Guten Tag,\n\n{{ inviter }} lädt Sie in die Familie \"{{ family }}\" ein.\n\n{% if link %}Melden Sie sich an, oder eröffnen Sie ein Konto, und nehmen Sie hier an oder lehnen Sie ab:\n\n{{ link }}\n{% else %}Melden Sie sich an, oder eröffnen Sie ein Konto, und nehmen Sie mit diesem Code an oder lehnen Sie ab:\n\n{{ code }}\n{% endif %}\nDas gilt 7 Tage. Wenn Sie {{ inviter }} nicht kennen, tun Sie nichts.\n",
            "<p>Guten Tag,</p><p>{{ inviter }} lädt Sie in die Familie <strong>{{ family }}</strong> ein.</p>{% if link %}<p>Melden Sie sich an, oder eröffnen Sie ein Konto, und nehmen Sie hier an oder lehnen Sie ab: <a href=\"{{ link }}\">{{ link }}</a></p>{% else %}<p>Melden Sie sich an, oder eröffnen Sie ein Konto, und nehmen Sie mit diesem Code an oder lehnen Sie ab: <code>{{ code }}</code></p>{% endif %}<p>Das gilt 7 Tage. Wenn Sie {{ inviter }} nicht kennen, tun Sie nichts.</p>",
        ),
    ];

    async fn inviter(&self, caller: &Caller, terms: Option<&Terms>) -> Result<Inviter<Terms>> {
        let (family, own) = store::family(self, caller).await?;
        require_admin(&own)?;
        deletion::require_open(&family)?;
        require_room(&family)?;
        let still = still_admin(self, &caller.user);
        Ok(Inviter {
            name: own.username,
            terms: terms.cloned().unwrap_or_default(),
            still: Transaction::new().check(&MEMBERSHIPS, still, 1),
        })
    }

    async fn keeper(&self, caller: &Caller) -> Result<Keeper> {
        require_admin(&store::membership(self, caller).await?)?;
        Ok(Keeper {
            of_all: true,
            still: still_admin(self, &caller.user),
        })
    }

    async fn joins(
        &self,
        change: Transaction,
        invitation: &Invitation,
        caller: &Caller,
        now: Time,
    ) -> Result<Transaction> {
        let family = FAMILIES.get(self.as_str()).await?;
        let family = family.ok_or_else(|| Error::not_found("invitation"))?;
        deletion::require_open(&family)?;
        require_room(&family)?;
        let by = &invitation.invited_by;
        let inviter = still_admin(self, by);
        if MEMBERSHIPS.find_one(inviter.clone()).await?.is_none() {
            return Err(Error::conflict(
                "whoever invited you is no administrator of the family any more; ask for another invitation",
            ));
        }
        let most = config::get_as("memberships_per_user")?.unwrap_or(MEMBERSHIPS_PER_USER);
        let own = json!({"user_id": caller.user});
        let belongs = MEMBERSHIPS.count(own.clone()).await?;
        if belongs >= most {
            let message =
                format!("you belong to {most} families, the most one user may; leave one first");
            return Err(Error::conflict(message));
        }
        let member = member(&family, caller, now);
        let room = json!({"member_count": {"$lt": members_limit()?}, "name": family.name});
        let change = change
            .check(&MEMBERSHIPS, inviter, 1)
            .check(&MEMBERSHIPS, own, belongs)
            .insert(&MEMBERSHIPS, &member);
        let change = counted(change, self, room, json!({"member_count": 1}));
        let change = Happened::member_added(&member).told_by(change);
        Ok(match invitation.terms.kinship {
            None => change,
            Some([is, other]) => {
                relationships::related(change, self, (by, is), (&caller.user, other), now)
            }
        })
    }

    fn told(_: &Terms) -> Value {
        json!({})
    }
}

fn member(family: &Family, caller: &Caller, now: Time) -> Membership {
    Membership {
        id: membership_id(&family.id, &caller.user),
        family_id: family.id.clone(),
        user_id: caller.user.to_string(),
        username: caller.username.clone(),
        role: Role::Member,
        minor: false,
        guardians: Vec::new(),
        joined_at: now,
        family_name_key: text::key(&family.name),
        family_created_at: family.created_at,
    }
}

/// Answers 409 where a family has as many members as it may.
fn require_room(family: &Family) -> Result<()> {
    let most = members_limit()?;
    if family.member_count < most {
        return Ok(());
    }
    let message = format!("the family has {most} members, the most there may be");
    Err(Error::conflict(message))
}

fn members_limit() -> Result<u64> {
    Ok(config::get_as("members_per_family")?.unwrap_or(MEMBERS))
}

// === impl Terms ===

impl Terms {
    /// Checks what somebody says they are to whoever is invited, and these to them.
    pub(crate) fn check(
        relationship: Option<Kinship>,
        reciprocal: Option<Kinship>,
    ) -> Result<Self> {
        let kinship = match (relationship, reciprocal) {
            (Some(is), other) => Some([is, is.other(other)?]),
            (None, None) => None,
            (None, Some(_)) => {
                let message = "say what you are to whoever is invited";
                return Err(Error::validation("relationship", message));
            }
        };
        Ok(Self { kinship })
    }
}
