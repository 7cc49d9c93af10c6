//! Digests: of one content, and of a set of contents in any order.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::CollectionId;

/// The first 128 bits of BLAKE3: names a content. Printed as 32 hex digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub u128);

/// A text that is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no digest: 32 hexadecimal digits are expected")]
pub struct ParseDigestError(String);

impl Digest {
    /// The digest of one content.
    pub fn of(content: &[u8]) -> Self {
        Self::of_parts([content])
    }

    /// The digest of several parts; each part's length counts, so that parts cannot run into each other.
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let mut head = [0; 16];
        head.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(u128::from_be_bytes(head))
    }

    /// Reads 32 hex digits.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn parse(text: &str) -> Result<Self, ParseDigestError> {
        let hex = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let value = if hex { u128::from_str_radix(text, 16).ok() } else { None };
        value.map(Self).ok_or_else(|| ParseDigestError(text.chars().take(80).collect()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = ParseDigestError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// Digest of a set: the wrapping sum of its members' digests, so that one change costs one addition and one
/// subtraction, whatever the order. Members must be distinct, which keys in their content see to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SetDigest(pub Digest);

impl SetDigest {
    /// Adds a member.
    pub fn add(&mut self, member: Digest) {
        self.0.0 = self.0.0.wrapping_add(member.0);
    }

    /// Digest of what several collections hold. The same item in another collection is another content; collections that
    /// hold nothing do not count.
    pub fn of_collections<'a>(collections: impl IntoIterator<Item = (&'a CollectionId, Self)>) -> Self {
        let holding = collections.into_iter().filter(|(_, held)| *held != Self::default());
        Self::of(
            holding.map(|(id, held)| {
                Digest::of_parts([id.kind.as_bytes(), id.namespace.as_bytes(), &held.0.0.to_be_bytes()])
            }),
        )
    }

    /// Removes a member that was added before.
    pub fn remove(&mut self, member: Digest) {
        self.0.0 = self.0.0.wrapping_sub(member.0);
    }

    /// The digest of all members of an iterator.
    pub fn of(members: impl IntoIterator<Item = Digest>) -> Self {
        let mut sum = Self::default();
        members.into_iter().for_each(|member| sum.add(member));
        sum
    }
}

impl fmt::Display for SetDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(Digest::of_parts([&b"ab"[..], b"c"]), Digest::of_parts([&b"a"[..], b"bc"]));
    }

    #[test]
    fn an_item_that_moves_to_another_collection_is_another_content() {
        let (here, there) = (CollectionId::all("services"), CollectionId::all("upstreams"));
        let (held, nothing) = (SetDigest(Digest(7)), SetDigest::default());
        let content = |services, upstreams| SetDigest::of_collections([(&here, services), (&there, upstreams)]);
        assert_ne!(content(held, nothing), content(nothing, held));
        assert_eq!(content(held, nothing), SetDigest::of_collections([(&here, held)]));
    }

    proptest! {
        #[test]
        fn text_form_reads_back(value: u128) {
            prop_assert_eq!(Digest::parse(&Digest(value).to_string()), Ok(Digest(value)));
        }

        #[test]
        fn a_set_is_its_members_in_any_order_and_history(
            mut members in proptest::collection::hash_set(any::<u128>(), 1..40).prop_map(Vec::from_iter),
            gone in proptest::collection::vec(any::<u128>(), 0..10),
        ) {
            let expected = SetDigest::of(members.iter().copied().map(Digest));
            let mut sum = SetDigest::of(gone.iter().copied().map(Digest));
            members.reverse();
            members.iter().for_each(|m| sum.add(Digest(*m)));
            gone.iter().for_each(|m| sum.remove(Digest(*m)));
            prop_assert_eq!(sum, expected);
        }
    }
}
