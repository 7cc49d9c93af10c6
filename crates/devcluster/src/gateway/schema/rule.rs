//! Rules on one value, and what Kong says when they are broken.

use regex::Regex;
use serde_json::Value;

use super::custom::Custom;

/// A rule on a value that is of the right type already.
#[derive(Debug, Clone)]
pub(crate) enum Rule {
    Eq(Value),
    Ne(Value),
    NotOneOf(Vec<Value>),
    OneOf(Vec<Value>),
    GreaterThan(f64),
    Timestamp,
    Uuid,
    Between(f64, f64),
    LenEq(usize),
    LenMin(usize),
    LenMax(usize),
    StartsWith(String),
    NotMatch(Regex),
    /// Patterns of which none may match, each with its message.
    MatchNone(Vec<(Regex, String)>),
    Match(Regex),
    MatchAll(Vec<(Regex, String)>),
    MatchAny(Vec<Regex>, String),
    Contains(Value),
    Custom(Custom),
    Function(fn(&Value) -> Result<(), String>),
    /// Sets of which only one may have members in the value.
    ExclusiveSets(Vec<Vec<&'static str>>),
}

impl Rule {
    /// Its place in the order of application; also tells rules of one sort.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Eq(_) => 0,
            Self::Ne(_) => 1,
            Self::NotOneOf(_) => 2,
            Self::OneOf(_) => 3,
            Self::GreaterThan(_) => 4,
            Self::Timestamp => 5,
            Self::Uuid => 6,
            Self::Between(..) => 7,
            Self::LenEq(_) => 8,
            Self::LenMin(_) => 9,
            Self::LenMax(_) => 10,
            Self::StartsWith(_) => 11,
            Self::NotMatch(_) => 12,
            Self::MatchNone(_) => 13,
            Self::Match(_) => 14,
            Self::MatchAll(_) => 15,
            Self::MatchAny(..) => 16,
            Self::Contains(_) => 17,
            Self::Custom(_) | Self::Function(_) => 18,
            Self::ExclusiveSets(_) => 19,
        }
    }

    /// # Errors
    /// What Kong says of the value.
    pub(crate) fn apply(&self, value: &Value) -> Result<(), String> {
        let text = value.as_str().unwrap_or_default();
        let number = value.as_f64();
        match self {
            Self::Eq(wanted) if !same(value, wanted) => Err(format!("value must be {}", plain(wanted))),
            Self::Ne(unwanted) if same(value, unwanted) => Err(format!("value must not be {}", plain(value))),
            Self::NotOneOf(options) if options.iter().any(|option| same(option, value)) => {
                Err(format!("must not be one of: {}", list(options)))
            }
            Self::OneOf(options) if !options.iter().any(|option| same(option, value)) => {
                Err(format!("expected one of: {}", list(options)))
            }
            Self::GreaterThan(limit) if number.is_some_and(|number| number <= *limit) => {
                Err(format!("value must be greater than {limit}"))
            }
            Self::Timestamp if number.is_some_and(|number| number <= 0.0) => {
                Err("expected a valid timestamp".to_owned())
            }
            Self::Uuid if !is_uuid(text) => Err("expected a valid UUID".to_owned()),
            Self::Between(from, to) if number.is_some_and(|number| number < *from || number > *to) => {
                Err(format!("value should be between {from} and {to}"))
            }
            Self::LenEq(wanted) if len(value) != *wanted => Err(format!("length must be {wanted}")),
            Self::LenMin(least) if len(value) < *least => Err(format!("length must be at least {least}")),
            Self::LenMax(most) if len(value) > *most => Err(format!("length must be at most {most}")),
            Self::StartsWith(start) if !text.starts_with(start.as_str()) => Err(format!("should start with: {start}")),
            Self::NotMatch(pattern) if pattern.is_match(text) => Err(format!("invalid value: {text}")),
            Self::MatchNone(patterns) => first(patterns, |pattern| pattern.is_match(text)),
            Self::Match(pattern) if !pattern.is_match(text) => Err(format!("invalid value: {text}")),
            Self::MatchAll(patterns) => first(patterns, |pattern| !pattern.is_match(text)),
            Self::MatchAny(patterns, message) if !patterns.iter().any(|pattern| pattern.is_match(text)) => {
                Err(message.clone())
            }
            Self::Contains(wanted) if !value.as_array().is_some_and(|values| values.contains(wanted)) => {
                Err(format!("expected to contain: {}", plain(wanted)))
            }
            Self::Custom(custom) => custom.apply(value),
            Self::Function(function) => function(value),
            Self::ExclusiveSets(sets) => exclusive(sets, value),
            _ => Ok(()),
        }
    }
}

fn first(patterns: &[(Regex, String)], broken: impl Fn(&Regex) -> bool) -> Result<(), String> {
    patterns.iter().find(|(pattern, _)| broken(pattern)).map_or(Ok(()), |(_, message)| Err(message.clone()))
}

/// Numbers are equal by value: Lua knows no integers.
fn same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

/// A scalar as Lua writes it.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn list(values: &[Value]) -> String {
    values.iter().map(plain).collect::<Vec<_>>().join(", ")
}

fn len(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.len(),
        Value::Object(fields) => fields.len(),
        _ => 0,
    }
}

/// Lower case with hyphens, the only form Kong accepts.
pub(crate) fn is_uuid(text: &str) -> bool {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => is_hex(byte),
        })
}

fn exclusive(sets: &[Vec<&'static str>], value: &Value) -> Result<(), String> {
    let values = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut members: Vec<&Vec<&'static str>> = Vec::new();
    for value in values.iter().filter_map(Value::as_str) {
        if let Some(set) = sets.iter().find(|set| set.contains(&value))
            && !members.contains(&set)
        {
            members.push(set);
        }
    }
    if members.len() <= 1 {
        return Ok(());
    }
    let quoted: Vec<String> = members.iter().map(|set| format!("({})", quoted(set.iter().copied()))).collect();
    Err(format!("these sets are mutually exclusive: {}", quoted.join(", ")))
}

/// `'a', 'b'`
pub(crate) fn quoted<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ")
}
