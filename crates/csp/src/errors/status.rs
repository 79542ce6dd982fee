//! SyncML statuses as a Windows client uses them (OMA-DM Representation 1.2, section 10; MS-MDM 2.2.8).

use super::{
    Explanation,
    RetryClass::{Configuration, Permanent, RepairOnce, Satisfied, Transient},
    row,
};
use qm_core::command::Verb;
use qm_syncml::StatusCode;

/// Explains the answer to a command of this verb. Success is [`Satisfied`]: for an Exec that means accepted only.
pub fn explain_status(status: StatusCode, verb: Verb) -> Explanation {
    match (status.0, verb) {
        (404, Verb::Delete) => row(
            Satisfied,
            "Not found",
            "The node is gone already.",
            "Nothing to do.",
        ),
        (404, Verb::Exec) => row(
            RepairOnce,
            "Not found",
            "The device has no node to run; for an app, its job slot was not created.",
            "It is created and run once more. If that fails too, this edition of Windows lacks the feature.",
        ),
        (418, Verb::Add) => row(
            Satisfied,
            "Already exists",
            "The node exists already.",
            "Nothing to do.",
        ),
        // 215 and 216 look like success and are none; 214 ends the session, but this command was carried out.
        (200..=214 | 217..300 | 304, _) => row(
            Satisfied,
            "OK",
            "The device accepted the command.",
            "Nothing to do.",
        ),
        (code, _) => TABLE
            .iter()
            .find(|(codes, _)| codes.contains(&code))
            .map_or(UNKNOWN, |(_, explanation)| *explanation),
    }
}

const UNKNOWN: Explanation = row(
    RepairOnce,
    "Unknown status",
    "The device answered with a status that this server does not know.",
    "Look at the device's management log.",
);

#[rustfmt::skip]
const TABLE: &[(&[u16], Explanation)] = &[
    (&[215, 216, 514], row(Transient, "Not executed",
        "The command was skipped, undone or cancelled together with others.",
        "Nothing: it is sent again.")),
    (&[401, 407], row(Configuration, "Not authenticated",
        "The device wants credentials of the server.",
        "Check how the device was enrolled.")),
    (&[403, 425], row(Configuration, "Permission denied",
        "The device understood the command and refuses it: a privilege, a policy or its edition stands against it.",
        "See which policies apply to the device.")),
    (&[404, 410], row(Permanent, "Not found",
        "The device has no such node: not created, or not part of its version or edition of Windows.",
        "Check the address, and the device's Windows version.")),
    (&[405], row(Permanent, "Not allowed",
        "The node exists but does not take this verb, or its scope is not to be had in this session.",
        "Check verb and scope; a command for a user needs that user signed in.")),
    (&[406], row(Permanent, "Not supported",
        "This device or enrollment does not have the feature.",
        "Check the device's Windows version and edition.")),
    (&[400, 411, 412, 413, 414, 415, 416, 424], row(Permanent, "Malformed",
        "The device could not read the command: format, size or payload are not what the node takes.",
        "Check the command's format and payload.")),
    (&[418], row(Permanent, "Already exists",
        "The node exists already.",
        "Replace its value instead.")),
    (&[420], row(Configuration, "Device full",
        "The device has no room left.",
        "Free space on the device.")),
    (&[101, 408, 409, 417, 503, 511], row(Transient, "Busy",
        "The device cannot do it now.",
        "Nothing: it is sent again later.")),
    (&[500, 506, 507, 510], row(RepairOnce, "Failed",
        "The device tried and failed, or refused the payload.",
        "Look for the error behind it in the device's management log.")),
    (&[501, 505, 513, 517], row(Permanent, "Not implemented",
        "The device does not know the command or this version of the protocol.",
        "Check the device's Windows version.")),
    (&[516], row(Permanent, "Rollback failed",
        "A group of settings failed half-way and could not be undone.",
        "Read the settings back before anything else is sent.")),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors::RetryClass;

    #[test]
    fn the_verb_decides_what_a_status_means() {
        let class = |code, verb| explain_status(StatusCode(code), verb).class;
        assert_eq!(class(404, Verb::Delete), Satisfied);
        assert_eq!(class(404, Verb::Get), Permanent);
        assert_eq!(class(404, Verb::Exec), RepairOnce);
        assert_eq!(class(418, Verb::Add), Satisfied);
        assert_eq!(class(418, Verb::Replace), Permanent);
        assert_eq!(class(202, Verb::Exec), Satisfied);
    }

    #[test]
    fn classes_follow_the_queue_rules() {
        for (codes, class) in [
            (&[215, 216, 408, 409, 417, 503, 511, 514][..], Transient),
            (&[400, 405, 406, 415, 501, 516][..], Permanent),
            (&[420, 425][..], Configuration),
            (&[500, 507, 599, 999, 0][..], RepairOnce),
        ] {
            for code in codes {
                assert_eq!(
                    explain_status(StatusCode(*code), Verb::Exec).class,
                    class,
                    "{code}"
                );
            }
        }
    }

    #[test]
    fn no_status_but_success_is_satisfied_for_a_replace() {
        for code in 0..1000 {
            let satisfied = explain_status(StatusCode(code), Verb::Replace).class == RetryClass::Satisfied;
            let success = (200..300).contains(&code) && ![215, 216].contains(&code) || code == 304;
            assert_eq!(satisfied, success, "{code}");
        }
    }
}
