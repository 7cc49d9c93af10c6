//! The forms in which a declarative config may arrive at `POST /config`: a JSON object, text inside a JSON
//! object, a form or a multipart body, or the text itself. It never judges what the config says.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::answer::Answer;

/// A posted config before it is judged.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) form: Form,
    /// Ask for errors per entity.
    pub(crate) flatten_errors: bool,
    /// Ask for 304 when the config is in force already.
    pub(crate) check_hash: bool,
}

#[derive(Debug)]
pub(crate) enum Form {
    /// A JSON object with the config at top level, to which the query's arguments belong too.
    Object { arguments: Map<String, Value>, text: Bytes },
    /// JSON or YAML text, hashed as it stands.
    Text(Bytes),
    /// The same, when it is all of the request's body.
    Body(Bytes),
}

impl Form {
    pub(crate) fn into_text(self) -> Bytes {
        match self {
            Self::Object { text, .. } | Self::Text(text) | Self::Body(text) => text,
        }
    }
}

/// Body types by the prefix of their content type, as Kong tells them apart.
enum Kind {
    Json,
    Multipart(String),
    Urlencoded,
    Yaml,
    None,
}

/// Reads the request as Kong does: query arguments are merged into what the body holds.
///
/// # Errors
/// The answer to give instead.
pub(crate) fn read(headers: &HeaderMap, query: &str, body: Bytes) -> Result<Posted, Answer> {
    let mut params = pairs(query);
    match kind_of(headers, &body)? {
        Kind::Json => return json(params, body),
        Kind::Urlencoded => params.extend(pairs(&String::from_utf8_lossy(&body))),
        Kind::Multipart(boundary) => params.extend(parts(&boundary, &body)),
        Kind::Yaml | Kind::None => {}
    }
    let (flatten_errors, check_hash) = options(&mut params);
    let form = match params.remove("config") {
        Some(Value::String(text)) => Form::Text(text.into()),
        _ if params.contains_key("_format_version") => Form::Object { arguments: params, text: "{}".into() },
        _ if body.is_empty() => return Err(expected_a_config()),
        _ => Form::Body(body),
    };
    Ok(Posted { form, flatten_errors, check_hash })
}

/// What matters at the top of a JSON body before all of it is looked at.
#[derive(serde::Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    _format_version: Option<&'a RawValue>,
    config: Option<String>,
}

fn json(mut arguments: Map<String, Value>, body: Bytes) -> Result<Posted, Answer> {
    let (flatten_errors, check_hash) = options(&mut arguments);
    let form = match serde_json::from_slice::<Head<'_>>(&body) {
        Ok(Head { _format_version: None, config: Some(text) }) => Form::Text(text.into()),
        Ok(Head { _format_version: Some(_), .. }) => Form::Object { arguments, text: body },
        // Kong takes the body for the text of a config then, which fails later for want of a version.
        _ => {
            merge_json(&mut Map::new(), &body)?;
            Form::Body(body)
        }
    };
    Ok(Posted { form, flatten_errors, check_hash })
}

fn options(params: &mut Map<String, Value>) -> (bool, bool) {
    let flatten_errors = params.remove("flatten_errors").is_some_and(|value| is_truthy(&value));
    let check_hash = params.remove("check_hash").is_some_and(|value| as_text(&value) == "1");
    (flatten_errors, check_hash)
}

fn expected_a_config() -> Answer {
    Answer::message(StatusCode::BAD_REQUEST, "expected a declarative configuration")
}

fn kind_of(headers: &HeaderMap, body: &Bytes) -> Result<Kind, Answer> {
    let Some(content_type) = headers.get(http::header::CONTENT_TYPE) else {
        return if body.is_empty() { Ok(Kind::None) } else { Err(unsupported()) };
    };
    let content_type = content_type.to_str().unwrap_or_default();
    if content_type.starts_with("application/json") {
        Ok(Kind::Json)
    } else if content_type.starts_with("multipart/form-data") {
        let boundary = content_type.split("boundary=").nth(1).unwrap_or_default();
        Ok(Kind::Multipart(boundary.trim_matches('"').to_owned()))
    } else if content_type.starts_with("application/x-www-form-urlencoded") {
        Ok(Kind::Urlencoded)
    } else if content_type.starts_with("application/yaml") || content_type.starts_with("text/yaml") {
        Ok(Kind::Yaml)
    } else {
        Err(unsupported())
    }
}

pub(crate) fn unsupported() -> Answer {
    Answer::page(StatusCode::UNSUPPORTED_MEDIA_TYPE)
}

/// Parses a JSON body as the Admin API does: an array counts as an object without fields.
///
/// # Errors
/// Kong's answer to what is not JSON.
pub(crate) fn merge_json(params: &mut Map<String, Value>, body: &[u8]) -> Result<(), Answer> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) if params.is_empty() => *params = fields,
        Ok(Value::Object(fields)) => params.extend(fields),
        Ok(Value::Array(_)) => {}
        _ => return Err(Answer::message(StatusCode::BAD_REQUEST, "Cannot parse JSON body")),
    }
    Ok(())
}

/// Parses the text of a declarative config: JSON, or else YAML.
///
/// # Errors
/// The parser's words.
pub(crate) fn parse_text(text: &[u8]) -> Result<Value, String> {
    if let Ok(value @ (Value::Object(_) | Value::Array(_))) = serde_json::from_slice(text) {
        return Ok(value);
    }
    let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
    match yaml(text)? {
        value @ (Value::Object(_) | Value::Array(_)) => Ok(value),
        _ => Err("expected an object".to_owned()),
    }
}

/// Parses YAML in which, as for Kong, `n` and `on` are texts.
///
/// # Errors
/// The parser's words.
pub(crate) fn yaml(text: &str) -> Result<Value, String> {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())
}

/// Query or form arguments, percent-decoded; of a repeated name the last one counts.
pub(crate) fn pairs(encoded: &str) -> Map<String, Value> {
    encoded
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').map_or((pair, Value::Bool(true)), |(k, v)| (k, Value::String(decode(v)))))
        .map(|(name, value)| (decode(name), value))
        .collect()
}

pub(crate) fn decode(encoded: &str) -> String {
    let bytes = encoded.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = (byte == b'%').then(|| encoded.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok()));
        at += 1;
        match (byte, hex.flatten()) {
            (_, Some(code)) => {
                plain.push(code);
                at += 2;
            }
            (b'+', None) => plain.push(b' '),
            (_, None) => plain.push(byte),
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// The named parts of a multipart body, as text.
fn parts(boundary: &str, body: &[u8]) -> Vec<(String, Value)> {
    let body = String::from_utf8_lossy(body);
    let delimiter = format!("--{boundary}");
    let part = |part: &str| {
        let (head, content) = part.split_once("\r\n\r\n")?;
        let name = head.split("name=\"").nth(1)?.split('"').next()?;
        Some((name.to_owned(), Value::String(content.strip_suffix("\r\n").unwrap_or(content).to_owned())))
    };
    body.split(&delimiter).filter_map(part).collect()
}

fn is_truthy(value: &Value) -> bool {
    matches!(as_text(value).to_ascii_lowercase().as_str(), "true" | "1" | "on" | "yes")
}

fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
