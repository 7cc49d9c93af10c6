//! The page of metrics, made from what the services register, so that it cannot be wrong.

use std::fmt::Write as _;

use silverback_service::metrics::{Description, Metrics};

/// A service, what is to be known of its metrics, what registers them, and what to be alarmed by.
struct Section {
    service: &'static str,
    before: &'static str,
    register: fn(&Metrics),
    alerts: &'static str,
}

const SECTIONS: [Section; 3] = [
    Section {
        service: "Watcher",
        before: "`kind` and `namespace` name a collection: the kind with its group, and the namespace where \
                 `--watch-namespace` is given.",
        register: silverback_watcher::describe_metrics,
        alerts: "`silverback_watcher_stale == 1` for minutes, `silverback_watcher_pending_names > 0` for minutes, a rate of\n\
                 `silverback_watcher_relists_total` that does not come to rest.",
    },
    Section {
        service: "Translator",
        before: "The first three are the Kong Ingress Controller's, with its labels: `instance_id` is another one for each \
                 process. Here no\ntranslation fails (`success` is always `true`), objects may. Its metrics of fallback \
                 configurations have no counterpart.",
        register: silverback_translator::describe_metrics,
        alerts: "`increase(silverback_translator_stream_comparisons_total{result=\"different\"}[1h]) > 0`.",
    },
    Section {
        service: "Pusher",
        before: "`dataplane` is the url of a gateway's Admin API; its series go when it goes. The first five are the Kong \
                 Ingress Controller's,\nwith its labels (`protocol` is always `db-less`); it counts no failures of the \
                 network, and its durations begin at 100 ms.",
        register: silverback_pusher::describe_metrics,
        alerts: "`sum(silverback_pusher_leading) != 1` for longer than the Lease lasts, `silverback_gateway_in_sync == 0` for\n\
                 minutes, `time() - silverback_gateway_behind_since_timestamp_seconds > 60 and \
                 silverback_gateway_behind_since_timestamp_seconds > 0`,\n\
                 `silverback_isolation_quarantined_entities > 0`.",
    },
];

/// The page as Markdown.
pub(crate) fn markdown() -> String {
    let mut text = String::from(
        "# Metrics\n\nServed at `/metrics` of each process, in the OpenMetrics text format; counters end in `_total` there. \
         This page is made by\n`silverback metrics` from what the services register; a test keeps it true.\n",
    );
    for section in SECTIONS {
        let metrics = Metrics::default();
        (section.register)(&metrics);
        let _ = write!(text, "\n## {}\n\n", section.service);
        if !section.before.is_empty() {
            let _ = write!(text, "{}\n\n", section.before);
        }
        text.push_str("| Metric | Type | Labels | Says |\n|---|---|---|---|\n");
        for Description { name, kind, labels, help } in metrics.descriptions() {
            let _ = writeln!(text, "| `{name}` | {kind} | {} | {} |", labels.join(", "), help.replace('|', "\\|"));
        }
        let _ = write!(text, "\nWorth an alert: {}\n", section.alerts);
    }
    text
}

#[cfg(test)]
mod tests {
    /// Bless with `BLESS=1`.
    #[test]
    fn the_committed_page_is_true() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
        let now = super::markdown();
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, &now).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == now, "docs/metrics.md is out of date: run `silverback metrics > docs/metrics.md`");
    }
}
