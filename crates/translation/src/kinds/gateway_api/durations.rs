//! Durations of the Gateway API (GEP-2257): up to four numbers with h, m, s or ms.

/// In milliseconds; `None`: it is none.
pub(super) fn milliseconds(text: &str) -> Option<i64> {
    let mut total = 0i64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "h" => 3_600_000.0,
            "m" => 60_000.0,
            "s" => 1_000.0,
            "ms" => 1.0,
            _ => return None,
        };
        total = total.checked_add((number * unit) as i64)?;
        rest = &rest[end..];
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        assert_eq!(milliseconds("1h0m2s3ms"), Some(3_602_003));
        assert_eq!(milliseconds("1m30s"), Some(90_000));
        for wrong in ["", "10", "s", "1d", "ms5"] {
            assert_eq!(milliseconds(wrong), None, "{wrong}");
        }
    }
}
