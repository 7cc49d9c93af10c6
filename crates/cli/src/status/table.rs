//! The status as tables; colours on a terminal only.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, Color, Table};

use super::{ServiceState, Status, in_words};

/// Everything, as text that ends with a line break.
pub(super) fn render(status: &Status) -> String {
    let mut parts = vec![services(status)];
    if let Some(leader) = &status.leader {
        parts.push(match (leader.election_disabled, leader.identity.as_str()) {
            (true, me) => format!("No election: {me} always pushes."),
            (false, "") => format!("Nobody holds the Lease {}.", leader.lease),
            (false, holder) => format!("{holder} leads: it holds the Lease {} (epoch {}).", leader.lease, leader.epoch),
        });
    }
    if !status.gateways.is_empty() {
        parts.push(gateways(status));
    }
    if !status.quarantine.is_empty() {
        parts.push(quarantine(status));
    }
    if let Some(last) = &status.last_good {
        let place = match last.place.as_str() {
            "" => "in memory alone".to_owned(),
            place => format!("in {place}"),
        };
        parts.push(format!("Last good configuration: generation {}, kept {place}.", last.generation));
    }
    parts.push(match status.problems.as_slice() {
        [] => "All is well.".to_owned(),
        problems => {
            format!("Not well:\n{}", problems.iter().map(|problem| format!("  {problem}\n")).collect::<String>())
        }
    });
    parts.iter().map(|part| part.trim_end()).collect::<Vec<_>>().join("\n\n") + "\n"
}

/// An empty table with these headings.
pub(crate) fn titled(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(headings.iter().copied());
    table
}

fn services(status: &Status) -> String {
    let mut table = titled(&["SERVICE", "ADDRESS", "STATE", ""]);
    for service in &status.services {
        let (state, colour) = match service.state {
            ServiceState::Ready => ("ready", Color::Green),
            ServiceState::NotReady => ("not ready", Color::Yellow),
            ServiceState::Unreachable => ("unreachable", Color::Red),
        };
        table.add_row([
            Cell::new(service.service),
            Cell::new(&service.address),
            Cell::new(state).fg(colour),
            Cell::new(&service.detail),
        ]);
    }
    table.to_string()
}

fn gateways(status: &Status) -> String {
    let mut table = titled(&["GATEWAY", "POD", "STATE", "GENERATION", "HASH", "LAG", "VERSION", "LAST ERROR"]);
    for gateway in &status.gateways {
        let colour = match gateway.state.as_str() {
            "in sync" => Color::Green,
            "pending" | "unknown" => Color::Yellow,
            _ => Color::Red,
        };
        table.add_row([
            Cell::new(&gateway.url),
            Cell::new(&gateway.pod),
            Cell::new(&gateway.state).fg(colour),
            Cell::new(gateway.generation),
            Cell::new(gateway.observed_hash.get(..8).unwrap_or(&gateway.observed_hash)),
            Cell::new(gateway.lag.map(in_words).unwrap_or_default()),
            Cell::new(&gateway.version),
            Cell::new(&gateway.last_error),
        ]);
    }
    table.to_string()
}

fn quarantine(status: &Status) -> String {
    let mut table = titled(&["LEFT OUT", "MADE FROM", "REQUESTS", "REASON"]);
    for entry in &status.quarantine {
        let requests = if entry.closed { "answered with 500" } else { "go on without it" };
        table.add_row([
            Cell::new(&entry.entity).fg(Color::Red),
            Cell::new(entry.objects.join(", ")),
            Cell::new(requests),
            Cell::new(&entry.reason),
        ]);
    }
    table.to_string()
}
