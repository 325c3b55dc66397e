//! Linearizability by its definition: every order of the calls is tried.

use super::{Call, Model};

/// Whether some order of the calls explains every answer. Takes time exponential in the number of calls.
pub(super) fn linearizable<M: Model>(model: &M, history: &[Call<M::Input, M::Output>]) -> bool {
    let mut keys: Vec<M::Key> = history.iter().map(|call| model.key(&call.input)).collect();
    keys.sort();
    keys.dedup();
    keys.iter().all(|key| {
        let calls: Vec<_> = history.iter().filter(|call| model.key(&call.input) == *key).collect();
        explains(model, &model.start(key), &calls)
    })
}

fn explains<M: Model>(model: &M, state: &M::State, left: &[&Call<M::Input, M::Output>]) -> bool {
    if left.iter().all(|call| call.ended.is_none()) {
        return true;
    }
    (0..left.len()).any(|first| {
        let call = left[first];
        let comes_first =
            left.iter().all(|other| other.ended.as_ref().is_none_or(|(at, _)| call.began <= *at));
        let mut rest = left.to_vec();
        rest.remove(first);
        let output = call.ended.as_ref().map(|(_, output)| output);
        comes_first
            && model.step(state, &call.input, output).is_some_and(|after| explains(model, &after, &rest))
    })
}
