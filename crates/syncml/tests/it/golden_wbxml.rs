//! Messages token by token. Provenance: encoded with libwbxml 0.11.8 and annotated by hand; where it chose OPAQUE for
//! `Data` we write an inline string, so those documents stand here in both forms.

use crate::read_wbxml;
use qm_syncml::{Alert, Command, Edit, Encoding, Header, Item, Message, Meta, Status, StatusCode, encode};

/// Version 1.2, SyncML 1.2 (0x1201), UTF-8 (106), no string table.
const START: &str = "02 A401 6A 00";

/// `SyncML`, and `SyncHdr` up to `SessionID`.
const VERSIONS: &str = "
    6D                                            SyncML
     6C                                           SyncHdr
      71 03 312E32 00 01                          VerDTD 1.2
      72 03 444D2F312E32 00 01                    VerProto DM/1.2
    ";

/// `Source/LocURI` of the server, and the end of its header.
const FROM_SERVER: &str = "
      67 57 03 68747470733A2F2F716D2E6578616D706C652F646D 00 01 01    Source https://qm.example/dm
     01                                           END SyncHdr
    ";

/// The bytes of an annotated text: on each line hexadecimal digits up to the first word that is something else.
fn bytes(parts: &[&str]) -> Vec<u8> {
    let is_hex = |word: &&str| {
        word.len().is_multiple_of(2)
            && word
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b))
    };
    let lines = parts.iter().flat_map(|part| part.lines());
    let digits: String = lines
        .flat_map(|line| line.split_whitespace().take_while(is_hex))
        .collect();
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn status(msg_ref: u32, code: u16) -> Status {
    let header = Header {
        msg_id: msg_ref,
        ..Header::default()
    };
    Status::for_header("1", &header, StatusCode(code))
}

/// A message of the server.
fn from_server(session: &str, msg_id: u32, device: &str, body: Vec<Command>) -> Message {
    Message {
        header: Header::new(session, msg_id, device, "https://qm.example/dm"),
        body,
        last: true,
    }
}

fn assert_both_ways(message: &Message, ours: &[u8], theirs: &[u8]) {
    assert_eq!(encode(Encoding::Wbxml, message), ours);
    assert_eq!(&read_wbxml(ours).unwrap(), message);
    assert_eq!(&read_wbxml(theirs).unwrap(), message);
}

#[test]
fn a_header_status_and_a_get() {
    let get = Edit {
        cmd_id: "2".to_owned(),
        items: vec![Item::target("./DevDetail/SwV")],
        ..Edit::default()
    };
    let message = from_server(
        "7",
        1,
        "Q7",
        vec![Command::Status(status(1, 200)), Command::Get(get)],
    );
    let golden = bytes(&[
        START,
        VERSIONS,
        "
      65 03 37 00 01                              SessionID 7
      5B 03 31 00 01                              MsgID 1
      6E 57 03 5137 00 01 01                      Target/LocURI Q7
    ",
        FROM_SERVER,
        "
     6B                                           SyncBody
      69                                          Status
       4B 03 31 00 01                             CmdID 1
       5C 03 31 00 01                             MsgRef 1
       4C 03 30 00 01                             CmdRef 0
       4A 03 53796E63486472 00 01                 Cmd SyncHdr
       4F 03 323030 00 01                         Data 200
      01                                          END Status
      53                                          Get
       4B 03 32 00 01                             CmdID 2
       54 6E 57                                   Item/Target/LocURI
        03 2E2F44657644657461696C2F537756 00      ./DevDetail/SwV
       01 01 01                                   END LocURI, Target, Item
      01                                          END Get
      12                                          Final, without content
     01                                           END SyncBody
    01                                            END SyncML
    ",
    ]);
    assert_both_ways(&message, &golden, &golden);
}

#[test]
fn a_replace_switches_to_the_page_of_meta_and_back() {
    let item = Item::target("./a")
        .with_format("int")
        .with_type("text/plain")
        .with_data("6");
    let replace = Edit {
        cmd_id: "2".to_owned(),
        items: vec![item],
        ..Edit::default()
    };
    let message = from_server(
        "7",
        2,
        "Q7",
        vec![Command::Status(status(2, 200)), Command::Replace(replace)],
    );
    let up_to_data = "
      65 03 37 00 01                              SessionID 7
      5B 03 32 00 01                              MsgID 2
      6E 57 03 5137 00 01 01                      Target/LocURI Q7
    ";
    let body = "
     6B 69 4B 03 31 00 01                         SyncBody, Status, CmdID 1
       5C 03 32 00 01 4C 03 30 00 01              MsgRef 2, CmdRef 0
       4A 03 53796E63486472 00 01                 Cmd SyncHdr
       4F 03 323030 00 01 01                      Data 200, END Status
      60                                          Replace
       4B 03 32 00 01                             CmdID 2
       54                                         Item
        6E 57 03 2E2F61 00 01 01                  Target/LocURI ./a
        5A                                        Meta, on page 0
         00 01                                    SWITCH_PAGE 1
         47 03 696E74 00 01                       Format int
         53 03 746578742F706C61696E 00 01         Type text/plain
        01                                        END Meta
        00 00                                     SWITCH_PAGE 0
    ";
    let end = "
       01 01                                      END Item, END Replace
      12 01 01                                    Final, END SyncBody, END SyncML
    ";
    let golden = |data| bytes(&[START, VERSIONS, up_to_data, FROM_SERVER, body, data, end]);
    assert_both_ways(
        &message,
        &golden("4F 03 36 00 01 Data as inline string"),
        &golden("4F C3 01 36 01 Data OPAQUE"),
    );
}

#[test]
fn a_first_message_of_a_device() {
    let login = Item::default()
        .with_type("com.microsoft/MDM/LoginStatus")
        .with_data("none");
    let body = vec![
        Command::Alert(Alert {
            cmd_id: "2".to_owned(),
            code: 1201,
            items: vec![],
        }),
        Command::Alert(Alert {
            cmd_id: "3".to_owned(),
            code: 1224,
            items: vec![login],
        }),
        Command::Replace(Edit {
            cmd_id: "4".to_owned(),
            items: vec![Item::source("./DevInfo/Lang").with_data("en-GB")],
            ..Edit::default()
        }),
    ];
    let message = Message {
        header: Header::new("2F", 1, "https://qm.example/dm", "D9"),
        body,
        last: true,
    };
    let up_to_data = "
      65 03 3246 00 01                            SessionID 2F
      5B 03 31 00 01                              MsgID 1
      6E 57 03 68747470733A2F2F716D2E6578616D706C652F646D 00 01 01    Target https://qm.example/dm
      67 57 03 4439 00 01 01                      Source D9
     01                                           END SyncHdr
     6B                                           SyncBody
      46 4B 03 32 00 01 4F 03 31323031 00 01 01   Alert: CmdID 2, Data 1201
      46 4B 03 33 00 01 4F 03 31323234 00 01      Alert: CmdID 3, Data 1224
       54 5A 00 01 53 03                          Item/Meta, page 1, Type
        636F6D2E6D6963726F736F66742F4D444D2F4C6F67696E537461747573 00 01    com.microsoft/MDM/LoginStatus
        01                                        END Meta
        00 00 4F 03 6E6F6E65 00 01                page 0, Data none
       01 01                                      END Item, END Alert
      60 4B 03 34 00 01                           Replace: CmdID 4
       54 67 57 03 2E2F446576496E666F2F4C616E67 00 01 01    Item/Source ./DevInfo/Lang
    ";
    let end = "01 01 12 01 01                     END Item, END Replace, Final, END SyncBody, END SyncML";
    let golden = |data| bytes(&[START, VERSIONS, up_to_data, data, end]);
    assert_both_ways(
        &message,
        &golden("4F 03 656E2D4742 00 01 Data as inline string"),
        &golden("4F C3 05 656E2D4742 01 Data OPAQUE"),
    );
}

#[test]
fn a_challenge() {
    let challenge = Meta {
        media_type: Some("syncml:auth-md5".to_owned()),
        next_nonce: Some("Dx4tPEtaaXiHlqW0w9Lh8A==".to_owned()),
        ..Meta::format("b64")
    };
    let status = Status {
        challenge: Some(Box::new(challenge)),
        ..status(1, 407)
    };
    let message = from_server("2F", 1, "D9", vec![Command::Status(status)]);
    let golden = bytes(&[
        START,
        VERSIONS,
        "
      65 03 3246 00 01                            SessionID 2F
      5B 03 31 00 01                              MsgID 1
      6E 57 03 4439 00 01 01                      Target/LocURI D9
    ",
        FROM_SERVER,
        "
     6B 69 4B 03 31 00 01                         SyncBody, Status, CmdID 1
       5C 03 31 00 01 4C 03 30 00 01              MsgRef 1, CmdRef 0
       4A 03 53796E63486472 00 01                 Cmd SyncHdr
       49 5A 00 01                                Chal/Meta, page 1
        47 03 623634 00 01                        Format b64
        53 03 73796E636D6C3A617574682D6D6435 00 01    Type syncml:auth-md5
        50 03 447834745045746161586948 6C7157307739 4C6838413D3D 00 01    NextNonce
       01 01                                      END Meta, END Chal: valid on any page
       00 00 4F 03 343037 00 01                   page 0, Data 407
      01 12 01 01                                 END Status, Final, END SyncBody, END SyncML
    ",
    ]);
    assert_both_ways(&message, &golden, &golden);
}

#[test]
fn the_same_message_under_other_headers() {
    let rest = bytes(&[
        VERSIONS,
        "65 03 37 00 01 5B 03 31 00 01 6E 57 03 5137 00 01 01",
        FROM_SERVER,
        "6B 12 01 01 SyncBody with Final",
    ]);
    let expected = from_server("7", 1, "Q7", vec![]);
    let name = "2D2F2F53594E434D4C2F2F4454442053796E634D4C20312E322F2F454E"; // -//SYNCML//DTD SyncML 1.2//EN
    let headers = [
        START.to_owned(),
        "01 A401 6A 00  version 1.1".to_owned(),
        "03 A401 6A 00  version 1.3".to_owned(),
        "02 9F53 6A 00  SyncML 1.1".to_owned(),
        "02 9F51 6A 00  SyncML 1.0".to_owned(),
        "02 01 6A 00    unknown document type".to_owned(),
        "02 A401 03 00  US-ASCII".to_owned(),
        format!("02 00 00 6A 1E {name} 00"),
        format!("03 00 02 6A 1F 61 00 {name}"),
    ];
    for header in headers {
        assert_eq!(
            read_wbxml(&[bytes(&[&header]), rest.clone()].concat()).unwrap(),
            expected,
            "{header}"
        );
    }
}

#[test]
fn original_errors_are_literal_attributes() {
    let status = Status {
        original_error: Some("0x86000002".to_owned()),
        ..status(1, 404)
    };
    let message = from_server("7", 1, "Q7", vec![Command::Status(status)]);
    let golden = bytes(&[
        "
    02 A401 6A 13                                 string table of 19 bytes
    6D7366743A6F726967696E616C6572726F72 00       msft:originalerror
    ",
        VERSIONS,
        "65 03 37 00 01 5B 03 31 00 01 6E 57 03 5137 00 01 01",
        FROM_SERVER,
        "
     6B 69 4B 03 31 00 01                         SyncBody, Status, CmdID 1
       5C 03 31 00 01 4C 03 30 00 01              MsgRef 1, CmdRef 0
       4A 03 53796E63486472 00 01                 Cmd SyncHdr
       CF                                         Data with attributes and content
        04 00 03 30783836303030303032 00 01       LITERAL 0, value 0x86000002, END of attributes
        03 343034 00 01                           404
      01 12 01 01                                 END Status, Final, END SyncBody, END SyncML
    ",
    ]);
    assert_both_ways(&message, &golden, &golden);
}
