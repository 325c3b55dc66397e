//! An operator's command whose store has a defect.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use parking_lot::Mutex;
use scenarios::worlds::deployment::{Connect, DeploymentParts};
use scenarios::worlds::local::deployment::carry_out_order;

use crate::store::{FaultyStore, Others, StoreDefect};

/// Carries an order out, and prints what came of it.
pub(crate) fn carry_out(
    defect: StoreDefect,
    stage: &Path,
    host: &str,
    order: &str,
    number: &str,
) -> ExitCode {
    let others: Others = Arc::new(Mutex::new(Vec::new()));
    let store = move |connect: &Connect| FaultyStore::open(defect, connect, &others);
    let parts = DeploymentParts { store: Some(Arc::new(store)), ..DeploymentParts::default() };
    let number = number.parse().expect("the host numbers its orders");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let ended = runtime.block_on(carry_out_order(stage, host, order, number, &parts));
    if let Err(error) = &ended {
        eprintln!("{error}");
    }
    ExitCode::from(u8::from(ended.is_err()))
}
