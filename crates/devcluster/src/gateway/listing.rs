//! Reading loaded entities through the Admin API: lists with pages, single entities by id or name, lists below a
//! parent. Without a database they cannot be written, which this answers too.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::admin::Request;
use super::answer::Answer;
use super::declarative::{Entities, report};
use super::request;
use super::schema::fill::{self, Now};
use super::schema::rule;
use super::schema::validate::{self, Context, References};
use super::schema::{Effect, Kind, Schema};
use super::state::{Accepted, Shared};

/// The id of the only workspace.
const WORKSPACE: &str = "0dc6f45b-8f8d-40d2-a504-473544ee190b";

type Entity = Map<String, Value>;

/// Answers for `/COLLECTION`, `/COLLECTION/KEY` and what is below; `None` when the first segment is no collection.
pub(crate) fn answer(shared: &Shared, request: &Request, path: &[&str]) -> Option<Answer> {
    let (collection, below) = path.split_first()?;
    let schema = shared.registry.all().find(|schema| schema.admin_name == *collection)?;
    let get = request.method == Method::GET || request.method == Method::HEAD;
    let current = shared.current();
    let store = Store { shared, current: &current };
    Some(match below {
        [] if get => store.page(schema, store.all(schema).collect(), request),
        [] if request.method == Method::POST => write(shared, schema, request, None),
        [key] if get => store.one(schema, key),
        [key] if request.method != Method::OPTIONS => write(shared, schema, request, Some(key)),
        [] | [_] => Answer::method_not_allowed(),
        [key, rest @ ..] => match store.find(schema, key) {
            Some(parent) if get => store.below(schema, parent, rest, request),
            Some(_) if schema.name == "upstreams" && request.method == Method::PUT => target_health(rest),
            Some(_) => Answer::method_not_allowed(),
            None => Answer::not_found(),
        },
    })
}

/// `PUT /upstreams/x/targets/y[/address]/(un)healthy`: there are no balancers here to be told.
fn target_health(path: &[&str]) -> Answer {
    match path {
        ["targets", _, "healthy" | "unhealthy"] | ["targets", _, _, "healthy" | "unhealthy"] => {
            Answer::empty(StatusCode::NO_CONTENT)
        }
        _ => Answer::method_not_allowed(),
    }
}

struct Store<'a> {
    shared: &'a Shared,
    current: &'a Accepted,
}

impl<'a> Store<'a> {
    fn entities(&self) -> &'a Entities {
        self.current.entities()
    }

    fn all(&self, schema: &Schema) -> impl DoubleEndedIterator<Item = (&'a String, &'a Entity)> {
        self.entities().get(schema.name).into_iter().flatten()
    }

    fn find(&self, schema: &Schema, key: &str) -> Option<(&'a String, &'a Entity)> {
        let by_id = || self.entities().get(schema.name)?.get_key_value(key);
        let named = |(_, entity): &(&String, &Entity)| {
            schema.endpoint_key.and_then(|field| entity.get(field)).and_then(Value::as_str) == Some(key)
        };
        by_id().or_else(|| self.all(schema).find(named))
    }

    fn one(&self, schema: &Schema, key: &str) -> Answer {
        match self.find(schema, key) {
            Some((id, entity)) => Answer::json(StatusCode::OK, &self.shown(schema, id, entity)),
            None => Answer::not_found(),
        }
    }

    /// What is below an entity: what refers to it, or what it refers to.
    fn below(
        &self,
        schema: &Schema,
        (id, parent): (&'a String, &'a Entity),
        path: &[&str],
        request: &Request,
    ) -> Answer {
        let Some((first, rest)) = path.split_first() else { return Answer::not_found() };
        let registry = &self.shared.registry;
        if let Some((_, kind)) = schema.references().find(|(field, _)| field == first) {
            let key = parent.get(*first).and_then(|reference| reference["id"].as_str());
            return match (registry.get(kind), key) {
                (Some(schema), Some(key)) if rest.is_empty() => self.one(schema, key),
                _ => Answer::not_found(),
            };
        }
        if (schema.name, *first) == ("upstreams", "health") {
            return Answer::json(StatusCode::OK, &self.health(id));
        }
        let children = registry.children(schema.name).iter();
        let named = |(kind, field): &(&'static str, String)| Some((registry.get(kind)?, field.clone()));
        let Some((child, field)) = children.filter_map(named).find(|(child, _)| child.nested_name == *first) else {
            return Answer::not_found();
        };
        let mut own: Vec<_> = self.all(child).filter(|(_, entity)| refers(entity, &field, id)).collect();
        match rest {
            // The newest target comes first.
            [] if child.name == "targets" => {
                own.reverse();
                self.page(child, own, request)
            }
            [] => self.page(child, own, request),
            ["all"] if child.name == "targets" => self.page(child, own, request),
            [key] => match self.find(child, key).filter(|(_, entity)| refers(entity, &field, id)) {
                Some((id, entity)) => Answer::json(StatusCode::OK, &self.shown(child, id, entity)),
                None => Answer::not_found(),
            },
            _ => Answer::not_found(),
        }
    }

    /// No requests are balanced here: health is not watched.
    fn health(&self, upstream: &str) -> Value {
        let targets = self.entities().get("targets").into_iter().flatten().rev();
        let off = |entity: &Entity| {
            let mut shown = entity.clone();
            shown.insert("health".to_owned(), "HEALTHCHECKS_OFF".into());
            Value::Object(shown)
        };
        let own = targets.filter(|(_, entity)| refers(entity, "upstream", upstream));
        let data: Vec<Value> = own.map(|(_, entity)| off(entity)).collect();
        json!({ "node_id": self.shared.node_id, "data": data, "next": null })
    }

    fn page(&self, schema: &Schema, entities: Vec<(&String, &Entity)>, request: &Request) -> Answer {
        let arguments = request::pairs(&request.query);
        let argument = |name: &str| arguments.get(name).and_then(Value::as_str);
        let size = match argument("size").map(str::parse::<usize>) {
            None => 100,
            Some(Ok(size)) if (1..=1000).contains(&size) => size,
            Some(_) => return invalid_size(),
        };
        let prefix = format!("{}|{WORKSPACE}|*|", schema.name);
        let after = argument("offset").map(|offset| {
            URL_SAFE_NO_PAD.decode(offset).ok().and_then(|bytes| {
                String::from_utf8(bytes).ok()?.strip_prefix(&prefix)?.strip_suffix('\0').map(str::to_owned)
            })
        });
        let first = match after {
            None => 0,
            // The offset names the last entity that was told.
            Some(Some(last)) => entities.iter().position(|(id, _)| **id == last).map_or(entities.len(), |at| at + 1),
            Some(None) => return invalid_offset(argument("offset").unwrap_or_default()),
        };
        let tagged = |(_, entity): &&(&String, &Entity)| argument("tags").is_none_or(|tags| has_tags(entity, tags));
        let page: Vec<_> = entities.iter().skip(first).filter(tagged).take(size + 1).collect();
        let data: Vec<Value> = page.iter().take(size).map(|(id, entity)| self.shown(schema, id, entity)).collect();
        let mut body = json!({ "data": data, "next": null });
        if let (true, Some((last, _))) = (page.len() > size, page.get(size - 1)) {
            let offset = URL_SAFE_NO_PAD.encode(format!("{prefix}{last}\0"));
            let size = argument("size").map(|size| format!("&size={size}")).unwrap_or_default();
            body["next"] = format!("{}?offset={offset}{size}", request.path).into();
            body["offset"] = offset.into();
        }
        Answer::json(StatusCode::OK, &body)
    }

    /// An entity as it is read; a certificate with its names.
    fn shown(&self, schema: &Schema, id: &str, entity: &Entity) -> Value {
        let mut shown = with_old_names(schema, entity);
        if schema.name == "certificates" {
            let snis = self.entities().get("snis").into_iter().flatten();
            let own = snis.filter(|(_, sni)| refers(sni, "certificate", id)).map(|(_, sni)| sni["name"].clone());
            shown.insert("snis".to_owned(), own.collect());
        }
        Value::Object(shown)
    }
}

/// An entity with the deprecated names of its config's fields beside the new ones.
pub(crate) fn with_old_names(schema: &Schema, entity: &Entity) -> Entity {
    let mut shown = entity.clone();
    if let Ok(Some(record)) = validate::variant(schema, entity)
        && let Some(Kind::Record(of)) = record.fields.get("config").map(|field| &field.kind)
        && let Some(Value::Object(config)) = shown.get_mut("config")
    {
        for shorthand in &of.shorthands {
            if let Effect::Renamed(path) = &shorthand.effect {
                let value = path.iter().try_fold(&entity["config"], |value, step| value.get(step));
                config.insert(shorthand.name.clone(), value.cloned().unwrap_or(Value::Null));
            }
        }
    }
    shown
}

fn refers(entity: &Entity, field: &str, id: &str) -> bool {
    entity.get(field).is_some_and(|reference| reference["id"] == id)
}

/// `a,b`: both; `a/b`: either.
fn has_tags(entity: &Entity, wanted: &str) -> bool {
    let tags = entity.get("tags").and_then(Value::as_array);
    let has = |wanted: &str| tags.is_some_and(|tags| tags.iter().any(|tag| tag == wanted));
    if wanted.contains('/') { wanted.split('/').any(has) } else { wanted.split(',').all(has) }
}

fn invalid_size() -> Answer {
    let message = "size must be an integer between 1 and 1000";
    Answer::json(StatusCode::BAD_REQUEST, &json!({ "code": 9, "name": "invalid size", "message": message }))
}

fn invalid_offset(offset: &str) -> Answer {
    let message = format!("'{offset}' is not a valid offset: bad base64 encoding");
    Answer::json(StatusCode::BAD_REQUEST, &json!({ "code": 7, "name": "invalid offset", "message": message }))
}

/// What is written is judged before it is refused.
fn write(shared: &Shared, schema: &Schema, request: &Request, key: Option<&str>) -> Answer {
    let needs_body = request.method != Method::DELETE;
    let mut fields = Entity::new();
    if needs_body {
        fields = match request.json() {
            Ok(fields) => fields,
            Err(answer) => return answer,
        };
    }
    let field = key.filter(|key| !rule::is_uuid(key)).and(schema.endpoint_key);
    let operation = match (request.method.as_str(), key) {
        ("POST", _) => "create",
        ("PUT", _) => "create or update",
        ("PATCH", _) => "update",
        _ => "remove",
    };
    if operation.starts_with("create") {
        if let (Some(key), Some(field)) = (key, field) {
            fields.entry(field.to_owned()).or_insert_with(|| key.into());
        }
        let violation = insertable(shared, schema, fields);
        if let Some(answer) = violation {
            return answer;
        }
    }
    let by = field.map(|field| format!(" by '{field}'")).unwrap_or_default();
    let message = format!("cannot {operation} '{}' entities{by} when not using a database", schema.name);
    let body = json!({ "code": 12, "name": "operation unsupported", "message": message });
    Answer::json(StatusCode::METHOD_NOT_ALLOWED, &body)
}

/// What is wrong with an entity that stands alone, as an answer.
pub(crate) fn insertable(shared: &Shared, schema: &Schema, mut entity: Entity) -> Option<Answer> {
    let schemas = |kind: &str| shared.registry.get(kind);
    let context = Context { references: References::Keys, schemas: &schemas };
    if fill::entity(&context, schema, &mut entity, Now::read()).is_err() {
        return Some(Answer::unexpected());
    }
    let errors = validate::entity(&context, schema, &entity, &|_| false);
    if errors.is_empty() {
        return None;
    }
    let body = report::violation(&errors);
    Some(body.map_or_else(Answer::unexpected, |body| Answer::json(StatusCode::BAD_REQUEST, &body)))
}
