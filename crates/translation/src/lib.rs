//! Translation: Kubernetes objects in, Kong entities and diagnostics out.
//!
//! Pure: no clock, no network, no environment, no randomness. It never fails: an object that cannot be translated gives
//! a diagnostic, and everything else keeps flowing. [`Translator`] works incrementally: the work of a change is
//! proportional to what it changes.

mod annotations;
mod backends;
mod certificates;
mod claimant;
mod claims;
mod class;
mod credential_limits;
mod credentials;
mod diagnostics;
mod face;
mod features;
mod feedback;
mod gate;
mod graph;
mod inputs;
mod intake;
mod kinds;
mod leave_out;
mod matchable;
mod output;
mod pending;
mod plugins;
mod product;
mod publishing;
mod rank;
mod render;
mod routed;
mod secrets;
mod service;
mod settings;
mod source;
mod status;
mod store;
mod tls;
mod translator;
mod upstream;
mod withheld;

pub use features::supported as supported_features;
pub use output::{Diagnostic, Entity, ObjectChange, Output, Reason, Severity};
pub use publishing::Publishing;
pub use render::{object_ref, render, translate, upsert};
pub use settings::{Edition, FeatureGates, KongVersion, MissingPlugins, Open, RouterFlavor, Settings};
pub use translator::{Explanation, Translator};
