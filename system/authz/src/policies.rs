//! The Rego policies and their data, embedded.

pub(crate) const COUNTRIES_JSON: &str = include_str!("../policies/data/countries.json");
