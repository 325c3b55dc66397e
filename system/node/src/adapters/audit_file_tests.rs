use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::Settings;

fn settings(folder: &TempDir, durability: &str) -> AuditSettings {
    let path = folder.path().join("audit.jsonl");
    let settings = Settings::default().with("audit.path", path.to_str().unwrap()).unwrap();
    settings.with("audit.durability", durability).unwrap().audit.clone()
}

fn entry(id: &str) -> AuditEntry<'_> {
    AuditEntry {
        id: id.into(),
        time: "2025-06-15T15:06:40.000Z".into(),
        event_type: "authorization_decision".into(),
        instance: "HUB".into(),
        subject: Some("alice\n{\"forged\":true}".into()),
        resource: "doc-1".into(),
        action: "read".into(),
        decision: "deny".into(),
        reason: "COI".into(),
        correlation_id: id.into(),
        offline: false,
    }
}

fn ids(path: &Path) -> Vec<String> {
    let id = |line| match line {
        AuditLine::Entry(entry) => Some(entry.id.into_owned()),
        AuditLine::Torn => None,
    };
    read_audit(path).unwrap().into_iter().filter_map(id).collect()
}

#[tokio::test]
async fn entries_stand_in_order_and_a_reopened_file_goes_on() {
    for durability in ["write", "sync"] {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&folder, durability);
        for run in 0..3 {
            let file = AuditFile::open(&settings).unwrap();
            for number in 0..4 {
                file.record(&entry(&format!("{run}-{number}"))).await.unwrap();
            }
        }
        let expected: Vec<_> =
            (0..3).flat_map(|run| (0..4).map(move |number| format!("{run}-{number}"))).collect();
        assert_eq!(ids(&settings.path), expected, "{durability}");
        assert_eq!(read_audit(&settings.path).unwrap()[0], AuditLine::Entry(Box::new(entry("0-0"))));
    }
}

#[tokio::test]
async fn entries_that_come_at_once_are_all_kept_once() {
    for durability in ["write", "sync"] {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&folder, durability);
        let file = Arc::new(AuditFile::open(&settings).unwrap());
        let writers = (0..500).map(|number| {
            let file = Arc::clone(&file);
            async move { file.record(&entry(&number.to_string())).await.unwrap() }
        });
        futures_util::future::join_all(writers).await;
        let mut kept: Vec<u32> = ids(&settings.path).iter().map(|id| id.parse().unwrap()).collect();
        kept.sort_unstable();
        assert_eq!(kept, (0..500).collect::<Vec<_>>(), "{durability}");
    }
}

#[tokio::test]
async fn an_entry_queued_by_a_request_that_ended_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&folder, "sync");
    let file = AuditFile::open(&settings).unwrap();
    let gone = entry("gone");
    let mut record = file.record(&gone);
    let _queued = futures_util::poll!(&mut record);
    drop(record);
    drop(file);
    assert_eq!(ids(&settings.path), ["gone"]);
}

#[tokio::test]
async fn a_disk_that_takes_nothing_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for durability in ["write", "sync"] {
        let mut settings = settings(&folder, durability);
        settings.path = PathBuf::from("/dev/full");
        let file = AuditFile::open(&settings).unwrap();
        assert!(file.record(&entry("1")).await.is_err(), "{durability}");
        settings.path = folder.path().join("absent").join("audit.jsonl");
        let error = AuditFile::open(&settings).unwrap_err().to_string();
        assert!(error.contains("absent"), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_file_cut_at_any_byte_keeps_every_whole_line_and_goes_on(cut in 0.0f64..=1.0) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&folder, "write");
        runtime.block_on(async {
            let file = AuditFile::open(&settings).unwrap();
            for number in 0..5 {
                file.record(&entry(&number.to_string())).await.unwrap();
            }
        });
        let whole = std::fs::read(&settings.path).unwrap();
        let cut = (whole.len() as f64 * cut) as usize;
        std::fs::write(&settings.path, &whole[..cut]).unwrap();
        let before = whole[..cut].split(|byte| *byte == b'\n').count() - 1;
        runtime.block_on(async {
            let file = AuditFile::open(&settings).unwrap();
            file.record(&entry("after")).await.unwrap();
        });
        let kept = ids(&settings.path);
        let mut expected: Vec<_> = (0..before).map(|number| number.to_string()).collect();
        // A cut that took nothing but the line's end leaves a whole entry.
        if kept.len() == before + 2 {
            expected.push(before.to_string());
        }
        expected.push("after".to_owned());
        prop_assert_eq!(kept, expected);
    }
}
