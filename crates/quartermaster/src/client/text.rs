//! Answers as text for people: tables, lists of properties, and values that cannot disturb a terminal.

use comfy_table::{ContentArrangement, Row, Table, presets};

/// Rows under a heading. Nothing is wrapped or shortened, so that ids can be copied.
pub fn table(heading: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = bare();
    table.set_header(heading.iter().map(|title| title.to_uppercase()));
    table.add_rows(rows.into_iter().map(|values| cells(&values)));
    finished(table)
}

/// Properties of one thing, one to a line.
pub fn details(rows: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let mut table = bare();
    table.add_rows(
        rows.into_iter()
            .map(|(name, value)| cells(&[name.to_owned(), value])),
    );
    finished(table)
}

/// A title with something below it, as a further paragraph.
pub fn section(title: &str, body: &str) -> String {
    format!("\n\n{title}\n{body}")
}

/// A value that may be missing.
pub fn or_dash(value: Option<String>) -> String {
    value
        .filter(|text| !text.is_empty())
        .unwrap_or_else(|| "-".to_owned())
}

/// A text from outside on one line: what would move the cursor, change colours or reverse the reading is replaced.
pub fn line(text: &str) -> String {
    text.chars()
        .map(|c| {
            if matches!(c, '\n' | '\r' | '\t') {
                ' '
            } else {
                harmless(c)
            }
        })
        .collect()
}

/// The same for a text of several lines, each indented by `indent` spaces.
pub fn block(text: &str, indent: usize) -> String {
    let lines = text
        .lines()
        .map(|line| format!("{:indent$}{}", "", line.chars().map(harmless).collect::<String>()));
    lines.collect::<Vec<_>>().join("\n")
}

fn harmless(c: char) -> char {
    let reverses = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if reverses || (c.is_control() && c != '\t') {
        char::REPLACEMENT_CHARACTER
    } else {
        c
    }
}

fn bare() -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table
}

fn cells(values: &[String]) -> Row {
    Row::from(values.iter().map(|value| line(value)))
}

fn finished(mut table: Table) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}
