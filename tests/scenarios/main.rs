//! Whole-system scenarios: the product's own binaries against a real API server and stand-in gateways.
//!
//! They know the product from outside alone: flags, gRPC, lines on stderr, Kubernetes objects, gateways' configs.

mod story;

mod away;
mod bad_input;
mod demo;
mod deploy;
mod devcluster;
mod discovery;
mod drain;
mod election;
mod gateway_api;
mod hops;
mod isolation;
mod losing_nothing;
mod metrics;
mod outage;
mod pipeline;
mod processes;
mod reflection;
mod rendering;
mod replicas;
mod secrecy;
mod status;
mod telemetry;
mod workspace_rules;
