//! The arrows between the crates point one way, as ARCHITECTURE.md draws them.

use std::collections::BTreeMap;
use std::process::Command;

/// Which crates of this workspace each crate may depend on, in any way but for its own tests.
const ARROWS: [(&str, &[&str]); 21] = [
    ("dive-runtime", &[]),
    ("dive-resilience", &[]),
    ("dive-authz", &[]),
    ("dive-node", &["dive-runtime", "dive-resilience", "dive-authz"]),
    ("dive-kas", &["dive-runtime", "dive-resilience", "dive-authz", "dive-node"]),
    ("dive-orchestrator", &["dive-runtime"]),
    ("dive", &["dive-runtime", "dive-authz", "dive-node", "dive-orchestrator"]),
    ("harness-core", &[]),
    ("harness-sim", &["harness-core"]),
    ("harness-proxy", &[]),
    ("harness-local", &["harness-core", "harness-proxy"]),
    ("harness-docker", &["harness-core", "harness-local", "harness-proxy"]),
    ("coalition", &["dive-authz"]),
    ("standin-opa", &[]),
    ("standin-keycloak", &["coalition"]),
    ("standin-mongodb", &[]),
    ("standin-redis", &[]),
    ("reports", &["harness-core"]),
    ("contracts", &["dive-orchestrator", "harness-core", "harness-docker", "harness-proxy"]),
    (
        "scenarios",
        &[
            "dive-runtime",
            "dive-resilience",
            "dive-authz",
            "dive-node",
            "dive-kas",
            "dive-orchestrator",
            "harness-core",
            "harness-sim",
            "harness-proxy",
            "harness-local",
            "harness-docker",
            "coalition",
            "standin-opa",
            "standin-keycloak",
            "standin-mongodb",
            "standin-redis",
            "reports",
        ],
    ),
    (
        "benches",
        &[
            "dive-runtime",
            "dive-resilience",
            "dive-authz",
            "dive-node",
            "dive-orchestrator",
            "harness-core",
            "harness-sim",
            "harness-proxy",
            "standin-opa",
            "coalition",
            "scenarios",
        ],
    ),
];

#[test]
fn the_arrows_point_one_way() {
    let drawn = BTreeMap::from(ARROWS);
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert_eq!(packages.len(), drawn.len(), "a crate was added or removed: draw its arrows");

    for package in packages {
        let name = package["name"].as_str().unwrap();
        let allowed = drawn.get(name).unwrap_or_else(|| panic!("{name} has no arrows drawn"));
        for dependency in package["dependencies"].as_array().unwrap() {
            let to = dependency["name"].as_str().unwrap();
            // A contract suite may use what it holds its subject against; these have nothing else.
            let only_for_tests = dependency["kind"] == "dev" && !["benches", "contracts"].contains(&name);
            if drawn.contains_key(to) && !only_for_tests {
                assert!(allowed.contains(&to), "{name} must not depend on {to}");
            }
            let is_system = |crate_: &str| crate_ == "dive" || crate_.starts_with("dive-");
            let meets = name.starts_with("harness-") && is_system(to)
                || is_system(name) && to.starts_with("harness-");
            assert!(!meets, "{name} and {to} must not meet, not even in tests");
        }
    }
}
