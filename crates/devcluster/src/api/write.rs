//! Writes: create, update, patch and delete, with the checks and the bookkeeping of metadata that an API server does.
//! Time and randomness are passed in; it never knows HTTP.

use std::sync::Arc;

use serde_json::{Value, json};

use super::admission;
use super::failure::{Failure, Outcome};
use super::kinds::Kind;
use super::store::{Key, Store};

/// When a write happens, and what is random about it.
#[derive(Clone, Debug)]
pub(crate) struct Stamp {
    /// RFC 3339, in seconds.
    pub(crate) now: String,
    pub(crate) uid: String,
}

/// Where something is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) kind: &'a Kind,
    pub(crate) version: &'a str,
    /// Empty for what has none.
    pub(crate) namespace: &'a str,
    /// Empty where the object says it.
    pub(crate) name: &'a str,
}

impl Place<'_> {
    fn key(&self) -> Key {
        (self.namespace.to_owned(), self.name.to_owned())
    }

    pub(crate) fn not_found(&self) -> Failure {
        Failure::not_found(&self.kind.group, &self.kind.plural, self.name)
    }

    fn invalid(&self, field: &str, why: &str) -> Failure {
        Failure::invalid(&self.kind.group, &self.kind.kind, self.name, field, why)
    }

    fn changed(&self) -> Failure {
        Failure::changed(&self.kind.group, &self.kind.plural, self.name)
    }
}

/// Which part of an object an update is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All but the status, where it is written apart.
    Main,
    Status,
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

/// What a body must be to be written here. Fills in what it may leave out.
fn check(place: &Place<'_>, object: &mut Value) -> Outcome<()> {
    let Place { kind, version, .. } = place;
    let Value::Object(fields) = object else { return Err(Failure::bad_request("the body is no object")) };
    let api_version = kind.api_version(version);
    for (field, expected) in [("apiVersion", &api_version), ("kind", &kind.kind)] {
        match fields.get(field).and_then(Value::as_str).unwrap_or_default() {
            "" if kind.custom => {
                return Err(Failure::bad_request(format!("the body has no {field}; {expected} is expected here")));
            }
            "" => {
                fields.insert(field.to_owned(), expected.as_str().into());
            }
            given if given == expected => {}
            given => {
                return Err(Failure::bad_request(format!(
                    "{field} {given:?} in the body does not match {expected:?} of the path"
                )));
            }
        }
    }
    if !matches!(fields.get("metadata"), Some(Value::Object(_))) {
        fields.insert("metadata".to_owned(), json!({}));
    }
    let given = text(object, "namespace");
    if !given.is_empty() && given != place.namespace {
        return Err(Failure::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    if !place.namespace.is_empty() {
        object["metadata"]["namespace"] = place.namespace.into();
    }
    Ok(())
}

/// Creates an object.
pub(crate) fn create(
    store: &mut Store,
    place: Place<'_>,
    mut object: Value,
    stamp: &Stamp,
    dry: bool,
) -> Outcome<Arc<Value>> {
    check(&place, &mut object)?;
    let generated = match (text(&object, "name"), text(&object, "generateName")) {
        ("", "") => return Err(place.invalid("metadata.name", "Required value: name or generateName is required")),
        ("", stem) => format!("{stem}{}", &stamp.uid[stamp.uid.len() - 5..]),
        (name, _) => name.to_owned(),
    };
    let place = Place { name: &generated, ..place };
    if !admission::is_name(place.name) {
        let why = format!("Invalid value: {:?}: {}", place.name, admission::NAME_RULE);
        return Err(place.invalid("metadata.name", &why));
    }
    if !text(&object, "resourceVersion").is_empty() {
        return Err(Failure::unexpected("resourceVersion should not be set on objects to be created"));
    }
    if store.get(&place.kind.id(), &place.key()).is_some() {
        return Err(Failure::exists(&place.kind.group, &place.kind.plural, place.name));
    }
    let namespace = (String::new(), place.namespace.to_owned());
    if !place.namespace.is_empty() && store.get("namespaces", &namespace).is_none() {
        return Err(Failure::not_found("", "namespaces", place.namespace));
    }
    if place.kind.status
        && let Some(fields) = object.as_object_mut()
    {
        fields.remove("status");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for given in ["deletionTimestamp", "managedFields", "selfLink"] {
            metadata.remove(given);
        }
        metadata.insert("name".to_owned(), place.name.into());
        metadata.insert("uid".to_owned(), stamp.uid.as_str().into());
        metadata.insert("creationTimestamp".to_owned(), stamp.now.as_str().into());
        if place.kind.counts_generations() {
            metadata.insert("generation".to_owned(), 1.into());
        }
    }
    admission::admit(place.kind, &mut object, None, &stamp.now).map_err(|(field, why)| place.invalid(&field, &why))?;
    Ok(if dry { Arc::new(object) } else { store.put(&place.kind.id(), place.key(), object) })
}

/// Replaces an object, or its status. The second part of the answer says whether it was created.
pub(crate) fn update(
    store: &mut Store,
    place: Place<'_>,
    part: Part,
    mut object: Value,
    stamp: &Stamp,
    dry: bool,
) -> Outcome<(Arc<Value>, bool)> {
    check(&place, &mut object)?;
    match text(&object, "name") {
        "" if part == Part::Main && !place.kind.custom => {
            return Err(Failure::bad_request("name must be provided"));
        }
        "" => object["metadata"]["name"] = place.name.into(),
        name if name != place.name => {
            let message =
                format!("the name of the object ({name}) does not match the name on the URL ({})", place.name);
            return Err(Failure::bad_request(message));
        }
        _ => {}
    }
    let Some(current) = store.get(&place.kind.id(), &place.key()) else {
        if part == Part::Main && place.kind.creates_on_update() && text(&object, "resourceVersion").is_empty() {
            return create(store, place, object, stamp, dry).map(|created| (created, true));
        }
        return Err(place.not_found());
    };
    if text(&object, "resourceVersion").is_empty() && !place.kind.overwrites() {
        return Err(place.invalid("metadata.resourceVersion", "Invalid value: 0: must be specified for an update"));
    }
    replace(store, place, part, object, &current, stamp, dry).map(|updated| (updated, false))
}

/// Puts `object` in the place of `current`, unless that is not what it was made from.
fn replace(
    store: &mut Store,
    place: Place<'_>,
    part: Part,
    object: Value,
    current: &Arc<Value>,
    stamp: &Stamp,
    dry: bool,
) -> Outcome<Arc<Value>> {
    let given = text(&object, "resourceVersion");
    if !given.is_empty() && given != text(current, "resourceVersion") {
        return Err(place.changed());
    }
    let (given, uid) = (text(&object, "uid"), text(current, "uid"));
    if !given.is_empty() && given != uid {
        let why = format!("Precondition failed: UID in precondition: {given}, UID in object meta: {uid}");
        return Err(Failure::conflict(&place.kind.group, &place.kind.plural, place.name, &why));
    }
    let mut next = match part {
        Part::Main => object,
        Part::Status => with_field((**current).clone(), "status", &object),
    };
    if part == Part::Main && place.kind.status {
        next = with_field(next, "status", current);
    }
    for kept in
        ["uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion"]
    {
        next["metadata"] = with_field(next["metadata"].take(), kept, &current["metadata"]);
    }
    if let Some(metadata) = next["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    admission::admit(place.kind, &mut next, Some(current), &stamp.now)
        .map_err(|(field, why)| place.invalid(&field, &why))?;
    let wish = |object: &Value| with_field(with_field(object.clone(), "metadata", &json!({})), "status", &json!({}));
    if place.kind.counts_generations() && wish(&next) != wish(current) {
        next["metadata"]["generation"] = (current["metadata"]["generation"].as_i64().unwrap_or(0) + 1).into();
    }
    if next == **current || dry {
        return Ok(Arc::new(next));
    }
    if next["metadata"]["deletionTimestamp"].is_string() && !has_finalizers(&next) {
        store.put(&place.kind.id(), place.key(), next);
        return store.delete(&place.kind.id(), &place.key()).ok_or_else(|| place.not_found());
    }
    Ok(store.put(&place.kind.id(), place.key(), next))
}

/// `object` with one field as in `source`, absent if it is absent there.
fn with_field(mut object: Value, name: &str, source: &Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        match source.get(name) {
            Some(value) => {
                fields.insert(name.to_owned(), value.clone());
            }
            None => {
                fields.remove(name);
            }
        }
    }
    object
}

fn has_finalizers(object: &Value) -> bool {
    object["metadata"]["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty())
}

/// Changes an object, or its status, by a function of it.
pub(crate) fn patch(
    store: &mut Store,
    place: Place<'_>,
    part: Part,
    change: impl FnOnce(&mut Value) -> Outcome<()>,
    stamp: &Stamp,
    dry: bool,
) -> Outcome<Arc<Value>> {
    let current = store.get(&place.kind.id(), &place.key()).ok_or_else(|| place.not_found())?;
    // The version asked for, not the one it was written in.
    let mut object = super::forms::in_version(&current, place.kind, place.version);
    change(&mut object)?;
    let name = text(&object, "name");
    if name != place.name {
        let message = format!("the name of the object ({name}) does not match the name on the URL ({})", place.name);
        return Err(Failure::bad_request(message));
    }
    check(&place, &mut object)?;
    replace(store, place, part, object, &current, stamp, dry)
}

/// What must hold for a deletion.
#[derive(Clone, Debug, Default)]
pub(crate) struct Preconditions {
    pub(crate) uid: Option<String>,
    pub(crate) version: Option<String>,
}

/// Deletes an object, or marks it where something must be done first (finalizers). Says which.
pub(crate) fn delete(
    store: &mut Store,
    place: Place<'_>,
    wanted: &Preconditions,
    stamp: &Stamp,
    dry: bool,
) -> Outcome<(Arc<Value>, bool)> {
    let current = store.get(&place.kind.id(), &place.key()).ok_or_else(|| place.not_found())?;
    for (what, wanted, is) in [
        ("UID", &wanted.uid, text(&current, "uid")),
        ("ResourceVersion", &wanted.version, text(&current, "resourceVersion")),
    ] {
        if let Some(wanted) = wanted.as_deref().filter(|wanted| *wanted != is) {
            let why = format!("Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {is}");
            return Err(Failure::conflict(&place.kind.group, &place.kind.plural, place.name, &why));
        }
    }
    if place.kind.plural == "namespaces" && admission::LASTING_NAMESPACES.contains(&place.name) {
        let message = format!("namespaces {:?} is forbidden: this namespace may not be deleted", place.name);
        return Err(Failure::new(http::StatusCode::FORBIDDEN, "Forbidden", message));
    }
    if has_finalizers(&current) {
        let mut marked = (*current).clone();
        if !marked["metadata"]["deletionTimestamp"].is_string() {
            marked["metadata"]["deletionTimestamp"] = stamp.now.as_str().into();
            marked["metadata"]["deletionGracePeriodSeconds"] = 0.into();
            if !dry {
                return Ok((store.put(&place.kind.id(), place.key(), marked), false));
            }
        }
        return Ok((Arc::new(marked), false));
    }
    if dry {
        return Ok((current, true));
    }
    let deleted = store.delete(&place.kind.id(), &place.key()).ok_or_else(|| place.not_found())?;
    sweep(store, place);
    Ok((deleted, true))
}

/// What goes with a namespace or a definition.
fn sweep(store: &mut Store, place: Place<'_>) {
    let inside = match place.kind.plural.as_str() {
        "namespaces" => store.keys(|_, key| key.0 == place.name),
        "customresourcedefinitions" => store.keys(|resource, _| resource == place.name),
        _ => return,
    };
    for (resource, key) in inside {
        store.delete(&resource, &key);
    }
}
