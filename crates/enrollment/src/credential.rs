//! Who a request says it comes from: `wsse:Security` of the SOAP header.

use crate::{
    DecodeError, Fault, FaultKind, SecurityError,
    names::SECURITY,
    soap::{decode_base64, is_base64},
    xml::Element,
};
use qm_core::Secret;

/// The one credential of a request, not checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// None at all: usual in renewals, where the TLS certificate speaks.
    None,
    /// On-premises enrollment: `UsernameToken` with `PasswordText`.
    Username {
        /// `user@domain` or `DOMAIN\user`, as typed.
        username: String,
        /// The enrollment token. Empty in some renewals.
        password: Secret<String>,
    },
    /// A `BinarySecurityToken`: federated enrollment, or a directory's token that Windows attaches
    /// whatever discovery said.
    Token {
        /// The `ValueType` that tells which.
        value_type: String,
        /// The decoded token.
        value: Secret<Vec<u8>>,
    },
}

impl Credential {
    /// User name (in lower case) and password of an on-premises enrollment; anything else is a fault.
    pub fn on_premises(&self) -> Result<(String, &Secret<String>), Fault> {
        match self {
            Self::Username { username, password }
                if !username.is_empty() && !password.expose().is_empty() =>
            {
                Ok((username.to_lowercase(), password))
            }
            Self::Token { .. } => Err(Fault::new(
                FaultKind::Authentication,
                "This server enrolls with a user name and an enrollment token.",
            )),
            Self::None | Self::Username { .. } => Err(Fault::new(
                FaultKind::InvalidSecurity,
                "User name and enrollment token are needed.",
            )),
        }
    }

    pub(crate) fn read(security: &Element) -> Result<Self, DecodeError> {
        let username = security.optional(SECURITY, "UsernameToken")?;
        let token = security.optional(SECURITY, "BinarySecurityToken")?;
        match (username, token) {
            (Some(_), Some(_)) => Err(SecurityError::TwoCredentials.into()),
            (Some(username), None) => read_username(username),
            (None, Some(token)) => read_token(token),
            (None, None) => Ok(Self::None),
        }
    }
}

fn read_username(token: &Element) -> Result<Credential, DecodeError> {
    let username = token.optional_text(SECURITY, "Username")?.unwrap_or_default();
    let password = token.optional(SECURITY, "Password")?;
    let kind = password.and_then(|password| password.attribute("Type"));
    if kind.is_some_and(|kind| !kind.ends_with("#PasswordText")) {
        return Err(SecurityError::PasswordType.into());
    }
    Ok(Credential::Username {
        username: username.to_owned(),
        password: Secret::new(password.map_or("", Element::text).to_owned()),
    })
}

fn read_token(token: &Element) -> Result<Credential, DecodeError> {
    let value = decode_base64(token.text()).filter(|_| is_base64(token));
    Ok(Credential::Token {
        value_type: token.attribute("ValueType").unwrap_or_default().to_owned(),
        value: Secret::new(value.ok_or(SecurityError::TokenEncoding)?),
    })
}
