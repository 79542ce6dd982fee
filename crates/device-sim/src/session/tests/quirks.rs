//! Quirks of devices.

use super::*;

#[test]
fn alerts_can_lack_cmd_id_and_type() {
    let talk = Talk::with(
        [Quirk::AlertWithoutCmdId, Quirk::EmptyMeta],
        &[job(0)],
        Login::User,
    );
    let alert = talk.body().all("Alert").nth(2).unwrap();
    assert_eq!(alert.value("CmdID"), None);
    assert_eq!(alert.at(&["Item", "Meta"]).unwrap().children, []);
    assert!(talk.body().all("Alert").next().unwrap().value("CmdID").is_some());
}

#[test]
fn an_alert_without_cmd_id_may_be_answered_or_not() {
    let mut talk = Talk::with([Quirk::AlertWithoutCmdId], &[job(0)], Login::User);
    assert_eq!((talk.hear(""), talk.rules()), (Some(Ended::Done), vec![]));
    let mut talk = Talk::with([Quirk::AlertWithoutCmdId], &[job(0)], Login::User);
    let replace = "<Status><CmdID>4<";
    let extra = "<Status><CmdID>40</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>Alert</Cmd><Data>200</Data></Status>";
    let answer = talk.answer("").replace(replace, &(extra.to_owned() + replace));
    talk.receive(&dm_answer(&answer));
    assert_eq!(talk.rules(), []);
}

#[test]
fn codes_can_be_unsigned_and_sources_foreign() {
    let quirky = DeviceOptions {
        quirks: [Quirk::UnsignedCodes].into(),
        ..options()
    };
    let alert = JobAlert {
        source: "./User/x".to_owned(),
        kind: "x",
        code: HResult(0x8007_3CF3),
    };
    let alert = PendingAlert::job(alert, &quirky);
    let talk = Talk::with(
        [Quirk::ForeignSource("THIEF".to_owned()), Quirk::DevIdAsDocumented],
        &[alert],
        Login::User,
    );
    assert_eq!(
        talk.body()
            .all("Alert")
            .nth(2)
            .unwrap()
            .at(&["Item", "Data"])
            .unwrap()
            .text,
        "2147958003"
    );
    assert_eq!(
        talk.said.at(&["SyncHdr", "Source", "LocURI"]).unwrap().text,
        "THIEF"
    );
    assert_eq!(
        talk.body()
            .at(&["Replace", "Item", "Source", "LocURI"])
            .unwrap()
            .text,
        "./DevInfo/DevID"
    );
}

#[test]
fn message_numbers_can_be_left_out() {
    let mut talk = Talk::with([Quirk::SkipMsgId(1)], &[], Login::User);
    talk.hear(&get("9", "./DevInfo/Man"));
    assert_eq!(talk.header("MsgID"), "3");
}

#[test]
fn a_package_can_come_in_two_messages() {
    let mut talk = Talk::with([Quirk::WithoutFinal(1)], &[], Login::User);
    assert!(!talk.has_final());
    assert_eq!(talk.body().child_names(), ["Alert"]);
    assert_eq!(
        talk.hear("<Alert><CmdID>9</CmdID><Data>1222</Data></Alert>"),
        None
    );
    assert!(talk.has_final());
    assert_eq!(
        talk.body().child_names(),
        ["Status", "Status", "Alert", "Replace", "Final"]
    );
    assert_eq!((talk.hear(""), talk.rules()), (Some(Ended::Done), vec![]));
}

#[test]
fn commands_before_the_package_is_complete_are_noted() {
    let mut talk = Talk::with([Quirk::WithoutFinal(1)], &[], Login::User);
    talk.hear(&get("9", "./DevInfo/Man"));
    assert_eq!(talk.rules(), [Rule::NextMessage, Rule::NextMessage]);
}

#[test]
fn large_results_go_up_in_chunks_that_make_the_whole() {
    let mut talk = Talk::with([Quirk::ChunkResults(5_000)], &[], Login::User);
    talk.hear(&get("9", CSP_VERSIONS));
    let mut whole = String::new();
    let mut size = None;
    loop {
        let item = talk.body().at(&["Results", "Item"]).unwrap().clone();
        whole += &item.child("Data").unwrap().text;
        let told = item
            .child("Meta")
            .and_then(|meta| meta.child_in(syncml::METINF, "Size").map(|s| s.text.clone()));
        assert_eq!(
            told.is_some(),
            size.is_none(),
            "the first chunk alone tells the size"
        );
        size = size.or(told);
        let more = item.child("MoreData").is_some();
        assert_eq!(more, !talk.has_final());
        if !more {
            break;
        }
        assert_eq!(
            talk.hear("<Alert><CmdID>9</CmdID><Data>1222</Data></Alert>"),
            None
        );
    }
    assert_eq!(size, Some(whole.len().to_string()));
    assert!(whole.starts_with("<CSPVersions>") && whole.ends_with("</CSPVersions>"));
    assert_eq!((talk.hear(""), talk.rules()), (Some(Ended::Done), vec![]));
}

#[test]
fn a_chunk_has_to_be_answered_with_213() {
    let mut talk = Talk::with([Quirk::ChunkResults(5_000)], &[], Login::User);
    talk.hear(&get("9", CSP_VERSIONS));
    let answer = talk
        .answer("<Alert><CmdID>9</CmdID><Data>1222</Data></Alert>")
        .replace("<Data>213<", "<Data>200<");
    talk.receive(&dm_answer(&answer));
    assert_eq!(talk.rules(), [Rule::StatusOrder]);
}
