//! Enrollment policy (MS-XCEP): which key to make.

use super::{
    names::{GET_POLICIES, INSTANCE, POLICY},
    soap,
};
use crate::{
    Rule, SimError,
    http::Answer,
    violation::Watch,
    xml::{Element, Writer},
};

/// The content of the body.
pub(super) fn request() -> String {
    let nil = [("xsi:nil", "true")];
    let mut xml = Writer::new();
    xml.element(
        "GetPolicies",
        &[("xmlns", POLICY), ("xmlns:xsi", INSTANCE)],
        |xml| {
            xml.element("client", &[], |xml| {
                xml.empty("lastUpdate", &nil);
                xml.empty("preferredLanguage", &nil);
            });
            xml.empty("requestFilter", &nil);
        },
    );
    xml.finish()
}

/// Reads the answer. Windows goes on without one, so nothing in it ends the enrollment but a fault.
pub(super) fn read(answer: &Answer, message_id: &str, watch: &mut Watch) -> Result<(), SimError> {
    let content = soap::open(answer, GET_POLICIES, message_id, watch)?.content;
    watch.check(content.is(POLICY, "GetPoliciesResponse"), Rule::Structure, || {
        content.name.clone()
    });
    children(&content, &["response", "cAs", "oIDs"], watch);
    let Some(response) = content.child("response") else {
        return Ok(());
    };
    children(response, RESPONSE, watch);
    let policies: Vec<_> = response
        .child("policies")
        .map_or(&[] as &[_], |p| &p.children)
        .iter()
        .collect();
    watch.check(!policies.is_empty(), Rule::Structure, || {
        "there is no policy".to_owned()
    });
    for policy in policies {
        children(policy, &["policyOIDReference", "cAs", "attributes"], watch);
        check_attributes(policy.child("attributes"), content.child("oIDs"), watch);
    }
    Ok(())
}

/// The schema is an `xsd:sequence`.
fn children(element: &Element, wanted: &[&str], watch: &mut Watch) {
    let given = element.child_names();
    watch.check(given == wanted, Rule::Order, || {
        format!("`{}` holds {given:?}", element.name)
    });
    for child in &element.children {
        watch.check(child.namespace == POLICY, Rule::Namespace, || child.name.clone());
    }
}

fn check_attributes(attributes: Option<&Element>, oids: Option<&Element>, watch: &mut Watch) {
    let Some(attributes) = attributes else { return };
    children(attributes, ATTRIBUTES, watch);
    let value = |path: &[&str]| attributes.at(path).map_or("", |element| element.text.trim());
    watch.check(value(&["policySchema"]) == "3", Rule::Parameter, || {
        "policySchema is not 3".to_owned()
    });
    let key_length = value(&["privateKeyAttributes", "minimalKeyLength"]);
    watch.check(key_length == "2048", Rule::Parameter, || {
        format!("minimalKeyLength `{key_length}`")
    });
    for flag in ["enroll", "autoEnroll"] {
        let value = value(&["permission", flag]);
        watch.check(matches!(value, "true" | "false"), Rule::Parameter, || {
            format!("{flag} `{value}`")
        });
    }
    let reference = value(&["hashAlgorithmOIDReference"]);
    let hash = oids
        .into_iter()
        .flat_map(|oids| oids.all("oID"))
        .find(|oid| oid.value("oIDReferenceID") == Some(reference));
    let known = hash.and_then(|oid| Some((oid.value("value")?, oid.value("group")?)));
    watch.check(known == Some((SHA256_OID, HASH_GROUP)), Rule::Parameter, || {
        format!("the hash reference `{reference}` leads to {known:?}")
    });
}

const RESPONSE: &[&str] = &[
    "policyID",
    "policyFriendlyName",
    "nextUpdateHours",
    "policiesNotChanged",
    "policies",
];
const ATTRIBUTES: &[&str] = &[
    "commonName",
    "policySchema",
    "certificateValidity",
    "permission",
    "privateKeyAttributes",
    "revision",
    "supersededPolicies",
    "privateKeyFlags",
    "subjectNameFlags",
    "enrollmentFlags",
    "generalFlags",
    "hashAlgorithmOIDReference",
    "rARequirements",
    "keyArchivalAttributes",
    "extensions",
];
const SHA256_OID: &str = "2.16.840.1.101.3.4.2.1";
/// CryptoAPI's group of hash algorithms.
const HASH_GROUP: &str = "1";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{envelope, soap_answer};

    const GOOD: &str = "<response><policyID>p</policyID><policyFriendlyName/><nextUpdateHours/>\
        <policiesNotChanged/><policies><policy><policyOIDReference>0</policyOIDReference><cAs/><attributes>\
        <commonName>n</commonName><policySchema>3</policySchema><certificateValidity/>\
        <permission><enroll>true</enroll><autoEnroll>false</autoEnroll></permission>\
        <privateKeyAttributes><minimalKeyLength>2048</minimalKeyLength></privateKeyAttributes><revision/>\
        <supersededPolicies/><privateKeyFlags/><subjectNameFlags/><enrollmentFlags/><generalFlags/>\
        <hashAlgorithmOIDReference>7</hashAlgorithmOIDReference><rARequirements/><keyArchivalAttributes/>\
        <extensions/></attributes></policy></policies></response><cAs/><oIDs><oID>\
        <value>2.16.840.1.101.3.4.2.1</value><group>1</group><oIDReferenceID>7</oIDReferenceID></oID></oIDs>";

    fn rules(members: &str) -> Vec<Rule> {
        let body = format!("<GetPoliciesResponse xmlns='{POLICY}'>{members}</GetPoliciesResponse>");
        let answer = soap_answer(200, &envelope(GET_POLICIES.response, "urn:uuid:1", "", &body));
        let mut watch = Watch::default();
        read(&answer, "urn:uuid:1", &mut watch).unwrap();
        watch.rules()
    }

    #[test]
    fn a_good_policy_is_taken_without_complaint() {
        assert_eq!(rules(GOOD), []);
    }

    #[test]
    fn what_is_wrong_with_a_policy_is_noted() {
        for (from, to, rule) in [
            ("<policySchema>3", "<policySchema>1", Rule::Parameter),
            (">2048<", ">4096<", Rule::Parameter),
            (">7</oIDRef", ">8</oIDRef", Rule::Parameter),
            ("<group>1", "<group>4", Rule::Parameter),
            ("<cAs/><oIDs>", "<oIDs>", Rule::Order),
            (
                "<policyFriendlyName/><nextUpdateHours/>",
                "<nextUpdateHours/><policyFriendlyName/>",
                Rule::Order,
            ),
            ("<revision/>", "", Rule::Order),
        ] {
            assert_eq!(rules(&GOOD.replace(from, to)), [rule], "{from}");
        }
    }
}
