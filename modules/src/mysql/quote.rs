//! Names and texts in SQL.

/// Quotes a name with backticks.
pub(super) fn name(text: &str) -> String {
    format!("`{}`", text.replace('`', "``"))
}

/// Quotes a text, for a session in which a backslash escapes.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// Replaces one database's name in SQL by another's, wherever it is a whole word. The names of
/// castoff's databases are random, so no other object has them.
pub(super) fn renamed(sql: &[u8], from: &str, to: &str) -> Vec<u8> {
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..);
    let mut written = Vec::with_capacity(sql.len());
    let mut at = 0;
    while let Some(rest) = sql.get(at..).filter(|rest| !rest.is_empty()) {
        let whole = rest.starts_with(from.as_bytes())
            && !rest.get(from.len()).is_some_and(part)
            && !at.checked_sub(1).and_then(|before| sql.get(before)).is_some_and(part);
        if whole {
            written.extend_from_slice(to.as_bytes());
            at += from.len();
        } else {
            written.push(rest[0]);
            at += 1;
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(name("a`b"), "`a``b`");
        assert_eq!(quoted(r"it's \"), r"'it''s \\'");
    }

    #[test]
    fn a_name_is_replaced_as_a_word() {
        let sql = b"`db_1`.`t`, db_1.f(), db_12, my_db_1, '\xff db_1'";
        assert_eq!(renamed(sql, "db_1", "x"), b"`x`.`t`, x.f(), db_12, my_db_1, '\xff x'");
    }
}
