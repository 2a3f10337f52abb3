//! What the administration needs of the process around it.

use sbd_registry::Version;
use sbd_runtime::{Application, Definition};

/// Puts an application before the public. Cannot fail.
pub type Commit = Box<dyn FnOnce() + Send>;

/// The process that serves, or would serve, the application.
pub trait Stage: Send + Sync + 'static {
    /// Reads the application as it stands now, with these deployed versions in place of what its
    /// manifest names.
    ///
    /// # Errors
    /// What is wrong with it, with file, line and fix.
    fn read(&self, versions: &[Version]) -> Result<Definition, String>;

    /// Makes everything ready for an application that the runtime has loaded.
    ///
    /// # Errors
    /// Why it cannot be put before the public.
    fn prepare(&self, next: &Application) -> Result<Commit, String>;

    /// Whether the public is served.
    fn is_serving(&self) -> bool;

    /// Whether deployed versions are left out, so that a server starts that one of them would break.
    fn is_safe(&self) -> bool;
}
