//! How the reports say durations, instants, numbers and lists.

use std::time::Duration;

use harness_core::time::{At, Elapsed, Span, seconds};

/// A duration with the unit that suits it and no zeros that carry nothing: `30 s`, `22.1 s`, `4.2 ms`.
pub(crate) fn duration(duration: Duration) -> String {
    let text = seconds(duration);
    let (figure, unit) = text.split_once(' ').unwrap_or((&text, ""));
    let figure =
        if figure.contains('.') { figure.trim_end_matches('0').trim_end_matches('.') } else { figure };
    format!("{figure} {unit}")
}

/// A duration as a sentence says it: whole seconds where tenths carry nothing.
pub(crate) fn about(exact: Duration) -> String {
    if exact < Duration::from_secs(20) { duration(exact) } else { format!("{:.0} s", exact.as_secs_f64()) }
}

/// A measured duration: `22.1 … 27.1 s`, or one figure when it is known exactly.
pub(crate) fn elapsed(elapsed: Elapsed) -> String {
    range(duration(elapsed.least), &duration(elapsed.most))
}

fn range(least: String, most: &str) -> String {
    if least == most {
        return least;
    }
    match (least.split_once(' '), most.split_once(' ')) {
        (Some((first, unit)), Some((last, same))) if unit == same => {
            let (first, last) = alike(first, last);
            format!("{first} … {last} {unit}")
        }
        (Some(("0", _)), Some(_)) => format!("0 … {most}"),
        _ => format!("{least} … {most}"),
    }
}

/// Both figures with as many decimals, so that they can be read against each other.
fn alike(least: &str, most: &str) -> (String, String) {
    let decimals = |figure: &str| figure.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let wanted = decimals(least).max(decimals(most));
    let padded = |figure: &str| match figure.parse::<f64>() {
        Ok(value) if figure != "0" => format!("{value:.wanted$}"),
        _ => figure.to_owned(),
    };
    (padded(least), padded(most))
}

/// An instant of the run, from its start.
pub(crate) fn instant(at: At) -> String {
    let since = at.since_start();
    let whole = since.as_secs();
    match whole {
        0..600 => {
            let s = since.as_secs_f64();
            let text = format!("{s:.2}");
            format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
        }
        600..86_400 => minutes(at),
        _ => format!("{}h {:02}m", whole / 3_600, whole % 3_600 / 60),
    }
}

/// An instant of the run in minutes and seconds.
pub(crate) fn minutes(at: At) -> String {
    let whole = at.since_start().as_secs();
    format!("{}m {:02}s", whole / 60, whole % 60)
}

/// When something happened, with its uncertainty.
pub(crate) fn when(span: Span) -> String {
    range(instant(span.lo), &instant(span.hi))
}

/// A count with its noun: `1 claim`, `4,210 lines`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    format!("{} {noun}{}", number(count), if count == 1 { "" } else { "s" })
}

/// A whole number with its thousands set apart.
pub(crate) fn number(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// The text on one line and without control characters, which would steer a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c == '\n' || c == '\t' { ' ' } else { c }).filter(|c| !c.is_control()).collect()
}

/// The text with its first letter capital.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_carry_no_empty_zeros() {
        assert_eq!(duration(Duration::from_secs(30)), "30 s");
        assert_eq!(duration(Duration::from_millis(22_100)), "22.1 s");
        assert_eq!(duration(Duration::from_millis(250)), "250 ms");
        assert_eq!(duration(Duration::from_secs(120)), "120 s");
        assert_eq!(duration(Duration::ZERO), "0 s");
    }

    #[test]
    fn a_range_names_its_unit_once() {
        let between = |least, most| {
            elapsed(Elapsed { least: Duration::from_millis(least), most: Duration::from_millis(most) })
        };
        assert_eq!(between(22_100, 27_100), "22.1 … 27.1 s");
        assert_eq!(between(900, 1_100), "900 ms … 1.1 s");
        assert_eq!(between(5_000, 5_000), "5 s");
        assert_eq!(between(0, 250), "0 … 250 ms");
        assert_eq!(between(13_800, 14_050), "13.80 … 14.05 s");
    }

    #[test]
    fn numbers_lists_and_control_characters() {
        assert_eq!(counted(1, "claim"), "1 claim");
        assert_eq!(counted(1_234_567, "line"), "1,234,567 lines");
        assert_eq!(list(&["a".into(), "b".into(), "c".into()]), "a, b and c");
        assert_eq!(printable("a\x1b[31mred\nb"), "a[31mred b");
        assert_eq!(instant(At::from_start(Duration::from_secs(723))), "12m 03s");
    }
}
