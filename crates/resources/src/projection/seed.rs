//! Reading JSON through a projection: dropped fields are skipped in the text and never built.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{Keep, ListPage};

/// Levels of an object that are read: CRDs reach 24, and every reader of JSON after us stops somewhat beyond these.
pub(super) const LEVELS: usize = 100;
/// Stands for what is deeper: a text, so that whoever expects anything else there says what is wrong. An API server takes
/// any depth, and one object must not keep all others of its kind from being read.
pub(super) const TOO_DEEP: &str = "(deeper than 100 levels: not read)";

/// Reads any value.
#[derive(Clone, Copy)]
pub(super) struct ValueSeed<'k> {
    pub(super) keep: &'k Keep,
    /// Levels below it that are read.
    pub(super) levels: usize,
}

impl ValueSeed<'_> {
    /// For what is within it, unless that is too deep.
    fn within(self) -> Option<Self> {
        Some(Self { levels: self.levels.checked_sub(1)?, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let Some(within) = self.within() else {
            while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(TOO_DEEP.into());
        };
        let mut fields = Map::new();
        read_fields(within, &mut fields, entries)?;
        Ok(Value::Object(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let Some(within) = self.within() else {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(TOO_DEEP.into());
        };
        let mut kept = Vec::new();
        while let Some(item) = items.next_element_seed(within)? {
            kept.push(item);
        }
        Ok(Value::Array(kept))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }
}

fn read_fields<'de, A: MapAccess<'de>>(
    seed: ValueSeed<'_>,
    into: &mut Map<String, Value>,
    mut entries: A,
) -> Result<(), A::Error> {
    while let Some(kept) = entries.next_key_seed(FieldName { keep: seed.keep })? {
        match kept {
            Some((name, keep)) => {
                let value = entries.next_value_seed(ValueSeed { keep, ..seed })?;
                into.insert(name, value);
            }
            None => {
                entries.next_value::<IgnoredAny>()?;
            }
        }
    }
    Ok(())
}

/// Reads a field's name, and allocates it only if the field is kept.
struct FieldName<'k> {
    keep: &'k Keep,
}

impl<'de, 'k> DeserializeSeed<'de> for FieldName<'k> {
    type Value = Option<(String, &'k Keep)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'k> Visitor<'_> for FieldName<'k> {
    type Value = Option<(String, &'k Keep)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.keep.below(name).map(|keep| (name.to_owned(), keep)))
    }
}

/// Reads one object into a map that outlives a fault, so that the error can name the object.
pub(super) struct FieldsSeed<'k, 'o> {
    pub(super) keep: &'k Keep,
    pub(super) into: &'o mut Map<String, Value>,
}

impl<'de> DeserializeSeed<'de> for FieldsSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FieldsSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<(), A::Error> {
        read_fields(ValueSeed { keep: self.keep, levels: LEVELS - 1 }, self.into, entries)
    }
}

/// Reads a list; what was read before a fault stays in `into`.
pub(super) struct ListSeed<'k, 'o> {
    pub(super) keep: &'k Keep,
    pub(super) into: &'o mut ListPage,
}

#[derive(Deserialize)]
struct ListMetadata {
    #[serde(rename = "resourceVersion", default)]
    version: Option<String>,
    #[serde(rename = "continue", default)]
    continue_token: Option<String>,
}

impl<'de> DeserializeSeed<'de> for ListSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ListSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let (mut has_metadata, mut has_items) = (false, false);
        while let Some(name) = entries.next_key::<std::borrow::Cow<'de, str>>()? {
            match name.as_ref() {
                "metadata" => {
                    let metadata: ListMetadata = entries.next_value()?;
                    self.into.version = metadata.version.unwrap_or_default();
                    self.into.continue_token = metadata.continue_token.filter(|token| !token.is_empty());
                    has_metadata = true;
                }
                "items" => {
                    entries.next_value_seed(ItemsSeed { keep: self.keep, into: &mut self.into.items })?;
                    has_items = true;
                }
                _ => {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        // Anything else that is JSON would pass for an empty list, and an empty list deletes everything.
        match (has_metadata, has_items) {
            (false, _) => Err(A::Error::missing_field("metadata")),
            (_, false) => Err(A::Error::missing_field("items")),
            _ => Ok(()),
        }
    }
}

struct ItemsSeed<'k, 'o> {
    keep: &'k Keep,
    into: &'o mut Vec<Value>,
}

impl<'de> DeserializeSeed<'de> for ItemsSeed<'_, '_> {
    type Value = ();

    /// `null` is an empty list: servers written in Go say so.
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ItemsSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element_seed(ValueSeed { keep: self.keep, levels: LEVELS })? {
            self.into.push(item);
        }
        Ok(())
    }
}
