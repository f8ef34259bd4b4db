//! A TOML file taken apart into dotted keys, each with the line it stands on.

use toml::de::{DeTable, DeValue};

use super::value::Value;

/// One key of the file.
pub(super) struct FileEntry {
    /// Dotted, e.g. `http.listen`.
    pub(super) key: String,
    pub(super) value: Value,
    /// Counted from 1.
    pub(super) line: usize,
}

/// What is wrong with the file's syntax, and where.
pub(super) struct SyntaxError {
    pub(super) line: usize,
    pub(super) message: String,
}

/// Takes `text` apart.
pub(super) fn entries(text: &str) -> Result<Vec<FileEntry>, SyntaxError> {
    let table = DeTable::parse(text).map_err(|error| SyntaxError {
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        message: error.message().to_owned(),
    })?;
    let mut entries = Vec::new();
    flatten(text, "", table.get_ref(), &mut entries);
    Ok(entries)
}

fn flatten(text: &str, prefix: &str, table: &DeTable<'_>, entries: &mut Vec<FileEntry>) {
    for (name, value) in table.iter() {
        let key = format!("{prefix}{}", name.get_ref());
        if let DeValue::Table(inner) = value.get_ref() {
            flatten(text, &format!("{key}."), inner, entries);
        } else {
            let line = line_of(text, name.span().start);
            entries.push(FileEntry { key, value: read(value.get_ref()), line });
        }
    }
}

fn read(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(integer) => Value::Integer(integer.as_str().to_owned()),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Array(items) => {
            let texts: Option<Vec<_>> =
                items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect();
            texts.map_or(Value::Other("array of other things than texts"), Value::List)
        }
        other => Value::Other(other.type_str()),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or_default();
    before.iter().filter(|&&byte| byte == b'\n').count() + 1
}
