//! Enrollment policy (MS-XCEP): which key the device is to make.
//!
//! It gates nothing: Windows enrolls without an answer too, so the enrollment checks everything again.

use crate::{
    Answer, Correlation, Credential, DecodeError, Operation, Rejected,
    names::{POLICY, SCHEMA_INSTANCE},
    soap::{self, Header},
    xml::{Element, XmlWriter},
};
use std::time::Duration;
use uuid::Uuid;

/// `GetPolicies`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetPolicies {
    /// `MessageID`, to be repeated.
    pub message_id: Option<String>,
    /// Who asks; nobody during renewal.
    pub credential: Credential,
    /// What the client tells about itself, such as `TPMManufacturer`.
    pub client: Vec<(String, String)>,
}

/// `GetPoliciesResponse`: RSA of 2048 bits or more (many TPMs cannot make 4096) and SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetPoliciesResponse {
    /// How long certificates are valid; keep equal to what is issued.
    pub validity: Duration,
    /// How long before their end they are renewed; keep equal to the provisioning document.
    pub renewal: Duration,
}

impl GetPolicies {
    /// Reads a request.
    pub fn decode(body: &[u8]) -> Result<Self, Rejected> {
        soap::decode(Operation::GetPolicies, body, Self::read)
    }

    /// What an answer repeats.
    pub fn correlation(&self, activity_id: Uuid) -> Correlation<'_> {
        Correlation {
            activity_id,
            relates_to: self.message_id.as_deref(),
        }
    }

    fn read(header: Header, body: &Element) -> Result<Self, DecodeError> {
        let request = body.required(POLICY, "GetPolicies")?;
        let client = request.optional(POLICY, "client")?;
        let children = client.map_or(&[] as &[_], Element::all_children).iter();
        let told = children.filter(|child| !child.text().is_empty());
        Ok(Self {
            message_id: header.message_id,
            credential: header.credential,
            client: told
                .map(|child| (child.name().to_owned(), child.text().to_owned()))
                .collect(),
        })
    }
}

impl Default for GetPoliciesResponse {
    /// 365 days, renewed in the last 60.
    fn default() -> Self {
        Self {
            validity: Duration::from_hours(365 * 24),
            renewal: Duration::from_hours(60 * 24),
        }
    }
}

impl GetPoliciesResponse {
    /// The message, with HTTP status 200.
    pub fn encode(&self, correlation: Correlation<'_>) -> Answer {
        let attributes = [("xmlns:xsi", SCHEMA_INSTANCE)];
        let body = soap::encode(Operation::GetPolicies, correlation, None, &attributes, |xml| {
            xml.element("GetPoliciesResponse", &[("xmlns", POLICY)], |xml| {
                xml.element("response", &[], |xml| self.write_response(xml));
                nil(xml, &["cAs"]);
                xml.element("oIDs", &[], write_hash_algorithm);
            });
        });
        Answer::soap(200, body)
    }

    fn write_response(&self, xml: &mut XmlWriter) {
        xml.text("policyID", &[], POLICY_ID);
        nil(
            xml,
            &["policyFriendlyName", "nextUpdateHours", "policiesNotChanged"],
        );
        xml.element("policies", &[], |xml| {
            xml.element("policy", &[], |xml| {
                xml.text("policyOIDReference", &[], HASH_REFERENCE);
                nil(xml, &["cAs"]);
                xml.element("attributes", &[], |xml| self.write_attributes(xml));
            });
        });
    }

    /// The order is the schema's (`xsd:sequence`).
    fn write_attributes(&self, xml: &mut XmlWriter) {
        xml.text("commonName", &[], COMMON_NAME);
        xml.text("policySchema", &[], "3");
        xml.element("certificateValidity", &[], |xml| {
            xml.text("validityPeriodSeconds", &[], &self.validity.as_secs().to_string());
            xml.text("renewalPeriodSeconds", &[], &self.renewal.as_secs().to_string());
        });
        xml.element("permission", &[], |xml| {
            xml.text("enroll", &[], "true").text("autoEnroll", &[], "false");
        });
        xml.element("privateKeyAttributes", &[], |xml| {
            xml.text("minimalKeyLength", &[], "2048");
            nil(
                xml,
                &[
                    "keySpec",
                    "keyUsageProperty",
                    "permissions",
                    "algorithmOIDReference",
                    "cryptoProviders",
                ],
            );
        });
        xml.element("revision", &[], |xml| {
            xml.text("majorRevision", &[], "101")
                .text("minorRevision", &[], "0");
        });
        nil(
            xml,
            &[
                "supersededPolicies",
                "privateKeyFlags",
                "subjectNameFlags",
                "enrollmentFlags",
                "generalFlags",
            ],
        );
        xml.text("hashAlgorithmOIDReference", &[], HASH_REFERENCE);
        nil(xml, &["rARequirements", "keyArchivalAttributes", "extensions"]);
    }
}

/// The table of object identifiers: SHA-256, in CryptoAPI's group of hash algorithms.
fn write_hash_algorithm(xml: &mut XmlWriter) {
    xml.element("oID", &[], |xml| {
        xml.text("value", &[], "2.16.840.1.101.3.4.2.1");
        xml.text("group", &[], "1");
        xml.text("oIDReferenceID", &[], HASH_REFERENCE);
        xml.text("defaultName", &[], "szOID_NIST_sha256");
    });
}

fn nil(xml: &mut XmlWriter, elements: &[&str]) {
    for name in elements {
        xml.empty(name, &[("xsi:nil", "true")]);
    }
}

const COMMON_NAME: &str = "QuartermasterDevice";
const HASH_REFERENCE: &str = "0";
const POLICY_ID: &str = "quartermaster-device-identity-1";

#[cfg(test)]
mod tests;
