//! UpdateFeatures 0-2: what the cluster as a whole makes use of (KIP-584), as the metadata log has it.

use crate::protocol::messages::update_features_request::FeatureUpdateKey;
use crate::protocol::messages::update_features_response::UpdatableFeatureResult;
use crate::protocol::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};
use crate::protocol::{ErrorCode, StrBytes};

use super::record::MetadataRecord;
use super::{Controller, Decision};

/// Eligible leader replicas (KIP-966): 1 when they are kept.
pub const ELR_FEATURE: &str = "eligible.leader.replicas.version";
/// The schemas of the metadata log's records.
const METADATA_VERSION: &str = "metadata.version";

/// A feature with the least and the greatest level that brokers of this build have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feature {
    /// Its name.
    pub name: &'static str,
    /// The least level.
    pub min: i16,
    /// The greatest, which a new cluster begins with.
    pub max: i16,
}

/// All of them, by name. 27 is `IBP_4_1_IV1`, Kafka 4.1's own.
pub const FEATURES: [Feature; 2] =
    [Feature { name: ELR_FEATURE, min: 0, max: 1 }, Feature { name: METADATA_VERSION, min: 7, max: 27 }];

/// `UpgradeType`.
const UPGRADE: i8 = 1;

impl Controller {
    /// What a new cluster begins with. One that is older goes on without, until it is told otherwise.
    pub(super) fn begin_features(&mut self, decision: &mut Decision) {
        for Feature { name, max, .. } in FEATURES {
            self.decide(MetadataRecord::FeatureLevel { name: name.to_owned(), level: max }, decision);
        }
    }

    /// Changes levels, all or none.
    pub fn update_features(&mut self, request: &UpdateFeaturesRequest) -> Decision {
        let mut decision = Decision::default();
        let mut response = UpdateFeaturesResponse::default();
        let checked: Vec<_> =
            request.feature_updates.iter().map(|asked| (asked, self.feature_error(asked))).collect();
        let failed = checked.iter().find_map(|(_, error)| error.clone());
        if let Some((code, message)) = &failed {
            response = response
                .with_error_code(code.code())
                .with_error_message(Some(StrBytes::from_string(message.clone())));
        }
        let results = checked.iter().map(|(asked, error)| {
            let result = UpdatableFeatureResult::default().with_feature(asked.feature.clone());
            match error {
                None => result,
                Some((code, message)) => result
                    .with_error_code(code.code())
                    .with_error_message(Some(StrBytes::from_string(message.clone()))),
            }
        });
        response = response.with_results(results.collect());
        if failed.is_none() && !request.validate_only {
            for asked in &request.feature_updates {
                let (name, level) = (asked.feature.to_string(), asked.max_version_level);
                if self.image.feature(&name) != level {
                    self.decide(MetadataRecord::FeatureLevel { name, level }, &mut decision);
                }
            }
        }
        decision.response = Some(response.into());
        decision
    }

    fn feature_error(&self, asked: &FeatureUpdateKey) -> Option<(ErrorCode, String)> {
        let (name, level) = (asked.feature.as_str(), asked.max_version_level);
        let refused = |why: String| Some((ErrorCode::InvalidUpdateVersion, why));
        let Some(feature) = FEATURES.iter().find(|feature| feature.name == name) else {
            return refused(format!(
                "Invalid update version {level} for feature {name}. It is not known here."
            ));
        };
        if level < feature.min || level > feature.max {
            return refused(format!(
                "Invalid update version {level} for feature {name}. Brokers support {} to {}.",
                feature.min, feature.max
            ));
        }
        let downgrade = level < self.image.feature(name);
        if downgrade && asked.upgrade_type == UPGRADE {
            return refused(format!("Can't downgrade feature {name} to {level} without saying so."));
        }
        None
    }
}
