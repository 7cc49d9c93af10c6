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

#[derive(Debug)]
struct Registered {
    registry: Registry,
    descriptions: Vec<Description>,
    /// What tells this process from others, and from the one before.
    instance: String,
}

impl Default for Registered {
    fn default() -> Self {
        let instance = uuid::Uuid::new_v4().to_string();
        Self { registry: Registry::default(), descriptions: Vec::new(), instance }
    }
}

/// The label that all metrics of the Kong Ingress Controller have.
const INSTANCE: &str = "instance_id";

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

    /// The same as [`Metrics::register`] for a metric of the Kong Ingress Controller, with its label of the instance.
    pub fn register_kic(&self, name: &str, help: &str, metric: impl Described) {
        let mut registered = self.lock();
        let mut description = Description::of(name, help, &metric);
        description.labels.insert(0, INSTANCE.to_owned());
        registered.descriptions.push(description);
        let label = (INSTANCE.into(), registered.instance.clone().into());
        registered.registry.sub_registry_with_label(label).register(name, help, metric);
    }

    /// What the label of the instance says.
    pub fn instance(&self) -> String {
        self.lock().instance.clone()
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
