//! The state of a job slot, `AppInstallation/{PFN}`.

use crate::locuri::node_names;
use qm_core::HResult;
use qm_syncml::Item;

/// What a slot says about its job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlotStatus {
    /// The slot exists, its job has not begun.
    NotInstalled,
    /// Being downloaded or deployed.
    Installing,
    /// Ended with an error; the slot lingers.
    Failed {
        /// `LastError`; `0x80004005` where the device tells none.
        error: HResult,
        /// `LastErrorDesc`, for people.
        description: Option<String>,
    },
    /// Ended well; the slot is about to vanish.
    Installed,
}

/// Reads the answer to [`super::poll_slot`]. `None`: nothing in it tells the state.
pub fn read_slot(items: &[Item]) -> Option<SlotStatus> {
    let mut leaves = Leaves::default();
    for item in items {
        leaves.take(item);
    }
    let error = leaves.error.filter(|error| !error.is_success());
    match (leaves.status, error) {
        (Some(0), _) => Some(SlotStatus::NotInstalled),
        (Some(1), _) => Some(SlotStatus::Installing),
        (Some(3), _) => Some(SlotStatus::Installed),
        (Some(2), _) | (None, Some(_)) => Some(SlotStatus::Failed {
            error: error.unwrap_or(UNSPECIFIED),
            description: leaves.description,
        }),
        _ => None,
    }
}

#[derive(Default)]
struct Leaves {
    status: Option<i64>,
    error: Option<HResult>,
    description: Option<String>,
}

impl Leaves {
    fn take(&mut self, item: &Item) {
        let (Some(uri), Some(data)) = (item.source.as_deref().or(item.target.as_deref()), &item.data) else {
            return;
        };
        match leaf(uri).as_deref() {
            Some("status") => self.status = data.trim().parse().ok(),
            Some("lasterror") => self.error = HResult::parse(data),
            Some("lasterrordesc" | "lasterrordescription") => {
                self.description = Some(data.trim().to_owned()).filter(|text| !text.is_empty());
            }
            _ => {}
        }
    }
}

/// The name of a leaf right below a slot, in lower case.
fn leaf(uri: &str) -> Option<String> {
    let mut names = node_names(uri)
        .skip_while(|name| !name.eq_ignore_ascii_case("AppInstallation"))
        .skip(2);
    let leaf = names.next()?.to_ascii_lowercase();
    names.next().is_none().then_some(leaf)
}

/// `E_FAIL`.
const UNSPECIFIED: HResult = HResult(0x8000_4005);
