//! What a bench has to say at its end: a line for each figure, its goal beside it.
//!
//! The lines are rows of the table in `README.md`, so that what stands there can be taken from what was printed.

use criterion::Criterion;
use parking_lot::Mutex;

/// What a figure is to be. A goal is a statement about a quiet machine, so a bench tells and does not fail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// Less than this.
    Under(f64),
    /// This or more.
    AtLeast(f64),
    /// It is told for comparison.
    None,
}

static ROWS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Takes note of what was seen.
pub fn seen(what: &str, figure: f64, unit: &str, goal: Goal) {
    ROWS.lock().push(row(what, figure, unit, goal));
}

/// Prints what was taken note of: to be the last of a bench's groups.
pub fn summary(_: &mut Criterion) {
    print();
}

/// The same for a bench without criterion.
pub fn print() {
    let rows = std::mem::take(&mut *ROWS.lock());
    if rows.is_empty() || !crate::measuring() {
        return;
    }
    println!("\n| what | seen | goal | |\n|---|---|---|---|\n{}\n", rows.join("\n"));
}

fn row(what: &str, figure: f64, unit: &str, goal: Goal) -> String {
    let (wanted, met) = match goal {
        Goal::Under(bound) => (format!("< {} {unit}", number(bound)), figure < bound),
        Goal::AtLeast(bound) => (format!("≥ {} {unit}", number(bound)), figure >= bound),
        Goal::None => ("–".to_owned(), true),
    };
    let verdict = match goal {
        Goal::None => "",
        _ if met => "met",
        _ => "not met",
    };
    format!("| {what} | {} {unit} | {wanted} | {verdict} |", number(figure))
}

/// Three digits that mean something, thousands set apart.
fn number(figure: f64) -> String {
    if figure.abs() < 100.0 {
        let decimals = if figure.abs() < 10.0 { 2 } else { 1 };
        let text = format!("{figure:.decimals$}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let digits = format!("{figure:.0}");
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |digits| ("-", digits));
    let mut apart = String::from(sign);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            apart.push(',');
        }
        apart.push(digit);
    }
    apart
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_whether_its_goal_was_met() {
        let under = |figure| row("a decision", figure, "µs", Goal::Under(15.0));
        assert_eq!(under(14.96), "| a decision | 15 µs | < 15 µs | met |");
        assert_eq!(under(15.0), "| a decision | 15 µs | < 15 µs | not met |");
        let least = |figure| row("speed", figure, "×", Goal::AtLeast(150_000.0));
        assert_eq!(least(150_000.0), "| speed | 150,000 × | ≥ 150,000 × | met |");
        assert_eq!(least(95_238.1), "| speed | 95,238 × | ≥ 150,000 × | not met |");
        assert_eq!(row("a step", 3.456, "ns", Goal::None), "| a step | 3.46 ns | – |  |");
    }

    #[test]
    fn thousands_are_set_apart() {
        let written = [0.0, 9.999, 12.34, 999.4, 1_000.0, -1_234_567.0].map(number);
        assert_eq!(written, ["0", "10", "12.3", "999", "1,000", "-1,234,567"]);
    }
}
