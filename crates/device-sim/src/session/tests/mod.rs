//! A session in a test; the tests by subject.

mod hostile;
mod quirks;
mod rules;
mod says;

use super::*;
use crate::{
    Quirks, Rule,
    testing::{DEVICE_ID, SERVER, account, hardware, options, soap_answer},
    tree::{Login, apps::JobAlert},
    xml::Element,
};
use qm_core::HResult;

/// A session against hand-written answers.
struct Talk {
    options: DeviceOptions,
    tree: Tree,
    watch: Watch,
    session: Session,
    /// What the device said last.
    said: Element,
}

impl Talk {
    fn new() -> Self {
        Self::with(Quirks::default(), &[], Login::User)
    }

    fn with(quirks: impl Into<Quirks>, alerts: &[PendingAlert], login: Login) -> Self {
        let options = DeviceOptions {
            quirks: quirks.into(),
            ..options()
        };
        let account = account(Encoding::Xml);
        let mut tree = Tree::new(&options, &hardware(), &account);
        tree.set_login(login);
        let opening = Opening {
            options: &options,
            account: &account,
            tree: &tree,
            device_id: DEVICE_ID,
            session_id: "7",
        };
        let (session, bytes) = Session::open(opening, alerts);
        let said = Element::parse(&bytes).unwrap();
        Self {
            options,
            tree,
            watch: Watch::default(),
            session,
            said,
        }
    }

    fn receive(&mut self, answer: &Answer) -> Option<Ended> {
        let mut context = Context {
            options: &self.options,
            tree: &mut self.tree,
            watch: &mut self.watch,
        };
        match self.session.receive(answer, &mut context) {
            Next::Send(bytes) => {
                self.said = Element::parse(&bytes).unwrap();
                None
            }
            Next::End(ended) => Some(ended),
        }
    }

    /// A correct answer: statuses for everything, then these commands.
    fn answer(&self, commands: &str) -> String {
        let message = self.session.message();
        let status = |number: usize, cmd_ref: &str, cmd: &str, code: u16| {
            format!(
                "<Status><CmdID>{number}</CmdID><MsgRef>{message}</MsgRef><CmdRef>{cmd_ref}</CmdRef><Cmd>{cmd}</Cmd>\
                 <Data>{code}</Data></Status>"
            )
        };
        let mut body = status(1, "0", "SyncHdr", 200);
        for (index, sent) in self
            .session
            .sent
            .iter()
            .filter(|sent| sent.wanted.is_some())
            .enumerate()
        {
            let code = sent.wanted.unwrap().0;
            body += &status(index + 2, &sent.cmd_id, &sent.name, code);
        }
        envelope(message, &format!("{body}{commands}<Final/>"))
    }

    fn hear(&mut self, commands: &str) -> Option<Ended> {
        let answer = dm_answer(&self.answer(commands));
        self.receive(&answer)
    }

    /// `CmdRef`, `Cmd`, `Data` of each status said.
    fn statuses(&self) -> Vec<(String, String, String)> {
        let value = |status: &Element, name: &str| status.value(name).unwrap().to_owned();
        let triple = |status| {
            (
                value(status, "CmdRef"),
                value(status, "Cmd"),
                value(status, "Data"),
            )
        };
        self.body().all("Status").map(triple).collect()
    }

    /// The codes of the statuses after the header's.
    fn codes(&self) -> Vec<String> {
        self.statuses()
            .into_iter()
            .skip(1)
            .map(|(_, _, code)| code)
            .collect()
    }

    fn body(&self) -> &Element {
        self.said.child("SyncBody").unwrap()
    }
    fn header(&self, name: &str) -> String {
        self.said
            .child("SyncHdr")
            .unwrap()
            .value(name)
            .unwrap()
            .to_owned()
    }
    fn has_final(&self) -> bool {
        self.body().child("Final").is_some()
    }
    fn rules(&self) -> Vec<Rule> {
        self.watch.rules()
    }
}

fn envelope(message: u32, body: &str) -> String {
    format!(
        "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
         <SessionID>7</SessionID><MsgID>{message}</MsgID><Target><LocURI>{DEVICE_ID}</LocURI></Target>\
         <Source><LocURI>{SERVER}</LocURI></Source></SyncHdr><SyncBody>{body}</SyncBody></SyncML>"
    )
}

fn dm_answer(body: &str) -> Answer {
    Answer {
        content_type: Some("application/vnd.syncml.dm+xml".to_owned()),
        ..soap_answer(200, body)
    }
}

fn get(cmd_id: &str, uri: &str) -> String {
    format!("<Get><CmdID>{cmd_id}</CmdID><Item><Target><LocURI>{uri}</LocURI></Target></Item></Get>")
}

fn set(verb: &str, cmd_id: &str, policy: &str, value: &str) -> String {
    format!(
        "<{verb}><CmdID>{cmd_id}</CmdID><Item><Target><LocURI>./Vendor/MSFT/Policy/Config/Area/{policy}</LocURI></Target>\
         <Meta><Format xmlns='syncml:metinf'>int</Format></Meta><Data>{value}</Data></Item></{verb}>"
    )
}

fn job(code: u32) -> PendingAlert {
    let alert = JobAlert {
        source: "./User/x".to_owned(),
        kind: "Reversed-Domain-Name:com.microsoft.mdm.EnterpriseHostedAppInstall.result",
        code: HResult(code),
    };
    PendingAlert::job(alert, &options())
}

const CSP_VERSIONS: &str = "./Vendor/MSFT/DeviceManageability/Capabilities/CSPVersions";
