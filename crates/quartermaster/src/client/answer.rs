//! What a command comes to, before it is printed.

use super::{ClientError, Output, text};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The server's JSON with the way to show it to people.
pub struct Answer {
    data: Option<Data>,
    notes: Vec<String>,
    failure: Option<ClientError>,
}

struct Data {
    json: Value,
    table: Table,
}

type Table = Box<dyn FnOnce(Value) -> Result<String, ClientError> + Send>;

/// What is printed, and the error that the command ends with although it has something to print.
#[derive(Debug)]
pub struct Shown {
    /// For stdout.
    pub data: Option<String>,
    /// For stderr.
    pub notes: Vec<String>,
    /// What the command did not reach.
    pub failure: Option<ClientError>,
}

impl Answer {
    /// One thing; `table` says how people see it.
    pub fn of<T: DeserializeOwned>(json: Value, table: impl FnOnce(T) -> String + Send + 'static) -> Self {
        let table: Table =
            Box::new(move |json| Ok(table(serde_json::from_value(json).map_err(ClientError::Answer)?)));
        Self {
            data: Some(Data { json, table }),
            notes: Vec::new(),
            failure: None,
        }
    }

    /// A list, one item to a row.
    pub fn list<T: DeserializeOwned + 'static>(
        json: Value,
        heading: &'static [&'static str],
        row: fn(T) -> Vec<String>,
    ) -> Self {
        Self::items(json, move |items: Vec<T>| {
            text::table(heading, items.into_iter().map(row))
        })
    }

    /// A list that is more than rows.
    pub fn items<T: DeserializeOwned + 'static>(
        json: Value,
        table: impl FnOnce(Vec<T>) -> String + Send + 'static,
    ) -> Self {
        let more = !json["next_cursor"].is_null();
        let answer = Self::of(json, |list: qm_admin_api::types::List<T>| table(list.items));
        if more {
            answer.note("There are more; without --limit you get all of them.")
        } else {
            answer
        }
    }

    /// Nothing but a note.
    pub fn done(note: impl Into<String>) -> Self {
        Self {
            data: None,
            notes: Vec::new(),
            failure: None,
        }
        .note(note)
    }

    /// Adds something that people should know.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Ends the command with an error, after its data.
    pub fn failing(mut self, failure: Option<ClientError>) -> Self {
        self.failure = failure;
        self
    }

    /// The texts to print. Notes are for people: JSON goes without them.
    pub fn shown(self, output: Output) -> Result<Shown, ClientError> {
        let data = self.data.map(|Data { json, table }| match output {
            Output::Table => table(json),
            Output::Json => serde_json::to_string_pretty(&json).map_err(ClientError::Answer),
        });
        let notes = if output == Output::Table {
            self.notes
        } else {
            Vec::new()
        };
        Ok(Shown {
            data: data.transpose()?,
            notes,
            failure: self.failure,
        })
    }
}
