//! What is wrong in some turns of an `each` is told with the value in whose turn it is; what is wrong in all of
//! them is told once.

use crate::scenario::diagnostics::Problem;
use crate::scenario::written_out::Turn;

/// Problems as they are told, from problems as they were found.
pub(super) fn told(found: Vec<(Problem, Option<Turn>)>) -> Vec<Problem> {
    let mut groups: Vec<(Problem, Vec<Turn>)> = Vec::new();
    for (problem, turn) in found {
        let same = |(known, turns): &(Problem, Vec<Turn>)| {
            *known == problem && turns.first().map(|turn| turn.each) == turn.as_ref().map(|turn| turn.each)
        };
        match groups.iter_mut().find(|group| same(group)) {
            Some((_, turns)) => turns.extend(turn),
            None => groups.push((problem, turn.into_iter().collect())),
        }
    }
    groups.into_iter().map(|(problem, turns)| in_turns(problem, turns)).collect()
}

/// The problem with the turns it is found in, where those are not all.
fn in_turns(mut problem: Problem, mut turns: Vec<Turn>) -> Problem {
    turns.dedup();
    let Some(first) = turns.first().filter(|first| turns.len() < first.of) else { return problem };
    let Turn { column, value, .. } = first;
    let others = match turns.len() {
        1 => String::new(),
        2 => ", and in another turn".to_owned(),
        turns => format!(", and in {} other turns", turns - 1),
    };
    problem.message = format!("{}, when `<{column}>` is `{value}`{others}", problem.message);
    problem
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::diagnostics::Place;

    fn turn(value: &str) -> Turn {
        let number = usize::from(value.as_bytes()[0] - b'a');
        Turn { each: 0, number, of: 3, column: "phase".into(), value: value.into() }
    }

    fn messages(turns: &[Option<Turn>]) -> Vec<String> {
        let found = turns.iter().map(|turn| (Problem::at(Place::default(), "wrong"), turn.clone()));
        told(found.collect()).into_iter().map(|problem| problem.message).collect()
    }

    #[test]
    fn what_is_wrong_in_all_turns_is_told_once_and_else_with_the_turn() {
        let [a, b, c] = ["a", "b", "c"].map(|value| Some(turn(value)));
        assert_eq!(messages(&[None]), ["wrong"]);
        assert_eq!(messages(&[a.clone(), b.clone(), c.clone()]), ["wrong"]);
        assert_eq!(messages(&[b]), ["wrong, when `<phase>` is `b`"]);
        assert_eq!(messages(&[a, c.clone()]), ["wrong, when `<phase>` is `a`, and in another turn"]);
        assert_eq!(messages(&[None, c]), ["wrong", "wrong, when `<phase>` is `c`"]);
    }
}
