//! Hostile input.

use super::*;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_damaged_message_makes_it_panic(at in 0_usize..4_000, with in proptest::collection::vec(any::<u8>(), 0..12), cut in 0_usize..12) {
        let mut talk = Talk::new();
        let mut bytes = talk.answer(&(get("9", "./DevInfo?list=StructData") + &set("Replace", "10", "P", "1"))).into_bytes();
        let from = at.min(bytes.len());
        let to = (from + cut).min(bytes.len());
        bytes.splice(from..to, with);
        let answer = Answer { body: bytes.into(), ..dm_answer("") };
        let mut context = Context { options: &talk.options, tree: &mut talk.tree, watch: &mut talk.watch };
        talk.session.receive(&answer, &mut context);
    }

    #[test]
    fn no_address_or_payload_makes_it_panic(
        path in "(\\./)?(User/|Device/)?(Vendor/MSFT/EnterpriseModernAppManagement/)?(AppInstallation|AppManagement|AppLicenses/StoreLicenses)?[/a-zA-Z%_.?=]{0,40}",
        verb in proptest::sample::select(vec!["Get", "Add", "Replace", "Delete", "Exec"]),
        data in "[<>/=\"a-zA-Z0-9 &;]{0,60}",
    ) {
        let mut talk = Talk::new();
        let item = |text: &str| quick_xml::escape::escape(text).into_owned();
        let command = format!(
            "<{verb}><CmdID>9</CmdID><Item><Target><LocURI>{}</LocURI></Target><Data>{}</Data></Item></{verb}>",
            item(&path), item(&data)
        );
        let ended = talk.hear(&command);
        prop_assert_eq!(ended, None);
        prop_assert_eq!(talk.codes().len(), 1);
    }
}
