//! One suite, two servers: the harness' own and real Toxiproxy.
//!
//! Goal: whoever has a Toxiproxy client can use the harness' proxy, and what is learned with one holds with the other.
//! Method: every test runs against both arms. `api` compares statuses and bodies call by call, `traffic` what happens
//! to bytes, with bounds on both sides where time matters. Where the two differ on purpose it is a row of the table in
//! `differences`, and the row is checked on both arms too: a difference that has gone is a failure.
//!
//! The real arm needs `toxiproxy-server` (2.12) on the PATH or named by `TOXIPROXY_SERVER`. If the variable is set the
//! server must be there; if neither is, the real arm says so and passes nothing on.

#![expect(clippy::unwrap_used, reason = "a test's unwrap is its assertion")]

#[path = "conformance/api.rs"]
mod api;
#[path = "conformance/arm.rs"]
mod arm;
#[path = "conformance/differences.rs"]
mod differences;
#[path = "conformance/through_the_client.rs"]
mod through_the_client;
#[path = "conformance/traffic.rs"]
mod traffic;

#[expect(dead_code, reason = "each test binary uses a part of it")]
mod support;

/// Runs each of these functions, which take an [`arm::Arm`], once per arm.
macro_rules! on_both_arms {
    ($($name:ident),* $(,)?) => {
        mod ours {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(&$crate::arm::Arm::ours().await).await;
            })*
        }
        mod real {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(arm) = $crate::arm::Arm::real().await {
                    super::$name(&arm).await;
                }
            })*
        }
    };
}
pub(crate) use on_both_arms;
