//! The object that something comes from: its reference, its tags, and what is wrong with it.

use std::ops::Deref;
use std::sync::Arc;

use silverback_kong::{limits, tags};
use silverback_model::ObjectRef;
use silverback_resources::types::{Meta, Named};

use crate::annotations;
use crate::output::{Diagnostic, Reason, Severity};

/// An object as the origin of entities.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    /// API group; empty for the core group.
    pub group: &'a str,
    /// API version.
    pub version: &'a str,
    /// Kind.
    pub kind: &'a str,
    /// Metadata.
    pub meta: &'a Meta,
}

impl<'a> Source<'a> {
    /// This object.
    pub(crate) fn of<T: Named>(object: &'a T) -> Self {
        Self { group: T::GROUP, version: T::VERSION, kind: T::KIND, meta: object.meta() }
    }

    /// Its reference.
    pub(crate) fn reference(&self) -> ObjectRef {
        let kind = if self.group.is_empty() { self.kind.to_owned() } else { format!("{}.{}", self.kind, self.group) };
        ObjectRef::new(kind, self.meta.key())
    }

    /// The object with its uid.
    pub(crate) fn maker(&self) -> Maker {
        Maker(Arc::new(Identity { object: self.reference(), uid: self.meta.uid.clone() }))
    }

    /// The tags of what is made from it, without those its users gave it.
    pub(crate) fn origin_tags(&self) -> Vec<String> {
        let mut tags = tags::origin(tags::Origin {
            name: &self.meta.name,
            namespace: &self.meta.namespace,
            kind: self.kind,
            uid: &self.meta.uid,
            group: self.group,
            version: self.version,
        });
        // What an API server lets through is always fine; manifests may hold anything.
        limits::tags(&mut tags);
        tags
    }

    /// The tags of what is made from it. [`Notes::bad_tags`] tells those that are left out.
    pub(crate) fn tags(&self) -> Vec<String> {
        let mut tags = self.origin_tags();
        tags::extend(&mut tags, self.user_tags());
        tags
    }

    /// The tags its users gave it: those that Kong takes.
    pub(crate) fn user_tags(&self) -> Vec<String> {
        let mut tags = annotations::list(self.meta, annotations::TAGS);
        limits::tags(&mut tags);
        tags
    }
}

/// An object that an entity is made from. Its version is looked up when it is shown: a new version of an equal object
/// makes nothing anew.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Maker(Arc<Identity>);

/// What a maker is known by.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Identity {
    /// Which object.
    pub object: ObjectRef,
    /// Its uid; empty when it has none.
    pub uid: String,
}

impl Deref for Maker {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.0
    }
}

/// Collects what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Notes(pub Vec<Diagnostic>);

impl Notes {
    /// A part of the object has no effect.
    pub(crate) fn error(
        &mut self,
        object: &ObjectRef,
        field: impl Into<String>,
        reason: Reason,
        message: impl Into<String>,
    ) {
        self.push(object, field.into(), Severity::Error, reason, message.into());
    }

    /// The object has its effect, yet something about it is off.
    pub(crate) fn warn(
        &mut self,
        object: &ObjectRef,
        field: impl Into<String>,
        reason: Reason,
        message: impl Into<String>,
    ) {
        self.push(object, field.into(), Severity::Warning, reason, message.into());
    }

    /// An annotation's value that is not taken.
    pub(crate) fn bad_annotation(&mut self, source: &Source<'_>, name: &str, wants: &str) {
        let value: String = source.meta.annotation(name).unwrap_or_default().chars().take(80).collect();
        let message = format!("{value:?} has no effect: {wants} is expected");
        self.warn(&source.reference(), annotation_field(name), Reason::InvalidValue, message);
    }

    /// Tags that an object's users gave it and Kong does not take.
    pub(crate) fn bad_tags(&mut self, source: &Source<'_>) {
        for refused in limits::tags(&mut annotations::list(source.meta, annotations::TAGS)) {
            let field = annotation_field(annotations::TAGS);
            self.warn(&source.reference(), field, Reason::InvalidValue, refused.to_string());
        }
    }

    /// Takes over what others noted, each thing once.
    pub(crate) fn merge(&mut self, others: Notes) {
        for note in others.0 {
            if !self.0.contains(&note) {
                self.0.push(note);
            }
        }
    }

    fn push(&mut self, object: &ObjectRef, field: String, severity: Severity, reason: Reason, message: String) {
        let message = printable(message);
        self.0.push(Diagnostic { object: object.clone(), field, severity, reason, message });
    }
}

/// What is said quotes what users wrote: none of that begins another line of a log or moves a terminal, and of much it
/// takes the beginning.
fn printable(message: String) -> String {
    const LONGEST: usize = 2_000;
    if message.len() <= LONGEST && !message.contains(char::is_control) {
        return message;
    }
    message.chars().take(LONGEST).map(|char| if char.is_control() { ' ' } else { char }).collect()
}

/// Where an annotation is, as a diagnostic's field.
pub(crate) fn annotation_field(name: &str) -> String {
    format!("metadata.annotations[{name}]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use silverback_model::ObjectKey;

    #[test]
    fn what_users_wrote_stays_in_its_line() {
        let mut notes = Notes::default();
        let object = ObjectRef::new("Ingress", ObjectKey::new("shop", "a"));
        for (told, shown) in [("fine: ä", "fine: ä"), ("a\n\u{1b}[31mERROR all is lost", "a  [31mERROR all is lost")]
        {
            notes.error(&object, "spec", Reason::InvalidValue, told);
            assert_eq!(notes.0.pop().map(|note| note.message).as_deref(), Some(shown));
        }
        notes.error(&object, "spec", Reason::InvalidValue, "ä".repeat(100_000));
        assert_eq!(notes.0[0].message.chars().count(), 2_000);
    }
}
