//! ApiVersions 0-4: what this broker serves.
//!
//! The response's header is always v0; a version that is not served is answered in v0 with error 35 and the ranges
//! (KIP-511). No feature is finalized: `transaction.version` 2 (KIP-890) waits for transactions.

use crate::protocol::messages::ApiVersionsResponse;
use crate::protocol::messages::api_versions_response::ApiVersion;
use crate::protocol::{ErrorCode, advertised_versions};

/// The answer to ApiVersions.
pub fn supported() -> ApiVersionsResponse {
    let keys = advertised_versions()
        .into_iter()
        .map(|(key, min, max)| {
            ApiVersion::default().with_api_key(key as i16).with_min_version(min).with_max_version(max)
        })
        .collect();
    ApiVersionsResponse::default().with_api_keys(keys)
}

/// The answer, in v0, to an ApiVersions of a version that is not served.
pub fn unsupported() -> ApiVersionsResponse {
    supported().with_error_code(ErrorCode::UnsupportedVersion.code())
}
