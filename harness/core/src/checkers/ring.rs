//! What happened, in its order, with what has been explained taken out and put back in no time.

/// A call begins, or its answer is given.
#[derive(Clone, Copy)]
pub(super) struct Event {
    pub(super) call: usize,
    pub(super) is_answer: bool,
    pub(super) next: usize,
    previous: usize,
}

/// Events as a ring of links; the last one is neither, but begin and end of the ring.
pub(super) struct Ring {
    pub(super) events: Vec<Event>,
    /// Where each call's begin and its answer are.
    pub(super) places: Vec<(usize, Option<usize>)>,
}

impl Ring {
    /// A ring over `order`, of (when, whether it is an answer, which call), with the first `answers` answers
    /// only.
    pub(super) fn new(calls: usize, order: Vec<(u64, bool, usize)>, answers: usize) -> Self {
        let mut places = vec![(0, None); calls];
        let mut events: Vec<Event> = Vec::with_capacity(order.len() + 1);
        let mut answered = 0;
        for (_, is_answer, call) in order {
            answered += usize::from(is_answer);
            if is_answer && answered > answers {
                continue;
            }
            let at = events.len();
            if is_answer {
                places[call].1 = Some(at);
            } else {
                places[call].0 = at;
            }
            events.push(Event { call, is_answer, next: at + 1, previous: at.wrapping_sub(1) });
        }
        let head = events.len();
        events.push(Event { call: usize::MAX, is_answer: true, next: 0, previous: head.wrapping_sub(1) });
        events[0].previous = head;
        Self { events, places }
    }

    /// The first event that is left.
    pub(super) fn first(&self) -> usize {
        self.events[self.events.len() - 1].next
    }

    /// Whether the call's answer is to be explained.
    pub(super) fn is_answered(&self, call: usize) -> bool {
        self.places[call].1.is_some()
    }

    /// Takes a call out of what is left.
    pub(super) fn place(&mut self, call: usize) {
        let (begin, answer) = self.places[call];
        self.unlink(begin);
        if let Some(answer) = answer {
            self.unlink(answer);
        }
    }

    /// Puts the call that was taken out last back where it was.
    pub(super) fn take_back(&mut self, call: usize) {
        let (begin, answer) = self.places[call];
        if let Some(answer) = answer {
            self.relink(answer);
        }
        self.relink(begin);
    }

    fn unlink(&mut self, at: usize) {
        let Event { next, previous, .. } = self.events[at];
        self.events[previous].next = next;
        self.events[next].previous = previous;
    }

    fn relink(&mut self, at: usize) {
        let Event { next, previous, .. } = self.events[at];
        self.events[previous].next = at;
        self.events[next].previous = at;
    }
}
