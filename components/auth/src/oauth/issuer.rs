//! What this server calls itself to clients: the origin by which the request reached it, as the host has verified it,
//! or the one that an operator says.

use http::{HeaderMap, HeaderName, Uri};
use sbd_sdk::{Error, Result, config};

/// Where the host writes the whole address of a request.
const FULL_URL: HeaderName = HeaderName::from_static("spin-full-url");

/// The origin, without a slash behind it.
pub(crate) fn of(headers: &HeaderMap) -> Result<String> {
    if let Some(said) = config::get("oauth_issuer")?.filter(|said| !said.is_empty()) {
        return Ok(said.trim_end_matches('/').to_owned());
    }
    let url = headers.get(FULL_URL).and_then(|url| url.to_str().ok());
    let uri = url.and_then(|url| url.parse::<Uri>().ok());
    let origin = uri.and_then(|uri| {
        let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
        Some(format!("{scheme}://{authority}"))
    });
    origin.ok_or_else(|| Error::internal("the host does not say by which address it was reached"))
}
