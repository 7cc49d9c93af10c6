//! Versions: Kubernetes resourceVersions, and the counters that stand in for them where there is no API server.

use std::cmp::Ordering;
use std::fmt;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// A resourceVersion: decimal digits without leading zeros.
///
/// Ordered by length, then text, which is numeric order at any width. Kubernetes promises this order within one
/// resource type since 1.35 (KEP-5504); versions of different types must never be compared.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(CompactString);

/// A text that is no resourceVersion.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no resourceVersion: decimal digits without leading zeros are expected; the server breaks the order \
     Kubernetes promises since 1.35"
)]
pub struct InvalidVersion(pub String);

impl Version {
    /// The version before every other: nothing has been seen.
    pub fn zero() -> Self {
        Self(CompactString::const_new("0"))
    }

    /// The version of a counter.
    pub fn from_counter(counter: u64) -> Self {
        Self(compact_str::format_compact!("{counter}"))
    }

    /// Reads a resourceVersion.
    ///
    /// # Errors
    /// When the text is not decimal digits without leading zeros, or is longer than 64 digits.
    pub fn parse(text: &str) -> Result<Self, InvalidVersion> {
        let digits = !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_digit());
        if digits && (text == "0" || !text.starts_with('0')) {
            Ok(Self(CompactString::new(text)))
        } else {
            let shown: String = text.chars().take(80).collect();
            Err(InvalidVersion(shown))
        }
    }

    /// The digits, as the API server wrote them.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is [`Version::zero`].
    pub fn is_zero(&self) -> bool {
        self.0 == "0"
    }
}

impl Default for Version {
    fn default() -> Self {
        Self::zero()
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl TryFrom<String> for Version {
    type Error = InvalidVersion;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.0.into_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_has_no_order() {
        for text in ["", "01", "-1", "1a", " 1", "0x1", &"9".repeat(65)] {
            assert!(Version::parse(text).is_err(), "{text:?} was taken");
        }
    }

    proptest! {
        #[test]
        fn is_ordered_as_numbers_are(a: u128, b: u128) {
            let (x, y) = (Version::parse(&a.to_string()).unwrap(), Version::parse(&b.to_string()).unwrap());
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        }
    }
}
