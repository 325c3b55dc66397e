//! What one policy decision costs, by the way it is made. JSON in, JSON out, in every case.
//!
//! All contestants answer the same questions, which the coalition's users ask about its resources, turn by
//! turn in the same run; before the race each of them must give the same answers.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use benches::exchange::{Exchange, request};
use benches::opa;
use benches::race::{Race, brief, micros, race};
use benches::summary::{Goal, seen, summary};
use criterion::{Criterion, criterion_group, criterion_main};
use dive_authz::{Decision, policies};
use regorus::Value;
use scenarios::binding::kit::Kit;
use scenarios::binding::policy::options;
use scenarios::binding::topology::Shape;
use standin_opa::{Engine, Options, Policies};

const BYTECODE: &str = "bytecode (the stand-in's hot path)";

/// The questions, in turn.
struct Questions {
    texts: Vec<String>,
    next: usize,
}

impl Questions {
    fn new(kit: &Kit) -> Self {
        let coalition = kit.coalition();
        let pairs = coalition.users().iter().flat_map(|user| {
            coalition.resources().iter().map(|resource| (user.id, resource.resource_id.as_str()))
        });
        let text = |(user, resource)| {
            let input = coalition.input(user, resource, "read", "2026-01-01T00:00:00Z").ok()?;
            serde_json::to_string(&input).ok()
        };
        Self { texts: pairs.filter_map(text).collect(), next: 0 }
    }

    fn next(&mut self) -> &str {
        self.next = (self.next + 1) % self.texts.len();
        &self.texts[self.next]
    }
}

/// Answers a question, JSON to JSON.
type Way<'a> = Box<dyn FnMut(&str) -> String + 'a>;

fn by_bytecode(options: &Options) -> Way<'static> {
    let policies =
        Policies::new(options.policies.clone(), options.data.clone()).expect("these policies compile");
    let mut engine = Engine::new(Arc::new(policies), &[policies::ENTRYPOINT]);
    Box::new(move |question| {
        engine
            .decide(policies::ENTRYPOINT, Some(question))
            .expect("the policies decide")
            .expect("and are defined")
    })
}

/// regorus' own ways, without the stand-in around them, and the rule that is the whole decision.
fn regorus_engine(options: &Options) -> (regorus::Engine, String) {
    let mut engine = regorus::Engine::new();
    for (id, source) in &options.policies {
        engine.add_policy(id.clone(), source.clone()).expect("these policies parse");
    }
    let data = Value::from_json_str(&options.data.to_string()).expect("the data is JSON");
    engine.add_data(data).expect("the data fits the policies");
    // A rule can be an entry point, a package cannot.
    let document = policies::ENTRYPOINT.replace('/', ".");
    let entry = format!("package bench\n\ndecision := data.{document}\n");
    engine.add_policy("bench".to_owned(), entry).expect("this policy parses");
    (engine, "data.bench.decision".to_owned())
}

fn by_compiled_policy(options: &Options) -> Way<'static> {
    let (mut engine, rule) = regorus_engine(options);
    let compiled = engine.compile_with_entrypoint(&rule.as_str().into()).expect("these policies compile");
    Box::new(move |question| {
        let input = Value::from_json_str(question).expect("a question is JSON");
        compiled
            .eval_with_input(input)
            .expect("the policies decide")
            .to_json_str()
            .expect("an answer is JSON")
    })
}

fn by_interpreter(options: &Options) -> Way<'static> {
    let (mut engine, rule) = regorus_engine(options);
    Box::new(move |question| {
        engine.set_input(Value::from_json_str(question).expect("a question is JSON"));
        engine.eval_rule(rule.clone()).expect("the policies decide").to_json_str().expect("an answer is JSON")
    })
}

fn by_http(server: SocketAddr) -> Way<'static> {
    let mut exchange = Exchange::connect(server).expect("it listens");
    let path = opa::path();
    Box::new(move |question| {
        let body = format!(r#"{{"input":{question}}}"#);
        let asked = request("POST", &path, &[("content-type", "application/json")], &body);
        let answer = exchange.send(&asked).expect("it answers");
        assert_eq!(answer.status, 200);
        String::from_utf8_lossy(answer.body).into_owned()
    })
}

/// The stand-in as a server in this process, on threads of its own.
fn stand_in(options: &Options) -> SocketAddr {
    let api = Options { decision_log: false, ..options.clone() }.api().expect("these policies compile");
    benches::serve::routes(standin_opa::serve::router(api))
}

/// Whether a way answers every question as the first one does.
fn must_agree(questions: &Questions, reference: &mut Way<'_>, way: &mut Way<'_>, name: &str) {
    let decision = |answer: String| {
        let whole = if answer.contains(r#""result""#) { answer } else { format!(r#"{{"result":{answer}}}"#) };
        Decision::from_engine(whole.as_bytes()).expect("a decision")
    };
    for question in &questions.texts {
        assert_eq!(decision(way(question)), decision(reference(question)), "{name} about {question}");
    }
}

fn decisions(criterion: &mut Criterion) {
    let raced = race(criterion, "decision/bytecode", || {
        let kit = Kit::now(Shape::HubAndOpa).expect("policies and coalition fit together");
        let options = options(kit.coalition().policy_data());
        let questions = Questions::new(&kit);
        let mut ways: Vec<(&'static str, Way<'_>)> = vec![
            (BYTECODE, by_bytecode(&options)),
            ("compiled policy (tree walked)", by_compiled_policy(&options)),
            ("interpreter", by_interpreter(&options)),
            ("HTTP to the stand-in", by_http(stand_in(&options))),
        ];
        let opa = benches::measuring().then(|| opa::real(&options)).flatten();
        if let Some(opa) = &opa {
            ways.push(("HTTP to real OPA", by_http(opa.address)));
        }
        let mut reference = by_bytecode(&options);
        for (name, way) in &mut ways {
            must_agree(&questions, &mut reference, way, name);
        }
        let opa = Rc::new(opa);
        let questions = RefCell::new(questions);
        let questions = Rc::new(questions);
        ways.into_iter().fold(Race::new(), |race, (name, mut way)| {
            let (questions, opa) = (questions.clone(), opa.clone());
            race.with(name, move || {
                let _lives = &opa;
                way(questions.borrow_mut().next())
            })
        })
    });
    for standing in raced.iter().flat_map(Race::standings) {
        let goal = if standing.name == BYTECODE { Goal::Under(15.0) } else { Goal::None };
        seen(&format!("decision, JSON in and out: {}", standing.name), micros(standing.p50), "µs", goal);
    }
}

criterion_group!(name = benches; config = brief(); targets = decisions, summary);
criterion_main!(benches);
