//! Values of flags that need reading: Go durations, `namespace/name`, listening addresses.

use std::net::SocketAddr;
use std::time::Duration;

/// The longest duration that is taken, so that adding up a few of them fits any clock.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3_600);

/// Reads a duration as Go writes it: `300ms`, `1m30s`, `2h`.
///
/// # Errors
/// When it is not one, negative, or longer than a year.
pub fn duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let duration: jiff::SignedDuration =
        text.parse().map_err(|_| "a duration such as 500ms, 10s or 1m30s is expected".to_owned())?;
    let duration = Duration::try_from(duration).map_err(|_| "a duration cannot be negative".to_owned())?;
    bounded(duration)
}

/// Reads seconds, possibly with a fraction.
///
/// # Errors
/// When it is not a positive number, or more than a year.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "a number of seconds is expected".to_owned())?;
    match Duration::try_from_secs_f64(number) {
        Ok(duration) if !duration.is_zero() => bounded(duration),
        _ => Err("a number of seconds above 0 is expected".to_owned()),
    }
}

fn bounded(duration: Duration) -> Result<Duration, String> {
    if duration <= LONGEST { Ok(duration) } else { Err("no more than a year is expected".to_owned()) }
}

/// Names an object with a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespacedName {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl std::str::FromStr for NamespacedName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err("NAMESPACE/NAME is expected".to_owned()),
        }
    }
}

impl std::fmt::Display for NamespacedName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A listening address as Go and KIC write it: `:10254` means every address of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen(pub SocketAddr);

impl std::str::FromStr for Listen {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let whole = match text.strip_prefix(':') {
            Some(port) => format!("[::]:{port}"),
            None => text.replace("localhost:", "127.0.0.1:"),
        };
        whole.parse().map(Self).map_err(|_| "an address such as :10254 or 127.0.0.1:10254 is expected".to_owned())
    }
}

impl Listen {
    /// The same address with the port moved by `offset`; port 0, "any free one", stays.
    ///
    /// # Errors
    /// When the port leaves the range of ports.
    pub fn shifted(self, offset: u16) -> anyhow::Result<SocketAddr> {
        let mut address = self.0;
        if address.port() != 0 {
            let port = address.port().checked_add(offset).ok_or_else(|| {
                anyhow::anyhow!("--port-offset {offset} moves port {} past 65535; choose a smaller one", address.port())
            })?;
            address.set_port(port);
        }
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert!(duration("-1s").is_err());
        assert!(duration("soon").is_err());
        assert!(duration("8760h").is_ok() && duration("9000h").is_err());
        assert!(seconds("0.5").is_ok() && seconds("1e18").is_err());
    }

    #[test]
    fn addresses_shift_together() {
        let all: Listen = ":10254".parse().unwrap();
        assert_eq!(all.shifted(100).unwrap().port(), 10354);
        assert!(all.shifted(u16::MAX).is_err());
        assert_eq!("127.0.0.1:0".parse::<Listen>().unwrap().shifted(7).unwrap().port(), 0);
        assert!("nowhere".parse::<Listen>().is_err());
    }

    #[test]
    fn names_need_both_parts() {
        assert!("kong/admin".parse::<NamespacedName>().is_ok());
        for text in ["kong", "/x", "x/", "a/b/c"] {
            assert!(text.parse::<NamespacedName>().is_err(), "{text}");
        }
    }
}
