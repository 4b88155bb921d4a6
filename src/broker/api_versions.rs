//! ApiVersions 0-4: what this broker serves, and the features in force (KIP-584).
//!
//! The response's header is always v0; a version that is not served is answered in v0 with error 35 and the ranges
//! (KIP-511). `transaction.version` 2 (KIP-890) waits for transactions.

use crate::controller::FEATURES;
use crate::protocol::messages::ApiVersionsResponse;
use crate::protocol::messages::api_versions_response::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};
use crate::protocol::{ErrorCode, StrBytes, advertised_versions};
use crate::sorted::SortedMap;
use crate::types::Offset;

/// The answer to ApiVersions. `features` are those in force, `replayed` is the end of the metadata that says so.
pub fn supported(features: &SortedMap<String, i16>, replayed: Offset) -> ApiVersionsResponse {
    // A least level of 0 can't be said in version 3 (KIP-1022).
    let supported = FEATURES.iter().map(|feature| {
        SupportedFeatureKey::default()
            .with_name(StrBytes::from_static_str(feature.name))
            .with_min_version(feature.min.max(1))
            .with_max_version(feature.max)
    });
    let finalized = features.iter().map(|(name, level)| {
        FinalizedFeatureKey::default()
            .with_name(StrBytes::from_string(name.clone()))
            .with_max_version_level(*level)
            .with_min_version_level(*level)
    });
    apis()
        .with_supported_features(supported.collect())
        .with_finalized_features_epoch(replayed.0 - 1)
        .with_finalized_features(finalized.collect())
}

/// The answer, in v0, to an ApiVersions of a version that is not served.
pub fn unsupported() -> ApiVersionsResponse {
    apis().with_error_code(ErrorCode::UnsupportedVersion.code())
}

fn apis() -> ApiVersionsResponse {
    let keys = advertised_versions()
        .into_iter()
        .map(|(key, min, max)| {
            ApiVersion::default().with_api_key(key as i16).with_min_version(min).with_max_version(max)
        })
        .collect();
    ApiVersionsResponse::default().with_api_keys(keys)
}
