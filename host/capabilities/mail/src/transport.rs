//! What takes mails away.

use crate::{Composed, Error};
use futures::future::BoxFuture;

/// Where mails go. The suite in `tests/conformance` says what it must do.
pub trait Transport: Send + Sync + 'static {
    /// Takes a mail of a tenant's. When it returns, the mail is somebody else's, for good.
    ///
    /// [`Error::Refused`] is what will never be taken, [`Error::Unavailable`] what may be the next time.
    fn take<'a>(&'a self, tenant: &'a str, mail: Composed) -> BoxFuture<'a, Result<(), Error>>;
}
