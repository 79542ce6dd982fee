//! The content model of SyncML 1.2 (OMA DTD, MS-MDM 2.2.4), against which a server's raw XML is held.

use super::{METINF, SYNCML};
use crate::{Rule, violation::Watch, xml::Element};

/// Checks a document from its root down.
pub(super) fn check(root: &Element, watch: &mut Watch) {
    watch.check(root.name == "SyncML", Rule::Structure, || {
        format!("the root is `{}`", root.name)
    });
    check_element(root, SYNCML, watch);
}

/// A wrong namespace is noted where it begins, not once more for each descendant.
fn check_element(element: &Element, namespace: &str, watch: &mut Watch) {
    watch.check(element.namespace == namespace, Rule::Namespace, || {
        format!("`{}` is in `{}`", element.name, element.namespace)
    });
    watch.check(!element.cdata, Rule::Cdata, || {
        format!("CDATA in `{}`", element.name)
    });
    if element.name == "Meta" {
        check_meta(element, watch);
        return;
    }
    let Some((_, model)) = MODEL.iter().find(|(name, _)| *name == element.name) else {
        let markup = !element.children.is_empty();
        watch.check(!markup, Rule::Structure, || {
            format!("`{}` holds elements", element.name)
        });
        return;
    };
    watch.check(element.text.trim().is_empty(), Rule::Structure, || {
        format!("text in `{}`", element.name)
    });
    check_order(element, model, watch);
    for child in &element.children {
        check_element(child, &element.namespace, watch);
    }
}

/// Walks along the model; each place takes as many children as it may.
fn check_order(element: &Element, model: &[Place], watch: &mut Watch) {
    let mut children = element
        .children
        .iter()
        .map(|child| child.name.as_str())
        .peekable();
    for Place(names, occurs) in model {
        let mut count = 0_usize;
        while (count == 0 || occurs.many()) && children.next_if(|child| names.contains(child)).is_some() {
            count += 1;
        }
        watch.check(count > 0 || occurs.none(), Rule::Structure, || {
            format!("`{}` lacks `{}`", element.name, names.join("` or `"))
        });
    }
    if let Some(child) = children.next() {
        watch.note(
            Rule::Order,
            format!("`{child}` has no place there in `{}`", element.name),
        );
    }
}

fn check_meta(meta: &Element, watch: &mut Watch) {
    for child in &meta.children {
        watch.check(child.namespace == METINF, Rule::Namespace, || {
            format!("`{}` in Meta is in `{}`", child.name, child.namespace)
        });
        let known = META.contains(&child.name.as_str()) && child.children.is_empty();
        watch.check(known, Rule::Structure, || format!("`{}` in Meta", child.name));
        watch.check(!child.cdata, Rule::Cdata, || format!("CDATA in `{}`", child.name));
    }
}

/// Which elements may stand here, and how often.
struct Place(&'static [&'static str], Occurs);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Occurs {
    Once,
    Maybe,
    Some,
    Any,
}

impl Occurs {
    fn none(self) -> bool {
        matches!(self, Self::Maybe | Self::Any)
    }
    fn many(self) -> bool {
        matches!(self, Self::Some | Self::Any)
    }
}

const COMMANDS: &[&str] = &[
    "Add", "Alert", "Atomic", "Delete", "Exec", "Get", "Replace", "Results", "Sequence", "Status",
];
const META: &[&str] = &[
    "Format",
    "Type",
    "Mark",
    "Size",
    "NextNonce",
    "MaxMsgSize",
    "MaxObjSize",
    "Version",
    "EMI",
    "Anchor",
    "Mem",
];
const EDIT: &[Place] = &[
    Place(&["CmdID"], Occurs::Once),
    Place(&["NoResp"], Occurs::Maybe),
    Place(&["Cred"], Occurs::Maybe),
    Place(&["Meta"], Occurs::Maybe),
    Place(&["Item"], Occurs::Some),
];
const GROUP: &[Place] = &[
    Place(&["CmdID"], Occurs::Once),
    Place(&["NoResp"], Occurs::Maybe),
    Place(&["Meta"], Occurs::Maybe),
    Place(COMMANDS, Occurs::Some),
];
const LOCATION: &[Place] = &[
    Place(&["LocURI"], Occurs::Once),
    Place(&["LocName"], Occurs::Maybe),
];
const MODEL: &[(&str, &[Place])] = &[
    (
        "SyncML",
        &[
            Place(&["SyncHdr"], Occurs::Once),
            Place(&["SyncBody"], Occurs::Once),
        ],
    ),
    (
        "SyncHdr",
        &[
            Place(&["VerDTD"], Occurs::Once),
            Place(&["VerProto"], Occurs::Once),
            Place(&["SessionID"], Occurs::Once),
            Place(&["MsgID"], Occurs::Once),
            Place(&["Target"], Occurs::Once),
            Place(&["Source"], Occurs::Once),
            Place(&["RespURI"], Occurs::Maybe),
            Place(&["NoResp"], Occurs::Maybe),
            Place(&["Cred"], Occurs::Maybe),
            Place(&["Meta"], Occurs::Maybe),
        ],
    ),
    (
        "SyncBody",
        &[Place(COMMANDS, Occurs::Some), Place(&["Final"], Occurs::Maybe)],
    ),
    ("Add", EDIT),
    ("Replace", EDIT),
    ("Delete", EDIT),
    (
        "Get",
        &[
            Place(&["CmdID"], Occurs::Once),
            Place(&["NoResp"], Occurs::Maybe),
            Place(&["Lang"], Occurs::Maybe),
            Place(&["Cred"], Occurs::Maybe),
            Place(&["Meta"], Occurs::Maybe),
            Place(&["Item"], Occurs::Some),
        ],
    ),
    (
        "Exec",
        &[
            Place(&["CmdID"], Occurs::Once),
            Place(&["NoResp"], Occurs::Maybe),
            Place(&["Cred"], Occurs::Maybe),
            Place(&["Meta"], Occurs::Maybe),
            Place(&["Correlator"], Occurs::Maybe),
            Place(&["Item"], Occurs::Once),
        ],
    ),
    (
        "Alert",
        &[
            Place(&["CmdID"], Occurs::Once),
            Place(&["NoResp"], Occurs::Maybe),
            Place(&["Cred"], Occurs::Maybe),
            Place(&["Data"], Occurs::Maybe),
            Place(&["Correlator"], Occurs::Maybe),
            Place(&["Item"], Occurs::Any),
        ],
    ),
    ("Atomic", GROUP),
    ("Sequence", GROUP),
    (
        "Status",
        &[
            Place(&["CmdID"], Occurs::Once),
            Place(&["MsgRef"], Occurs::Once),
            Place(&["CmdRef"], Occurs::Once),
            Place(&["Cmd"], Occurs::Once),
            Place(&["TargetRef"], Occurs::Any),
            Place(&["SourceRef"], Occurs::Any),
            Place(&["Cred"], Occurs::Maybe),
            Place(&["Chal"], Occurs::Maybe),
            Place(&["Data"], Occurs::Once),
            Place(&["Item"], Occurs::Any),
        ],
    ),
    (
        "Item",
        &[
            Place(&["Target"], Occurs::Maybe),
            Place(&["Source"], Occurs::Maybe),
            Place(&["Meta"], Occurs::Maybe),
            Place(&["Data"], Occurs::Maybe),
            Place(&["MoreData"], Occurs::Maybe),
        ],
    ),
    ("Target", LOCATION),
    ("Source", LOCATION),
    (
        "Cred",
        &[Place(&["Meta"], Occurs::Maybe), Place(&["Data"], Occurs::Once)],
    ),
    ("Chal", &[Place(&["Meta"], Occurs::Once)]),
];

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
        <SessionID>1</SessionID><MsgID>1</MsgID><Target><LocURI>d</LocURI></Target><Source><LocURI>s</LocURI></Source>\
        </SyncHdr><SyncBody><Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd>\
        <Data>200</Data></Status><Replace><CmdID>2</CmdID><Item><Target><LocURI>./a</LocURI></Target><Meta>\
        <Format xmlns='syncml:metinf'>int</Format></Meta><Data>1</Data></Item></Replace><Final/></SyncBody></SyncML>";

    fn rules(document: &str) -> Vec<Rule> {
        let mut watch = Watch::default();
        check(&Element::parse(document.as_bytes()).unwrap(), &mut watch);
        watch.rules()
    }

    #[test]
    fn a_document_in_order_passes() {
        assert_eq!(rules(GOOD), []);
    }

    #[test]
    fn every_kind_of_disorder_is_noted() {
        for (from, to, rules_broken) in [
            (
                "<Cmd>SyncHdr</Cmd><Data>200</Data>",
                "<Data>200</Data><Cmd>SyncHdr</Cmd>",
                vec![Rule::Structure, Rule::Order],
            ),
            ("<Data>1</Data>", "<Data><![CDATA[1]]></Data>", vec![Rule::Cdata]),
            ("<Data>1</Data>", "<Data><x/></Data>", vec![Rule::Structure]),
            (
                "<Format xmlns='syncml:metinf'>",
                "<Format>",
                vec![Rule::Namespace],
            ),
            ("SYNCML:SYNCML1.2", "SYNCML:SYNCML1.1", vec![Rule::Namespace]),
            ("<CmdID>2</CmdID>", "", vec![Rule::Structure]),
            (
                "<Final/></SyncBody>",
                "<Final/><Final/></SyncBody>",
                vec![Rule::Order],
            ),
            (
                "<MsgID>1</MsgID>",
                "<MsgID>1</MsgID><RespURI>x</RespURI>",
                vec![Rule::Structure, Rule::Structure, Rule::Order],
            ),
            (
                "<Final/>",
                "<Copy><CmdID>3</CmdID></Copy><Final/>",
                vec![Rule::Order, Rule::Structure],
            ),
        ] {
            assert_eq!(rules(&GOOD.replace(from, to)), rules_broken, "{to}");
        }
    }
}
