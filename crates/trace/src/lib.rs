//! Stages of a change on its way from the cluster to the gateways: one span each, chained by `traceparent` texts.
//!
//! Costs a check of one flag where traces go nowhere. Knows no exporter, and nothing of what the stages do.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::global::{self, BoxedSpan};
use opentelemetry::trace::{
    Link, Span, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
    Tracer,
};
use opentelemetry::{Context, KeyValue};
use silverback_model::Traces;

static ENABLED: AtomicBool = AtomicBool::new(false);

/// Says that a global tracer provider was set up: from now on stages are recorded.
pub fn enable() {
    ENABLED.store(true, Ordering::Relaxed);
}

/// A stage that goes on until it is dropped.
#[derive(Debug, Default)]
pub struct Stage(Option<BoxedSpan>);

impl Stage {
    /// Where a change begins its way.
    pub fn first(name: &'static str) -> Self {
        Self::start(SpanBuilder::from_name(name), &Context::new())
    }

    /// A stage of changes that others handled before: a child of the first, linked to those coalesced into it. Nothing
    /// where none of them was sampled.
    pub fn of(name: &'static str, traces: &Traces) -> Self {
        Self::follow(SpanBuilder::from_name(name), traces)
    }

    /// The same for a stage that is a call to another system, which it may hand its `traceparent`.
    pub fn call(name: &'static str, traces: &Traces) -> Self {
        Self::follow(SpanBuilder::from_name(name).with_kind(SpanKind::Client), traces)
    }

    fn follow(builder: SpanBuilder, traces: &Traces) -> Self {
        let Some(parent) = traces.first().and_then(parse) else { return Self(None) };
        let links = traces.linked().filter_map(parse).map(|context| Link::new(context, Vec::new(), 0));
        Self::start(builder.with_links(links.collect()), &Context::new().with_remote_span_context(parent))
    }

    fn start(builder: SpanBuilder, parent: &Context) -> Self {
        if !ENABLED.load(Ordering::Relaxed) {
            return Self(None);
        }
        Self(Some(global::tracer("silverback").build_with_context(builder, parent)))
    }

    /// Notes something about the stage; `value` is asked for only if the stage is recorded. Keys are those of
    /// OpenTelemetry's semantic conventions, and `silverback.…` where these have none.
    pub fn note(&mut self, key: &'static str, value: impl Display) {
        if let Some(span) = self.0.as_mut().filter(|span| span.is_recording()) {
            span.set_attribute(KeyValue::new(key, value.to_string()));
        }
    }

    /// Notes a number.
    pub fn count(&mut self, key: &'static str, value: impl TryInto<i64>) {
        if let Some(span) = self.0.as_mut().filter(|span| span.is_recording()) {
            span.set_attribute(KeyValue::new(key, value.try_into().unwrap_or(i64::MAX)));
        }
    }

    /// Says that the stage failed.
    pub fn fail(&mut self, reason: impl Display) {
        if let Some(span) = &mut self.0 {
            span.set_status(Status::error(reason.to_string()));
        }
    }

    /// What the next stage is a child of; empty where this one is not sampled.
    pub fn traces(&self) -> Traces {
        let context = self.0.as_ref().map(Span::span_context).filter(|context| context.is_sampled());
        context.map(|context| Traces::of(print(context))).unwrap_or_default()
    }
}

/// The `traceparent` of W3C Trace Context.
fn print(context: &SpanContext) -> String {
    format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8())
}

fn parse(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-');
    let (Some("00"), Some(trace), Some(span), Some(flags), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        flags,
        true,
        TraceState::default(),
    );
    (context.is_valid() && context.is_sampled()).then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_reads_back_as_it_was_written() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(print(&parse(text).unwrap()), text);
        for none in
            ["", "00-0-0-01", "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", &text.replace("-01", "-00")]
        {
            assert!(parse(none).is_none(), "{none}");
        }
    }

    #[test]
    fn nothing_is_recorded_where_traces_go_nowhere() {
        let mut stage = Stage::first("translate");
        stage.count("silverback.objects", 3);
        assert!(stage.traces().is_empty() && Stage::of("commit", &stage.traces()).0.is_none());
    }
}
