//! Figures of a measurement.

use std::time::Duration;

use comfy_table::{Table, presets};
use serde_json::json;

use super::Output;

/// One row of a report: a name and the times measured.
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) times: Vec<Duration>,
}

impl Row {
    /// The time below which this share of all times lies.
    fn quantile(&self, share: f64) -> Duration {
        let mut times = self.times.clone();
        times.sort();
        let last = times.len().saturating_sub(1);
        times.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
    }
}

/// A figure that is no time.
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
}

/// Prints the rows.
pub(crate) fn print(rows: &[Row], output: Output) {
    print_with(rows, &[], output);
}

/// Prints the rows, and other figures below them.
pub(crate) fn print_with(rows: &[Row], figures: &[Figure], output: Output) {
    let shares = [("min", 0.0), ("p50", 0.5), ("p90", 0.9), ("max", 1.0)];
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    match output {
        Output::Json => {
            let row = |row: &Row| {
                let figures = shares.map(|(name, share)| (format!("{name}_ms"), json!(ms(row.quantile(share)))));
                let mut object: serde_json::Map<_, _> = figures.into_iter().collect();
                object.insert("what".into(), json!(row.what));
                object.insert("count".into(), json!(row.times.len()));
                serde_json::Value::Object(object)
            };
            let figure = |figure: &Figure| json!({"what": figure.what, "value": figure.value, "unit": figure.unit});
            let all: Vec<_> = rows.iter().map(row).chain(figures.iter().map(figure)).collect();
            println!("{}", json!(all));
        }
        Output::Table => {
            let mut table = Table::new();
            table.load_style(presets::UTF8_HORIZONTAL_ONLY);
            table.set_header(["what", "times", "min ms", "p50 ms", "p90 ms", "max ms"]);
            for row in rows {
                let mut cells = vec![row.what.clone(), row.times.len().to_string()];
                cells.extend(shares.map(|(_, share)| format!("{:.1}", ms(row.quantile(share)))));
                table.add_row(cells);
            }
            println!("{table}");
            for Figure { what, value, unit } in figures {
                println!("{what}: {value:.1} {unit}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_sorted_times() {
        let times = [5, 1, 4, 2, 3].map(Duration::from_millis).to_vec();
        let row = Row { what: String::new(), times };
        assert_eq!(row.quantile(0.0).as_millis(), 1);
        assert_eq!(row.quantile(0.5).as_millis(), 3);
        assert_eq!(row.quantile(1.0).as_millis(), 5);
    }
}
