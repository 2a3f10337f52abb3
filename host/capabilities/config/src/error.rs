//! Why a variable could not be read.

/// Why a variable could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No variable can have this name.
    #[error(
        "`{0}` cannot name a variable; use lower-case letters, digits and single underscores \
         between them, starting with a letter"
    )]
    InvalidName(String),
    /// The manifest does not give this variable to the component.
    #[error(
        "component `{component}` has no variable `{name}`; add `{name} = \"...\"` under \
         `[component.{component}.variables]` of the manifest"
    )]
    Undefined {
        /// Who asked.
        component: String,
        /// For what.
        name: String,
    },
}
