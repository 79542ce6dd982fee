//! Figures and their goals.

use comfy_table::{Table, presets};

/// One line of the result.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    what: String,
    value: f64,
    /// The lowest and the highest round.
    range: (f64, f64),
    unit: &'static str,
    goal: Goal,
    detail: String,
}

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
    /// Only shown.
    None,
}

impl Figure {
    /// The median of rounds, at least one.
    pub fn of(what: impl Into<String>, rounds: &[f64], unit: &'static str, goal: Goal) -> Self {
        let mut sorted = rounds.to_vec();
        sorted.sort_by(f64::total_cmp);
        let range = (
            sorted.first().copied().unwrap_or(f64::NAN),
            sorted.last().copied().unwrap_or(f64::NAN),
        );
        Self {
            what: what.into(),
            value: median(&sorted),
            range,
            unit,
            goal,
            detail: String::new(),
        }
    }

    /// Of pairs from the same round: the median of the rounds' ratios, one to the other.
    pub fn ratio(what: impl Into<String>, pairs: &[(f64, f64)], goal: Goal) -> Self {
        let ratios: Vec<f64> = pairs.iter().map(|(ours, other)| ours / other).collect();
        Self::of(what, &ratios, "", goal)
    }

    /// Adds what the figure was made from.
    pub fn with(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Whether the goal is reached; `None` where there is none.
    fn holds(&self) -> Option<bool> {
        match self.goal {
            Goal::AtMost(most) => Some(self.value <= most),
            Goal::AtLeast(least) => Some(self.value >= least),
            Goal::None => None,
        }
    }

    fn row(&self) -> [String; 5] {
        let goal = match self.goal {
            Goal::AtMost(most) => format!("≤ {most}"),
            Goal::AtLeast(least) => format!("≥ {least}"),
            Goal::None => String::new(),
        };
        let holds = match self.holds() {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "",
        };
        let (low, high) = self.range;
        let value = format!("{:.2}{} ({low:.2}–{high:.2})", self.value, self.unit);
        [
            self.what.clone(),
            value,
            goal,
            holds.to_owned(),
            self.detail.clone(),
        ]
    }
}

/// The middle of numbers.
pub fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// All figures for people.
pub fn table(figures: &[Figure]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["what", "median (range)", "goal", "holds", "from"]);
    table.add_rows(figures.iter().map(Figure::row));
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_the_rounds_ratios_counts() {
        let figure = Figure::ratio("cost", &[(3.0, 2.0), (2.0, 2.0), (90.0, 3.0)], Goal::AtMost(1.5));
        assert_eq!(figure.row()[1], "1.50 (1.00–30.00)");
        assert_eq!(figure.holds(), Some(true));
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(format!("{:.1}", median(&[4.0, 1.0, 2.0, 3.0])), "2.5");
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_missed_goal_is_shown() {
        let figure = Figure::of("rate", &[1.1], " MB", Goal::AtLeast(1.2)).with("2 rounds");
        let row = figure.row();
        assert_eq!(
            row[1..],
            ["1.10 MB (1.10–1.10)", "≥ 1.2", "NO", "2 rounds"].map(str::to_owned)
        );
    }
}
