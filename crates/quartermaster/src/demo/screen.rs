//! What the demonstration shows, as it happens.

use crate::output;
use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};

/// Lines with the time since the start.
pub struct Screen {
    started: Instant,
}

impl Default for Screen {
    fn default() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Screen {
    /// Something happened.
    pub fn step(&self, text: &str) {
        output::line(&format!(
            "  {:>5.1}s  {text}",
            self.started.elapsed().as_secs_f32()
        ));
    }

    /// The last line.
    pub fn verdict(&self, complete: bool) {
        let seconds = self.started.elapsed().as_secs_f32();
        let text = if complete {
            "every app reached its devices"
        } else {
            "NOT every app reached its devices"
        };
        output::line(&format!("\n{text} ({seconds:.1} s)"));
    }
}

/// A chapter begins.
pub fn chapter(title: &str) {
    output::line(&format!("\n{title}"));
}

/// A side remark.
pub fn note(text: &str) {
    output::line(&format!("          {text}"));
}

/// The final table.
pub fn table(header: Vec<String>, rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    output::line(&format!("\n{table}"));
}

/// A bar on stderr, where that is a terminal; elsewhere nothing.
pub fn bar(what: &str, length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length).with_message(what.to_owned());
    if let Ok(style) = ProgressStyle::with_template("          {msg:<28} {bar:30} {pos}/{len}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
