//! How a statement is declared: once, by name, listed with all others, in the text of both engines.

use crate::dialect::{Engine, expand};
use std::sync::OnceLock;

/// A statement: its portable text, and what each engine gets to see.
#[derive(Debug)]
pub(crate) struct Sql {
    pub(crate) name: &'static str,
    text: &'static str,
    columns: &'static str,
    sqlite: OnceLock<String>,
    postgres: OnceLock<String>,
}

impl Sql {
    pub(crate) const fn new(name: &'static str, columns: &'static str, text: &'static str) -> Self {
        Self {
            name,
            text,
            columns,
            sqlite: OnceLock::new(),
            postgres: OnceLock::new(),
        }
    }

    /// The text for one engine.
    pub(crate) fn text(&'static self, engine: Engine) -> &'static str {
        let cell = match engine {
            Engine::Sqlite => &self.sqlite,
            Engine::Postgres => &self.postgres,
        };
        cell.get_or_init(|| expand(engine, self.text, self.columns))
    }
}

/// Declares a module's statements and lists them in `STATEMENTS`. `{columns}` in a text stands for the list in the
/// first line, `{columns d}` for the same list with each column taken from `d`.
macro_rules! sql {
    (columns $columns:expr; $($name:ident = $text:literal;)+) => {
        $(static $name: $crate::sql::Sql =
            $crate::sql::Sql::new(concat!(module_path!(), "::", stringify!($name)), $columns, $text);)+
        /// Every statement of this module.
        #[cfg(test)]
        pub(crate) static STATEMENTS: &[&$crate::sql::Sql] = &[$(&$name),+];
    };
    ($($name:ident = $text:literal;)+) => { $crate::sql::sql! { columns ""; $($name = $text;)+ } };
}
pub(crate) use sql;

/// Every statement of the crate.
#[cfg(test)]
pub(crate) fn statements() -> impl Iterator<Item = &'static Sql> {
    [
        crate::api_tokens::STATEMENTS,
        crate::apps::STATEMENTS,
        crate::audit::STATEMENTS,
        crate::certificates::STATEMENTS,
        crate::clock::STATEMENTS,
        crate::commands::STATEMENTS,
        crate::deployments::STATEMENTS,
        crate::device_apps::STATEMENTS,
        crate::devices::STATEMENTS,
        crate::devices::check_in::STATEMENTS,
        crate::enrollment_tokens::STATEMENTS,
        crate::exchanges::STATEMENTS,
        crate::groups::STATEMENTS,
        crate::idempotency::STATEMENTS,
        crate::jobs::STATEMENTS,
        crate::licenses::STATEMENTS,
        crate::packages::STATEMENTS,
        crate::seats::STATEMENTS,
        crate::seats::reasons::STATEMENTS,
        crate::selection::STATEMENTS,
        crate::sessions::STATEMENTS,
        crate::settings::STATEMENTS,
        crate::store_circuit::STATEMENTS,
        crate::store_status::STATEMENTS,
        crate::targets::STATEMENTS,
        crate::targets::queries::STATEMENTS,
        crate::targets::rollout::STATEMENTS,
        crate::unused_content::STATEMENTS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

#[cfg(test)]
mod tests;
