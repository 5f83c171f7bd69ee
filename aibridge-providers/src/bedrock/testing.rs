//! What the tests of this module share.

use super::{Protocol, Settings};

/// The settings of an instance with these models.
pub(super) fn settings(model: &str, small_fast_model: &str) -> Settings {
    Settings {
        protocol: Protocol::InvokeModel,
        region: "us-east-1".to_owned(),
        model: model.to_owned(),
        small_fast_model: small_fast_model.to_owned(),
        credentials: Vec::new(),
        role_arn: None,
        external_id: None,
    }
}
