//! `AssumeRole` of the Security Token Service.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::Duration;

use chrono::Utc;

use super::Aws;
use crate::{ReceivedRequest, Script};

/// The one role of an account.
#[derive(Clone, Debug)]
pub(super) struct Role {
    arn: String,
    external_id: Option<String>,
    life: Duration,
    assumed: usize,
}

impl Aws {
    /// Has a role of this ARN, to be assumed with this external id. What is given out lives this long; the access keys'
    /// ids are `ASIA1`, `ASIA2` and so on.
    #[must_use]
    pub fn role(self, arn: &str, external_id: Option<&str>, life: Duration) -> Self {
        let role = Role { arn: arn.to_owned(), external_id: external_id.map(str::to_owned), life, assumed: 0 };
        *self.role.lock().unwrap_or_else(PoisonError::into_inner) = Some(role);
        self
    }

    /// What STS answers.
    pub fn sts(&self, request: &ReceivedRequest) -> Script {
        if let Err(refusal) = self.verify(request, "sts") {
            return refusal;
        }
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let form: HashMap<_, _> = body.split('&').filter_map(|field| field.split_once('=')).collect();
        let field = |name: &str| form.get(name).map(|value| decoded(value));
        let mut role = self.role.lock().unwrap_or_else(PoisonError::into_inner);
        let allowed = role.as_mut().filter(|role| {
            field("Action").as_deref() == Some("AssumeRole")
                && field("RoleArn").as_ref() == Some(&role.arn)
                && field("ExternalId") == role.external_id
                && field("RoleSessionName").is_some_and(|name| name.starts_with("aibridge"))
        });
        let Some(role) = allowed else {
            let denied = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User is not authorized \
                          to perform: sts:AssumeRole</Message></Error><RequestId>sts-refused</RequestId></ErrorResponse>";
            return Script::whole(403, denied).field("Content-Type", "text/xml");
        };
        role.assumed += 1;
        let (id, secret) = (format!("ASIA{}", role.assumed), format!("assumed-secret-{}", role.assumed));
        let token = format!("assumed-token-{}", role.assumed);
        self.add(&id, &secret, Some(token.clone()));
        let expiration = (Utc::now() + role.life).format("%Y-%m-%dT%H:%M:%SZ");
        let body = format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><AssumedRoleUser>\
             <AssumedRoleId>AROA:aibridge</AssumedRoleId><Arn>arn:aws:sts::1:assumed-role/r/aibridge</Arn>\
             </AssumedRoleUser><Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>\
             <SessionToken>{token}</SessionToken><Expiration>{expiration}</Expiration></Credentials>\
             </AssumeRoleResult><ResponseMetadata><RequestId>sts-1</RequestId></ResponseMetadata></AssumeRoleResponse>"
        );
        Script::whole(200, body).field("Content-Type", "text/xml")
    }
}

/// A value of a form, or a segment of a path that has no `+`.
pub(crate) fn decoded(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'%', [high, low, tail @ ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).unwrap_or_default();
                bytes.push(u8::from_str_radix(digits, 16).unwrap_or(b'?'));
                rest = tail;
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
