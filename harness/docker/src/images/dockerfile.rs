//! A recipe as the lines of a Dockerfile.

use std::fmt::Write as _;

use super::context::{ROOT, owned};
use super::recipe::{Build, Recipe};
use crate::labels;

/// Of an image built from nothing, or on the base image named.
pub(super) fn built(recipe: &Recipe, base: Option<&str>) -> String {
    let build = &recipe.build;
    let mut lines = format!("FROM {}\n", base.unwrap_or("scratch"));
    if let Some(script) = installation(build) {
        step(&mut lines, &script);
    }
    // A copy of nothing, followed by another copy, is more than the engine's own builder bears.
    if build.debian.is_none() || !build.go.is_empty() || !build.file.is_empty() {
        let _ = writeln!(lines, "COPY {ROOT}/ /");
    }
    let user = build.user.as_deref().unwrap_or("root");
    for (at, archive) in build.maven.iter().enumerate() {
        let _ = writeln!(lines, "COPY --chown={user} {}/ {}/", owned(at), archive.to);
    }
    environment(&mut lines, recipe);
    if build.user.is_some() {
        let _ = writeln!(lines, "USER {user}");
    }
    for script in build.run.iter().chain(&recipe.run) {
        step(&mut lines, script);
    }
    if let Some(signal) = &build.stop_signal {
        let _ = writeln!(lines, "STOPSIGNAL {signal}");
    }
    let _ = writeln!(lines, "LABEL {}={}", labels::RECIPE, recipe.name);
    let _ = writeln!(lines, "ENTRYPOINT {}", words(&build.entrypoint));
    if !build.command.is_empty() {
        let _ = writeln!(lines, "CMD {}", words(&build.command));
    }
    lines
}

/// Of what a recipe adds to its upstream image.
pub(super) fn adapted(recipe: &Recipe, upstream: &str) -> String {
    let mut lines = format!("FROM {upstream}\n");
    environment(&mut lines, recipe);
    for script in &recipe.run {
        step(&mut lines, script);
    }
    let _ = writeln!(lines, "LABEL {}={}", labels::RECIPE, recipe.name);
    lines
}

/// All that root does, in one layer.
fn installation(build: &Build) -> Option<String> {
    let packages = build.debian.as_ref()?.packages.iter().fold(String::new(), |mut all, package| {
        let _ = write!(all, " '{package}'");
        all
    });
    let mut script = format!(
        "apt-get update -qq\n\
         apt-get install -y -qq --no-install-recommends{packages}\n\
         rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*\n"
    );
    let user = build.user.as_deref().unwrap_or("root");
    for folder in &build.folders {
        let _ = writeln!(script, "mkdir -p {folder}\nchown {user} {folder}");
    }
    Some(script)
}

fn environment(lines: &mut String, recipe: &Recipe) {
    for (name, value) in &recipe.env {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$");
        let _ = writeln!(lines, "ENV {name}=\"{value}\"");
    }
}

fn step(lines: &mut String, script: &str) {
    let _ = writeln!(lines, "RUN {}", words(&["/bin/sh".into(), "-euc".into(), script.into()]));
}

/// As JSON: nothing in it is taken for the Dockerfile's or a shell's.
fn words(words: &[String]) -> String {
    serde_json::to_string(words).expect("text is JSON")
}

#[cfg(test)]
mod tests {
    use super::super::recipe::tests::{KEYCLOAK, OPA};
    use super::*;

    #[test]
    fn a_program_alone_has_nothing_of_a_distribution_around_it() {
        let file = built(&Recipe::parse(OPA).unwrap(), None);
        assert_eq!(file, "FROM scratch\nCOPY rootfs/ /\nLABEL dev.chaos.recipe=opa\nENTRYPOINT [\"/opa\"]\n");
    }

    #[test]
    fn root_installs_and_the_user_does_the_rest() {
        let file = built(&Recipe::parse(KEYCLOAK).unwrap(), Some("base:1"));
        let at = |text: &str| file.find(text).unwrap_or_else(|| panic!("no `{text}` in\n{file}"));
        let order = [
            at("FROM base:1\n"),
            at("'openjdk-17-jre-headless"),
            at("COPY --chown=1000:0 owned/0/ /opt/keycloak/\n"),
            at("ENV JAVA_OPTS_KC_HEAP="),
            at("USER 1000:0\n"),
            at("kc.sh build "),
            at("ENTRYPOINT [\"/opt/keycloak/bin/kc.sh\"]\n"),
            at("CMD [\"start\",\"--optimized\""),
        ];
        assert!(order.is_sorted(), "{order:?}\n{file}");
    }

    #[test]
    fn an_upstream_image_gets_the_steps_of_the_recipe_and_none_of_the_build() {
        let keycloak = Recipe::parse(KEYCLOAK).unwrap();
        let file = adapted(&keycloak, "registry.example/keycloak:1");
        assert!(file.starts_with("FROM registry.example/keycloak:1\nENV JAVA_OPTS_APPEND="), "{file}");
        assert_eq!(file.matches("RUN ").count(), keycloak.run.len(), "{file}");
        assert!(!file.contains("ENTRYPOINT") && !file.contains("apt-get"), "{file}");
    }

    #[test]
    fn a_step_of_several_lines_stays_one_instruction() {
        let mut recipe = Recipe::parse(KEYCLOAK).unwrap();
        recipe.run = vec!["echo \"a\" $HOME\necho b\n".into()];
        recipe.env = [("A".into(), "1 \"$B\"".into())].into();
        let file = adapted(&recipe, "x:1");
        assert!(file.contains(r#"RUN ["/bin/sh","-euc","echo \"a\" $HOME\necho b\n"]"#), "{file}");
        assert!(file.contains(r#"ENV A="1 \"\$B\"""#), "{file}");
    }
}
