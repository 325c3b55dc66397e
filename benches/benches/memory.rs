//! Whether a node's memory stays as it is over a million requests: resident memory after every hundred thousand.
//!
//! The node is called as a function, engine in the process. Of four requests one asks something new that is
//! allowed, one something asked before, one something new that is denied, and one brings a token of an issuer
//! that nobody trusts: so every cache fills, overflows and forgets. Ends with a failure when memory grew.

use std::process::ExitCode;
use std::sync::Arc;

use benches::asking::{Asking, call, hub, kit};
use benches::hub::Embedded;
use benches::memory::{grew, resident};
use benches::summary::{Goal, print, seen};
use dive_node::Settings;
use scenarios::binding::requests::Kind;

const READINGS: u64 = 10;
const BETWEEN: u64 = 100_000;
const KINDS: [(Kind, u16); 4] =
    [(Kind::Read, 200), (Kind::ReadAgain, 200), (Kind::ReadForbidden, 403), (Kind::ReadAsStranger, 401)];

fn main() -> ExitCode {
    if !benches::wanted("memory") || !benches::measuring() {
        return ExitCode::SUCCESS;
    }
    let kit = kit();
    let asking = Asking::new(&kit);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
    let router = {
        let _inside = runtime.enter();
        hub(&kit, Settings::default(), Arc::new(Embedded::new(kit.engine())), None).router()
    };
    let mut series = Vec::new();
    println!("memory/resident after so many requests");
    for reading in 1..=READINGS {
        runtime.block_on(async {
            let halves = [(); 2].map(|()| {
                let (router, asking) = (router.clone(), asking.clone());
                tokio::spawn(async move {
                    for turn in 0..BETWEEN / 2 {
                        let (kind, expected) = KINDS[turn as usize % KINDS.len()];
                        let (status, _) = call(&router, asking.next_request(kind)).await;
                        assert_eq!(status, expected, "{kind:?}");
                    }
                })
            });
            for half in halves {
                half.await.expect("no request fails");
            }
        });
        let Some(kib) = resident() else {
            println!("NOT MEASURED: this machine does not tell");
            return ExitCode::SUCCESS;
        };
        println!("  {:>9}  {:>7.1} MiB", reading * BETWEEN, kib as f64 / 1024.0);
        series.push(kib);
    }
    let mib = |kib: u64| kib as f64 / 1024.0;
    let (early, late) = (series[READINGS as usize / 3], series[READINGS as usize - 1]);
    seen("memory held after 1,000,000 requests", mib(late), "MiB", Goal::None);
    seen(
        "the same as a share of what was held after 400,000",
        100.0 * mib(late) / mib(early),
        "%",
        Goal::Under(105.0),
    );
    print();
    if grew(&series) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
