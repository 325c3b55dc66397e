//! A run as JUnit: a suite with a test case per claim.
//!
//! JUnit knows no third answer. A violated claim is a *failure*; an inconclusive one is an *error*,
//! with its reason: both make a CI red, and neither is mistaken for the other.

use harness_core::verdict::{Finding, Verdict};
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use crate::story::Story;
use crate::story::headline::sentence;
use crate::words;

pub(crate) fn document(story: &Story<'_>) -> String {
    let header = &story.record.header;
    let name = format!("{} [{}]", header.scenario.id, header.world);
    let mut suite = TestSuite::new(name.as_str());
    suite.set_time(story.end.since_start());
    for (key, value) in [
        ("run", header.run.clone()),
        ("seed", header.seed.to_string()),
        ("speed", header.speed.to_string()),
        ("replay", header.replay.clone()),
    ] {
        suite.add_property(Property::new(key, value));
    }
    suite.add_test_cases(story.judgement.findings.iter().map(|finding| case(story, finding)));
    if story.judgement.overall() != story.verdict || story.judgement.findings.is_empty() {
        suite.add_test_case(whole(story));
    }
    let mut report = Report::new(name);
    report.set_time(story.end.since_start());
    report.add_test_suite(suite);
    report.to_string().expect("writing XML into a string does not fail")
}

fn case(story: &Story<'_>, finding: &Finding) -> TestCase {
    let status = match finding.verdict {
        Verdict::Held => TestCaseStatus::success(),
        Verdict::Violated => not_held(NonSuccessKind::Failure, "violated", story, &finding.why, finding),
        Verdict::Inconclusive => {
            not_held(NonSuccessKind::Error, "inconclusive", story, &finding.why, finding)
        }
    };
    let mut case = TestCase::new(finding.claim.as_str(), status);
    case.set_classname(format!("{}.{}", story.record.header.scenario.id, finding.axis));
    if let Some(elapsed) = finding.measured.and_then(|measured| measured.elapsed) {
        case.set_time(elapsed.most);
    }
    case
}

fn not_held(
    kind: NonSuccessKind,
    name: &str,
    story: &Story<'_>,
    why: &str,
    finding: &Finding,
) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(name).set_message(why);
    let measured = finding.measured.map(|measured| format!("\nmeasured: {measured}")).unwrap_or_default();
    status.set_description(format!("{why}{measured}\nreplay: {}", story.record.header.replay));
    status
}

/// The run as a whole, when it is worse than any of its claims: cut short, interrupted, never judged.
fn whole(story: &Story<'_>) -> TestCase {
    let why = words::printable(&sentence(story));
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_type("inconclusive").set_message(why.as_str()).set_description(why);
    let mut case = TestCase::new("the run came to its end and was judged", status);
    case.set_classname(format!("{}.run", story.record.header.scenario.id));
    case
}

#[cfg(test)]
mod tests {
    use harness_core::verdict::Judgement;

    use crate::fixtures;

    #[test]
    fn held() {
        let (record, judgement) = fixtures::held();
        insta::assert_snapshot!(crate::junit(&record, &judgement));
    }

    #[test]
    fn violated() {
        let (record, judgement) = fixtures::violated();
        insta::assert_snapshot!(crate::junit(&record, &judgement));
    }

    #[test]
    fn cut_short() {
        let (record, judgement) = fixtures::cut_short();
        insta::assert_snapshot!(crate::junit(&record, &judgement));
    }

    #[test]
    fn a_cut_record_is_never_green_even_if_every_claim_held() {
        let (mut record, judgement) = fixtures::held();
        record.cut = true;
        let xml = crate::junit(&record, &judgement);
        assert!(xml.contains("errors=\"1\""), "{xml}");
    }

    #[test]
    fn a_run_about_which_nothing_was_claimed_is_an_error() {
        let (record, _) = fixtures::held();
        let xml = crate::junit(&record, &Judgement::default());
        assert!(xml.contains("tests=\"1\"") && xml.contains("errors=\"1\""), "{xml}");
    }
}
