//! Who may do what with an account: decided here and nowhere else. What needs a permission of administration
//! by itself (to mint, to burn, to reconcile) says so at its operation.

use crate::model::{Account, Hold, Kind};
use sbd_sdk::{Error, Principal, Result};

/// Reads any account.
const READ: &str = "admin:wallet:read";
/// Sets limits, and freezes.
const GOVERN: &str = "admin:wallet:govern";

/// Whether somebody spends from an account, and sees it: its user, whichever component asks for them, or the
/// component that acts for owners of its kind, for itself or for a user. A component that is called by that
/// one and passes its caller on is another one.
pub(crate) fn is_owner(by: &Principal, account: &Account) -> bool {
    match account.kind {
        Kind::User => by.user.as_deref() == Some(&*account.id),
        kind => kind.component().is_some() && by.asking_component() == kind.component(),
    }
}

/// Answers 404 to whom an account is not there at all.
pub(crate) fn require_owner(by: &Principal, account: &Account) -> Result<()> {
    match is_owner(by, account) {
        true => Ok(()),
        false => Err(Error::not_found("account")),
    }
}

/// Owners see an account, and administrators every one.
pub(crate) fn require_reader(by: &Principal, account: &Account) -> Result<()> {
    match by.scopes.allow(READ) {
        true => Ok(()),
        false => require_owner(by, account),
    }
}

/// Limits and freezes are set by administrators, and for an account that a component acts for by that one;
/// users do not lift their own.
pub(crate) fn require_governor(by: &Principal, account: &Account) -> Result<()> {
    if by.scopes.allow(GOVERN) && account.kind != Kind::System {
        return Ok(());
    }
    require_owner(by, account)?;
    match account.kind.component() {
        Some(_) => Ok(()),
        None => Err(Error::lacks_permission(GOVERN)),
    }
}

/// Accounts that components act for are opened by them.
pub(crate) fn require_opener(by: &Principal, kind: Kind) -> Result<()> {
    match by.asking_component() {
        Some(component) if Some(component) == kind.component() => Ok(()),
        _ => Err(Error::forbidden(
            "the accounts of families, workspaces and the shop are opened by their components; create a family or a workspace instead",
        )),
    }
}

/// And closed by them; what is a user's stays.
pub(crate) fn require_closer(by: &Principal, account: &Account) -> Result<()> {
    require_owner(by, account)?;
    match account.kind.component() {
        Some(_) => Ok(()),
        None => Err(Error::forbidden(
            "the accounts of families, workspaces and the shop alone are closed, by their components",
        )),
    }
}

/// A hold is captured and released by whoever made it: the component, whomever it acts for, or the user.
pub(crate) fn is_holder(by: &Principal, hold: &Hold) -> bool {
    match &hold.component {
        Some(component) => by.asking_component() == Some(component),
        None => {
            by.asking_component().is_none()
                && by.user.is_some()
                && by.user.as_deref() == hold.user.as_deref()
        }
    }
}

/// Who it is that acts: `usr_...`, a component, or a component for a user. Whoever acted before the component
/// that asks, stands after it: `shop/agents/usr_...`.
pub(crate) fn name(by: &Principal) -> String {
    let asks = by.asking_component();
    let before = by.component.as_deref().filter(|acts| Some(*acts) != asks);
    let parts = [asks, before, by.user.as_deref()];
    parts.into_iter().flatten().collect::<Vec<_>>().join("/")
}

/// The account that somebody means who names none: a user's own.
pub(crate) fn own(by: &Principal) -> Result<&str> {
    by.user.as_deref().ok_or_else(|| {
        Error::validation(
            "from",
            "a component has no account of its own; name the one it acts for",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sbd_sdk::Scopes;
    use sbd_sdk::time::Time;

    #[test]
    fn who_acts_is_said() {
        let ada = || Principal::user("test", "usr_1");
        let later = || ada().delegated_to("family", &Scopes::everything());
        for (by, expected) in [
            (ada(), "usr_1"),
            (ada().called_via("family"), "family/usr_1"),
            (later(), "family/usr_1"),
            (later().called_via("family"), "family/usr_1"),
            (later().called_via("shop"), "shop/family/usr_1"),
            (Principal::service("test", "family"), "family"),
        ] {
            assert_eq!(name(&by), expected);
        }
    }

    #[test]
    fn an_account_is_its_owners_alone() {
        let open = |id: &str, kind| Account::open(id, kind, Time::from_seconds(1));
        let (ada, family) = (open("usr_1", Kind::User), open("fam_1", Kind::Family));
        let (workspace, system) = (open("wsp_1", Kind::Workspace), open("system", Kind::System));
        let shop = open("shop", Kind::Shop);
        let user = |id: &str| Principal::user("test", id);
        let service = |name: &str| Principal::service("test", name);
        let later = user("usr_1").delegated_to("family", &Scopes::everything());
        let now = user("usr_1").called_via("family");
        let root = user("usr_9").with_scopes(Scopes::everything().with_administration());
        for (by, account, is) in [
            (user("usr_1"), &ada, true),
            (user("usr_2"), &ada, false),
            (later.clone(), &ada, true),
            (service("family"), &ada, false),
            (root.clone(), &ada, false),
            (service("family"), &family, true),
            (later.clone(), &family, true),
            (now.clone(), &family, true),
            (now, &ada, true),
            (service("family").called_via("family"), &family, true),
            // What the family leaves to others is not left to do as the family.
            (service("family").called_via("shop"), &family, false),
            (later.called_via("shop"), &family, false),
            (user("usr_1").called_via("shop"), &family, false),
            (user("usr_2").called_via("shop"), &ada, false),
            (service("workspace"), &family, false),
            (user("usr_1"), &family, false),
            (user("fam_1"), &family, false),
            (service("workspace"), &workspace, true),
            (service("shop"), &shop, true),
            (user("usr_1").called_via("shop"), &shop, true),
            (service("family"), &shop, false),
            (service("shop"), &workspace, false),
            (user("shop"), &shop, false),
            (service("system"), &system, false),
            (service("wallet"), &system, false),
            (user("system"), &system, false),
        ] {
            assert_eq!(is_owner(&by, account), is, "{by:?} {}", account.id);
        }
        assert!(require_reader(&root, &ada).is_ok() && require_reader(&root, &system).is_ok());
        assert!(require_governor(&root, &ada).is_ok() && require_governor(&root, &system).is_err());
        assert!(require_governor(&service("family"), &family).is_ok());
        let code = |by: Principal| require_governor(&by, &ada).err().map(|error| error.code());
        assert_eq!(
            code(user("usr_1")),
            Some(Error::lacks_permission(GOVERN).code())
        );
        assert_eq!(code(user("usr_2")), Some("NOT_FOUND"));
    }
}
