//! Deploying for real: the pure pipeline, driven over two seams, the store and the platform.

mod platform;

pub use platform::{Action, Done, Failure, Found, Holding, Platform, Site, Step, Subject, Thing};
