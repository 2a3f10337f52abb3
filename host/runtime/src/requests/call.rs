//! The one way to a component, whoever asks.

use crate::principal::Authenticated;
use crate::requests::Class;
use std::sync::Arc;

/// A request on its way to a component.
#[derive(Clone, Debug)]
pub struct Call {
    /// The tenant whose data it may touch.
    pub tenant: Arc<str>,
    /// The component.
    pub component: Arc<str>,
    /// `req_...`
    pub request_id: Arc<str>,
    /// Of which kind it is.
    pub class: Class,
    /// Who asks; `None` is anybody.
    pub principal: Option<Arc<Authenticated>>,
}
