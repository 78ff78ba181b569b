//! [`Step`]: one statement of a script, and the session that scripts run in.

/// The session in which tables are read and created. Reading is in `binary`, so that the text of a
/// routine stays in its original character set. Only MySQL creates primary keys of its own and can
/// hide them; only MariaDB has constraints that can be off during an insert.
pub(super) const SESSION: &str = "SET NAMES utf8mb4, character_set_results = binary, \
    sql_mode = 'NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00', sql_quote_show_create = 1, \
    foreign_key_checks = 0, unique_checks = 0, innodb_strict_mode = 0, timestamp = DEFAULT \
    /*!80030 , sql_generate_invisible_primary_key = 0, \
    show_gipk_in_create_table_and_information_schema = 1 */ \
    /*M!100201 , check_constraint_checks = 0 */";

/// An event.
pub(super) struct Event {
    pub(super) name: String,
    pub(super) steps: Vec<Step>,
    /// The statement that alters it, without the last word.
    pub(super) alter: String,
}

/// One statement.
pub(super) struct Step {
    pub(super) sql: Vec<u8>,
    /// Whether the database's name in it is replaced by the copy's.
    pub(super) renames: bool,
}

impl Step {
    /// Creates a statement in which the database's name is replaced by the copy's.
    pub(super) fn own(sql: impl Into<Vec<u8>>) -> Step {
        Step { sql: sql.into(), renames: true }
    }

    /// Creates a statement that runs unchanged.
    pub(super) fn rows(sql: String) -> Step {
        Step { sql: sql.into(), renames: false }
    }
}
