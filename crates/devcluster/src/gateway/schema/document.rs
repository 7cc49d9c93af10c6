//! Reads schemas from the documents in which Kong tells them (`GET /schemas/plugins/NAME`), and writes ours in that
//! form. Checks that are functions in Kong are not in such documents.

use serde_json::{Map, Value, json};

use super::check::{Branch, Check, Match, Test};
use super::custom;
use super::rule::Rule;
use super::{Effect, Field, Kind, Record, Shorthand};

/// The kinds that others refer to.
const REFERABLE: [&str; 6] = ["certificates", "consumers", "key_sets", "routes", "services", "upstreams"];

/// Reads a record: `fields`, `entity_checks` and `shorthand_fields`. What is not understood is left out, so a
/// document can only be judged too mildly.
pub(crate) fn record(document: &Value) -> Record {
    let mut record = Record::default();
    for (name, definition) in named(&document["fields"]) {
        record.fields.insert(name.clone(), field(definition));
    }
    for (name, definition) in named(&document["shorthand_fields"]) {
        let path = definition.pointer("/deprecation/replaced_with/0/path").map(strings).unwrap_or_default();
        if !path.is_empty() {
            let effect = Effect::Renamed(path);
            record.shorthands.push(Shorthand { name: name.clone(), field: field(definition), effect });
        }
    }
    named(&document["entity_checks"]).filter_map(|(name, arg)| check(name, arg)).fold(record, Record::check)
}

/// `[{"a": ...}, {"b": ...}]`, one by one.
fn named(list: &Value) -> impl Iterator<Item = (&String, &Value)> {
    list.as_array().into_iter().flatten().filter_map(Value::as_object).flatten()
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn field(definition: &Value) -> Field {
    let part = |name: &str| Box::new(field(&definition[name]));
    let kind = match definition["type"].as_str().unwrap_or_default() {
        "string" => Kind::String,
        "integer" => Kind::Integer,
        "number" => Kind::Number,
        "boolean" => Kind::Boolean,
        "array" => Kind::Array(part("elements")),
        "set" => Kind::Set(part("elements")),
        "map" => Kind::Map(part("keys"), part("values")),
        "record" if definition["abstract"] == true => Kind::Any,
        "record" => Kind::Record(record(definition).into()),
        "foreign" => {
            REFERABLE.into_iter().find(|kind| definition["reference"] == **kind).map_or(Kind::Any, Kind::Foreign)
        }
        _ => Kind::Any,
    };
    let flag = |name: &str| definition[name].as_bool();
    let mut field = match kind {
        Kind::Array(elements) => Field::array(*elements),
        Kind::Set(elements) => Field::set(*elements),
        Kind::Map(keys, values) => Field::map(*keys, *values),
        kind => Field::new(kind),
    };
    // Records are filled in unless a document says otherwise.
    field.required = flag("required").unwrap_or(matches!(field.kind, Kind::Record(_)));
    field.auto = flag("auto").unwrap_or_default();
    field.unique = flag("unique").unwrap_or_default();
    field.referenceable = flag("referenceable").unwrap_or_default();
    field.default = definition.get("default").cloned();
    field.null_only = definition.get("eq").is_some_and(Value::is_null);
    field.error = definition["err"].as_str().map(str::to_owned);
    rules(definition).into_iter().fold(field, Field::rule)
}

fn rules(definition: &Value) -> Vec<Rule> {
    let array = |name: &str| definition[name].as_array().cloned();
    let len = |name: &str| definition[name].as_u64().and_then(|len| usize::try_from(len).ok());
    let pattern = |name: &str| definition[name].as_str().and_then(custom::lua_pattern);
    let patterns = |name: &str| {
        let list = array(name)?;
        let pair = |entry: &Value| {
            let message = entry["err"].as_str().unwrap_or_default().to_owned();
            Some((custom::lua_pattern(entry["pattern"].as_str()?)?, message))
        };
        list.iter().map(pair).collect::<Option<Vec<_>>>()
    };
    let any = || {
        let any = definition.get("match_any")?;
        let patterns: Option<Vec<_>> = strings(&any["patterns"]).iter().map(|one| custom::lua_pattern(one)).collect();
        Some(Rule::MatchAny(patterns?, any["err"].as_str().unwrap_or_default().to_owned()))
    };
    let between = array("between").and_then(|limits| Some((limits.first()?.as_f64()?, limits.get(1)?.as_f64()?)));
    [
        definition.get("eq").filter(|wanted| !wanted.is_null()).cloned().map(Rule::Eq),
        definition.get("ne").filter(|unwanted| !unwanted.is_null()).cloned().map(Rule::Ne),
        array("not_one_of").map(Rule::NotOneOf),
        array("one_of").map(Rule::OneOf),
        definition["gt"].as_f64().map(Rule::GreaterThan),
        (definition["uuid"] == true).then_some(Rule::Uuid),
        between.map(|(from, to)| Rule::Between(from, to)),
        len("len_eq").map(Rule::LenEq),
        len("len_min").map(Rule::LenMin),
        len("len_max").map(Rule::LenMax),
        definition["starts_with"].as_str().map(|start| Rule::StartsWith(start.to_owned())),
        pattern("not_match").map(Rule::NotMatch),
        patterns("match_none").map(Rule::MatchNone),
        pattern("match").map(Rule::Match),
        patterns("match_all").map(Rule::MatchAll),
        any(),
        definition.get("contains").cloned().map(Rule::Contains),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn matching(definition: &Value) -> Match {
    Match {
        required: definition["required"] == true,
        null_only: definition.get("eq").is_some_and(Value::is_null),
        rules: rules(definition),
        elements: definition.get("elements").map(|elements| Box::new(field(elements).required())),
    }
}

fn check(name: &str, arg: &Value) -> Option<Check> {
    let text = |name: &str| arg[name].as_str().map(str::to_owned);
    Some(match name {
        "at_least_one_of" => Check::AtLeastOneOf(strings(arg)),
        "only_one_of" => Check::OnlyOneOf(strings(arg)),
        "distinct" => Check::Distinct(strings(arg)),
        "mutually_required" => Check::MutuallyRequired(strings(arg)),
        "mutually_exclusive" => Check::MutuallyExclusive(strings(arg)),
        "conditional" => Check::conditional(
            Test::new(arg["if_field"].as_str()?, matching(&arg["if_match"])),
            Test::new(arg["then_field"].as_str()?, matching(&arg["then_match"])),
            text("then_err"),
        ),
        "conditional_at_least_one_of" => {
            let if_field = arg["if_field"].as_str()?;
            let branch = |when: &str, then: &str, error: &str| {
                let standard = || "at least one of these fields must be non-empty: %s".to_owned();
                Some(Branch {
                    when: Test::new(if_field, matching(arg.get(when)?)),
                    one_of: strings(&arg[then]),
                    error: text(error).unwrap_or_else(standard),
                })
            };
            let branches = [
                branch("if_match", "then_at_least_one_of", "then_err"),
                branch("else_match", "else_then_at_least_one_of", "else_then_err"),
            ];
            Check::OneOfWhen(branches.into_iter().flatten().collect())
        }
        _ => return None,
    })
}

/// Writes a record in the form of Kong's documents: its fields with type, default, obligation and options.
pub(crate) fn write(record: &Record) -> Value {
    let fields: Vec<Value> = record.fields.iter().map(|(name, field)| json!({ (name): write_field(field) })).collect();
    json!({ "fields": fields, "entity_checks": [] })
}

fn write_field(field: &Field) -> Value {
    let mut written = Map::new();
    let kind = match &field.kind {
        Kind::String => "string",
        Kind::Integer => "integer",
        Kind::Number => "number",
        Kind::Boolean => "boolean",
        Kind::Array(_) => "array",
        Kind::Set(_) => "set",
        Kind::Map(..) => "map",
        Kind::Record(_) => "record",
        Kind::Foreign(_) => "foreign",
        Kind::Any => "any",
    };
    written.insert("type".to_owned(), kind.into());
    match &field.kind {
        Kind::Array(elements) | Kind::Set(elements) => {
            drop(written.insert("elements".to_owned(), write_field(elements)))
        }
        Kind::Map(keys, values) => {
            written.insert("keys".to_owned(), write_field(keys));
            written.insert("values".to_owned(), write_field(values));
        }
        Kind::Record(record) => drop(written.insert("fields".to_owned(), write(record)["fields"].take())),
        Kind::Foreign(kind) => drop(written.insert("reference".to_owned(), (*kind).into())),
        _ => {}
    }
    for (name, set) in [("required", field.required), ("auto", field.auto), ("unique", field.unique)] {
        if set {
            written.insert(name.to_owned(), true.into());
        }
    }
    if field.null_only {
        written.insert("eq".to_owned(), Value::Null);
    }
    if let Some(default) = field.default.as_ref().filter(|default| !default.is_null()) {
        written.insert("default".to_owned(), default.clone());
    }
    for rule in &field.rules {
        match rule {
            Rule::OneOf(options) => drop(written.insert("one_of".to_owned(), options.clone().into())),
            Rule::NotOneOf(options) => drop(written.insert("not_one_of".to_owned(), options.clone().into())),
            Rule::Between(from, to) => drop(written.insert("between".to_owned(), json!([from, to]))),
            Rule::GreaterThan(limit) => drop(written.insert("gt".to_owned(), json!(limit))),
            Rule::LenMin(least) => drop(written.insert("len_min".to_owned(), json!(least))),
            Rule::StartsWith(start) => drop(written.insert("starts_with".to_owned(), start.as_str().into())),
            Rule::Uuid => drop(written.insert("uuid".to_owned(), true.into())),
            _ => {}
        }
    }
    Value::Object(written)
}
