//! Arrays of strings in JSON, which is the exec form.

/// Reads an array of strings; nothing else is one. Blanks may be around it.
pub(super) fn read(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    if !text.starts_with('[') {
        return None;
    }
    serde_json::from_str(text).ok()
}

/// Whether it is an array, of other things than strings.
pub(super) fn is_other_array(text: &str) -> bool {
    let array = serde_json::from_str::<Vec<serde_json::Value>>(text.trim());
    array.is_ok_and(|values| !values.iter().all(serde_json::Value::is_string))
}

pub(super) fn write(words: &[String]) -> String {
    let words: Vec<String> =
        words.iter().map(|word| serde_json::Value::from(word.as_str()).to_string()).collect();
    format!("[{}]", words.join(", "))
}
