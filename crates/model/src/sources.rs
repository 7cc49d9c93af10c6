//! The objects an entity was made from, in little memory: every entity has two or three, and they are seldom asked for.

use std::sync::Arc;

use crate::{ObjectKey, ObjectRef, Provenance};

/// Where an entity comes from, as one text. Clones share it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources(Arc<str>);

/// Fields of one object in the text.
const FIELDS: usize = 5;

impl Sources {
    /// Whether it was made from nothing that is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The objects.
    pub fn iter(&self) -> impl Iterator<Item = Provenance> {
        let mut fields = self.fields().into_iter();
        std::iter::from_fn(move || {
            let [kind, namespace, name, uid, version] = next(&mut fields)?;
            Some(Provenance { object: ObjectRef { kind, key: ObjectKey { namespace, name } }, uid, version })
        })
    }

    /// All that is known of each: kind, namespace, name, uid and version, one after the other.
    pub fn fields(&self) -> Vec<String> {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

fn next(fields: &mut impl Iterator<Item = String>) -> Option<[String; FIELDS]> {
    fields.take(FIELDS).collect::<Vec<_>>().try_into().ok()
}

impl From<&[Provenance]> for Sources {
    fn from(sources: &[Provenance]) -> Self {
        let fields = sources.iter().flat_map(|Provenance { object, uid, version }| {
            [&object.kind, &object.key.namespace, &object.key.name, uid, version]
        });
        if sources.is_empty() {
            return Self::default();
        }
        // Texts have a JSON form.
        Self(serde_json::to_string(&fields.collect::<Vec<_>>()).unwrap_or_default().into())
    }
}

impl From<Vec<Provenance>> for Sources {
    fn from(sources: Vec<Provenance>) -> Self {
        sources.as_slice().into()
    }
}

impl<const N: usize> From<[Provenance; N]> for Sources {
    fn from(sources: [Provenance; N]) -> Self {
        sources.as_slice().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_comes_out() {
        let source = |n: u32| Provenance {
            object: ObjectRef { kind: "Service".into(), key: ObjectKey::new("shop\n", format!("\"{n}\"")) },
            uid: if n == 1 { String::new() } else { format!("uid-{n}") },
            version: n.to_string(),
        };
        for count in 0..4 {
            let sources: Vec<_> = (0..count).map(source).collect();
            assert_eq!(Sources::from(sources.clone()).iter().collect::<Vec<_>>(), sources);
        }
        assert!(Sources::default().is_empty() && Sources::from(Vec::new()).is_empty());
    }
}
