//! Messages as Windows writes them.

use super::{METINF, MSFT, SYNCML};
use crate::xml::Writer;
use qm_syncml::{Alert, Command, Item, Message, Meta, Results, Status};

/// Deviations in writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Style {
    /// Alerts of 1224 and 1226 carry an empty `Meta`.
    pub(crate) empty_meta: bool,
    /// `xmlns:msft` is declared and original errors are told (`SyncApplicationVersion` 3.0 and later).
    pub(crate) original_errors: bool,
}

pub(super) fn message(message: &Message, style: Style) -> String {
    let mut xml = Writer::new();
    xml.element("SyncML", &[("xmlns", SYNCML)], |xml| {
        header(xml, message);
        let msft = [("xmlns:msft", MSFT)];
        let attributes: &[_] = if style.original_errors { &msft } else { &[] };
        xml.element("SyncBody", attributes, |xml| {
            for one in &message.body {
                command(xml, one, style);
            }
            if message.last {
                xml.empty("Final", &[]);
            }
        });
    });
    xml.finish()
}

fn header(xml: &mut Writer, message: &Message) {
    let header = &message.header;
    xml.element("SyncHdr", &[], |xml| {
        xml.text("VerDTD", &header.ver_dtd);
        xml.text("VerProto", &header.ver_proto);
        xml.text("SessionID", &header.session_id);
        xml.text("MsgID", &header.msg_id.to_string());
        location(xml, "Target", &header.target);
        location(xml, "Source", &header.source);
    });
}

/// A device sends Alert, Replace, Results and Status; nothing else is ever built.
fn command(xml: &mut Writer, command: &Command, style: Style) {
    match command {
        Command::Alert(alert) => xml.element("Alert", &[], |xml| write_alert(xml, alert, style)),
        Command::Replace(replace) => xml.element("Replace", &[], |xml| {
            cmd_id(xml, &replace.cmd_id);
            items(xml, &replace.items, false);
        }),
        Command::Results(results) => xml.element("Results", &[], |xml| write_results(xml, results)),
        Command::Status(status) => xml.element("Status", &[], |xml| write_status(xml, status, style)),
        _ => {}
    }
}

fn write_alert(xml: &mut Writer, alert: &Alert, style: Style) {
    cmd_id(xml, &alert.cmd_id);
    xml.text("Data", &alert.code.to_string());
    items(xml, &alert.items, style.empty_meta);
}

fn write_results(xml: &mut Writer, results: &Results) {
    cmd_id(xml, &results.cmd_id);
    if let Some(msg_ref) = results.msg_ref {
        xml.text("MsgRef", &msg_ref.to_string());
    }
    for (name, value) in [("CmdRef", &results.cmd_ref), ("Cmd", &results.cmd)] {
        if let Some(value) = value {
            xml.text(name, value);
        }
    }
    items(xml, &results.items, false);
}

fn write_status(xml: &mut Writer, status: &Status, style: Style) {
    cmd_id(xml, &status.cmd_id);
    xml.text("MsgRef", &status.msg_ref.to_string());
    xml.text("CmdRef", &status.cmd_ref);
    xml.text("Cmd", &status.cmd);
    for target in &status.target_refs {
        xml.text("TargetRef", target);
    }
    let code = status.code.to_string();
    match &status.original_error {
        Some(error) if style.original_errors => {
            xml.text_with("Data", &[("msft:originalerror", error.as_str())], &code);
        }
        _ => xml.text("Data", &code),
    }
}

fn items(xml: &mut Writer, items: &[Item], empty_meta: bool) {
    for item in items {
        xml.element("Item", &[], |xml| {
            for (name, uri) in [("Target", &item.target), ("Source", &item.source)] {
                if let Some(uri) = uri {
                    location(xml, name, uri);
                }
            }
            if empty_meta {
                xml.empty("Meta", &[]);
            } else if !item.meta.is_empty() {
                xml.element("Meta", &[], |xml| meta(xml, &item.meta));
            }
            if let Some(data) = &item.data {
                xml.text("Data", data);
            }
            if item.more_data {
                xml.empty("MoreData", &[]);
            }
        });
    }
}

fn meta(xml: &mut Writer, meta: &Meta) {
    let size = meta.size.map(|size| size.to_string());
    let values = [
        ("Type", &meta.media_type),
        ("Format", &meta.format),
        ("Mark", &meta.mark),
        ("Size", &size),
    ];
    for (name, value) in values {
        if let Some(value) = value {
            xml.text_with(name, &[("xmlns", METINF)], value);
        }
    }
}

fn location(xml: &mut Writer, name: &str, uri: &str) {
    xml.element(name, &[], |xml| xml.text("LocURI", uri));
}

/// Some clients leave it out.
fn cmd_id(xml: &mut Writer, id: &str) {
    if !id.is_empty() {
        xml.text("CmdID", id);
    }
}
