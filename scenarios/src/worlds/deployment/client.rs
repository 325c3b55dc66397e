//! How the processes of a run ask each other.

use std::time::Duration;

use reqwest::Client;

/// Asks straight, each time on a connection of its own, and waits no longer than `patience`, in real time.
///
/// # Errors
/// When the system lets no client be made.
pub(in crate::worlds) fn client(patience: Duration) -> reqwest::Result<Client> {
    Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(patience).build()
}
