//! Instances: what one has, how it starts and ends, what it may compute and keep, and how the requests
//! of a component of a tenant reach them.

pub(crate) mod capabilities;
pub(crate) mod circuit_breaker;
pub(crate) mod cpu_scheduler;
pub(crate) mod grants;
mod http;
pub(crate) mod instance;
pub(crate) mod instance_quota;
mod logs;
mod memory;
pub(crate) mod pool;
pub(crate) mod refusals;
mod response_body;
pub(crate) mod worker;
