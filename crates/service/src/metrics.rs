//! The process's metrics, in the OpenMetrics text format, and what each of them says.

mod describe;
mod measure;
mod plain;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::{Registry, Unit};
pub use prometheus_client::{encoding, metrics::*};

pub use describe::{Described, Description, Labels};
pub use measure::{Measure, Measures};
pub use plain::PlainCounter;

/// A registry shared by everything in the process.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Mutex<Registered>>);

#[derive(Debug, Default)]
struct Registered {
    registry: Registry,
    descriptions: Vec<Description>,
}

impl Metrics {
    /// Registers a metric under `name`, with one line that says what it counts.
    pub fn register(&self, name: &str, help: &str, metric: impl Described) {
        let mut registered = self.lock();
        registered.descriptions.push(Description::of(name, help, &metric));
        registered.registry.register(name, help, metric);
    }

    /// The same for a metric in seconds, whose name gets `_seconds`.
    pub fn register_seconds(&self, name: &str, help: &str, metric: impl Described) {
        let mut registered = self.lock();
        registered.descriptions.push(Description::of(&format!("{name}_seconds"), help, &metric));
        registered.registry.register_with_unit(name, help, Unit::Seconds, metric);
    }

    /// Everything as text.
    ///
    /// # Errors
    /// When a metric cannot be written.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.lock().registry)?;
        Ok(text)
    }

    /// What is registered, in that order, whether anything was counted yet or not.
    #[must_use]
    pub fn descriptions(&self) -> Vec<Description> {
        self.lock().descriptions.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Registered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
