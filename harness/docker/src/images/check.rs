//! What no image can be made of, found before anything is made.

use super::recipe::{Build, Debian, GoProgram, MavenArchive, Recipe};

/// The first thing wrong with a recipe, and how it should be.
pub(super) fn flaw(recipe: &Recipe) -> Option<&'static str> {
    let Recipe { name, upstream, env, run, build } = recipe;
    if !plain(name) {
        return Some("`name` must be of lower-case letters, digits and `-`");
    }
    let tagged = |image: &String| image.rsplit('/').next().is_some_and(|last| last.contains(':'));
    if !upstream.as_ref().is_none_or(|image| tagged(image) && !image.ends_with(":latest")) {
        return Some("`upstream` must be pinned by a tag other than `latest`");
    }
    if !env.keys().all(|key| variable(key)) || env.values().any(|value| value.contains(['\n', '\r'])) {
        return Some("`env` must be of NAMES in capital letters, and values of one line");
    }
    let hollow = |step: &String| step.trim().is_empty();
    if run.iter().chain(&build.run).any(hollow) {
        return Some("a step of `run` must say something");
    }
    if !run.is_empty() && build.debian.is_none() {
        return Some("`run` needs a shell, hence `build.debian`");
    }
    of_build(build)
        .or_else(|| build.debian.as_ref().and_then(of_debian))
        .or_else(|| build.go.iter().find_map(of_go))
        .or_else(|| build.maven.iter().find_map(of_maven))
}

fn of_build(build: &Build) -> Option<&'static str> {
    if !build.entrypoint.first().is_some_and(|path| absolute(path)) {
        return Some("`entrypoint` must begin with the absolute path of the program");
    }
    let places = places(build);
    if !places.iter().all(|place| absolute(place)) {
        return Some("`to`, `folders` and `running-executable` must be absolute paths");
    }
    if (1..places.len()).any(|at| places[..at].contains(&places[at])) {
        return Some("two things can't be put at the same place");
    }
    if build.debian.is_some() && build.running_executable.is_some() {
        return Some("`running-executable` brings its own libraries: leave `build.debian` out");
    }
    if build.debian.is_none()
        && build.go.is_empty()
        && build.running_executable.is_none()
        && build.file.is_empty()
    {
        return Some("`build` must name something to put in: `debian`, `go`, `file` or `running-executable`");
    }
    let of_a_system =
        !build.run.is_empty() || !build.maven.is_empty() || !build.folders.is_empty() || build.user.is_some();
    if build.debian.is_none() && of_a_system {
        return Some("`run`, `maven`, `folders` and `user` need `build.debian`");
    }
    let part = |part: &str| plain(part.trim_start_matches('_'));
    if !build.user.as_ref().is_none_or(|user| user.split(':').count() < 3 && user.split(':').all(part)) {
        return Some("`user` must be a name or `uid:gid`");
    }
    let signal =
        |name: &String| name.strip_prefix("SIG").is_some_and(|rest| !rest.is_empty() && variable(rest));
    if !build.stop_signal.as_ref().is_none_or(signal) {
        return Some("`stop-signal` must be a signal's name, such as `SIGINT`");
    }
    None
}

fn of_debian(debian: &Debian) -> Option<&'static str> {
    if debian.suite.is_empty() || !debian.suite.chars().all(|c| c.is_ascii_lowercase()) {
        return Some("`suite` must be a Debian release's name, such as `bookworm`");
    }
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+.-:=~*".contains(c);
    let package =
        |name: &String| name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(letter);
    (debian.packages.is_empty() || !debian.packages.iter().all(package))
        .then_some("`packages` must be Debian packages, each as `name` or `name=version`")
}

fn of_go(go: &GoProgram) -> Option<&'static str> {
    if !go.package.contains("@v") || go.package.starts_with('-') {
        return Some("`package` must end in its version: `@v1.2.3`");
    }
    (go.binary.is_empty() || go.binary.contains('/')).then_some("`binary` must be a file name")
}

fn of_maven(archive: &MavenArchive) -> Option<&'static str> {
    let part = |part: &str| {
        !part.is_empty()
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
            && !part.contains("..")
    };
    let parts: Vec<_> = archive.artifact.split(':').collect();
    if parts.len() != 4 || parts[3] != "tar.gz" || !parts.iter().all(|text| part(text)) {
        return Some("`artifact` must be `group:artifact:version:tar.gz`");
    }
    let digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    (archive.sha256.len() != 64 || !archive.sha256.chars().all(digit))
        .then_some("`sha256` must be 64 lower-case hexadecimal digits")
}

fn places(build: &Build) -> Vec<&str> {
    let go = build.go.iter().map(|go| &go.to);
    let maven = build.maven.iter().map(|archive| &archive.to);
    let file = build.file.iter().map(|file| &file.to);
    let all = go.chain(maven).chain(file).chain(&build.folders).chain(&build.running_executable);
    all.map(String::as_str).collect()
}

fn absolute(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| {
        rest.split('/').all(|part| {
            !matches!(part, "" | "." | "..")
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-+@".contains(c))
        })
    })
}

fn plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('-')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::super::recipe::tests::{KEYCLOAK, OPA};
    use super::*;

    fn refused(text: &str, from: &str, to: &str, said: &str) {
        let changed = text.replace(from, to);
        assert_ne!(changed, text, "{from}");
        let error = Recipe::parse(&changed).expect_err(to).to_string();
        assert!(error.contains(said), "{to}: {error}");
    }

    #[test]
    fn a_program_alone_is_refused_with_how_it_should_be() {
        for (from, to, said) in [
            ("name = \"opa\"", "name = \"Opa\"", "lower-case"),
            (":1.22.0-static", "", "pinned by a tag"),
            (":1.22.0-static", ":latest", "pinned by a tag"),
            ("[\"/opa\"]", "[\"opa\"]", "absolute path"),
            ("[\"/opa\"]", "[]", "absolute path"),
            ("to = \"/opa\"", "to = \"/../opa\"", "absolute paths"),
            ("to = \"/opa\"", "to = \"/o pa\"", "absolute paths"),
            ("@v1.22.0", "", "must end in its version"),
            ("binary = \"opa\"", "binary = \"../opa\"", "file name"),
            ("binary =", "binaries =", "unknown field `binaries`"),
            ("[[build.go]]", "user = \"opa\"\n[[build.go]]", "need `build.debian`"),
            ("[build]", "run = [\"true\"]\n[build]", "hence `build.debian`"),
            ("[[build.go]]", "running-executable = \"/opa\"\n[[build.go]]", "the same place"),
        ] {
            refused(OPA, from, to, said);
        }
        refused("name = \"n\"\n[build]\nentrypoint = [\"/x\"]\nuser", "\nuser", "", "something to put in");
    }

    #[test]
    fn a_system_is_refused_with_how_it_should_be() {
        for (from, to, said) in [
            ("suite = \"bookworm\"", "suite = \"book worm\"", "release's name"),
            ("\"openjdk-17-jre-headless", "\"-o=x", "Debian packages"),
            ("\"openjdk-17-jre-headless", "\"x; reboot", "Debian packages"),
            (":26.4.7:tar.gz", ":26.4.7:zip", "group:artifact:version:tar.gz"),
            (":26.4.7:tar.gz", ":../x:tar.gz", "group:artifact:version:tar.gz"),
            ("sha256 = \"a", "sha256 = \"A", "hexadecimal"),
            ("user = \"1000:0\"", "user = \"1000:0 /\"", "uid:gid"),
            ("user = \"1000:0\"", "user = \"1000:0\"\nstop-signal = \"INT\"", "SIGINT"),
            ("JAVA_OPTS_KC_HEAP", "java-opts", "capital letters"),
            ("run = [", "run = [\" \", ", "must say something"),
            ("user = \"1000:0\"", "user = \"1000:0\"\nrunning-executable = \"/x\"", "its own libraries"),
        ] {
            refused(KEYCLOAK, from, to, said);
        }
    }
}
