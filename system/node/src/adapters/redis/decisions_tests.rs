use super::super::testing::Arm;
use super::*;

fn name(subject: &str, question: &str) -> DecisionKey {
    DecisionKey { subject: subject.to_owned(), question: question.to_owned() }
}

const LONG: Duration = Duration::from_secs(100);

#[tokio::test]
async fn decisions_are_kept_each_for_its_time_and_forgotten_by_subject() {
    for arm in Arm::all().await {
        let decisions = RedisDecisions(arm.client(Duration::from_secs(5)));
        for (subject, question) in [("aa", "01"), ("aa", "02"), ("aab", "01"), ("bb", "01")] {
            let sealed = format!("{subject}/{question}\0\r\n");
            decisions.put(&name(subject, question), sealed.as_bytes(), LONG).await.unwrap();
        }
        let kept = decisions.get(&name("aa", "02")).await.unwrap();
        assert_eq!(kept.as_deref(), Some(&b"aa/02\0\r\n"[..]), "{}", arm.name);
        assert_eq!(decisions.get(&name("aa", "03")).await, Ok(None));

        decisions.forget("aa").await.unwrap();
        for (subject, question, there) in
            [("aa", "01", false), ("aa", "02", false), ("aab", "01", true), ("bb", "01", true)]
        {
            let kept = decisions.get(&name(subject, question)).await.unwrap();
            assert_eq!(kept.is_some(), there, "{} {subject} {question}", arm.name);
        }
    }
}

#[tokio::test]
async fn a_decision_is_gone_when_its_time_is_over() {
    for arm in Arm::all().await {
        let decisions = RedisDecisions(arm.client(Duration::from_secs(5)));
        decisions.put(&name("aa", "01"), b"x", Duration::from_micros(999)).await.unwrap();
        assert_eq!(decisions.get(&name("aa", "01")).await, Ok(None), "a span of no millisecond");
        decisions.put(&name("aa", "01"), b"x", Duration::from_secs(2)).await.unwrap();
        let mut seen = 0;
        while decisions.get(&name("aa", "01")).await.unwrap().is_some() {
            seen += 1;
            tokio::time::sleep(Duration::from_millis(10)).await;
            assert!(seen < 1_000, "{}: it does not end", arm.name);
        }
        assert!(seen > 0, "{}: it was never there", arm.name);
    }
}

#[tokio::test]
async fn a_large_cache_is_forgotten_whole() {
    for arm in Arm::all().await {
        let link = arm.client(Duration::from_secs(5));
        let puts: Vec<Command> = (0..5000)
            .map(|n| command([b"SET", format!("decision:{}:{n:x}", ["aa", "bb"][n % 2]).as_bytes(), b"x"]))
            .collect();
        link.pipeline(&puts).await.unwrap();
        RedisDecisions(link.clone()).forget("aa").await.unwrap();
        let left = link.pipeline(&[command([b"DBSIZE"])]).await.unwrap();
        assert_eq!(left, [Answer::Integer(2500)], "{}", arm.name);
    }
}

#[tokio::test]
async fn a_name_that_could_mean_more_is_refused() {
    let arm = Arm::stand_in(([127, 0, 0, 1], 0).into()).await;
    let decisions = RedisDecisions(arm.client(Duration::from_secs(5)));
    for subject in ["*", "", "a:b", "é"] {
        assert!(decisions.forget(subject).await.is_err());
        assert!(decisions.get(&name(subject, "01")).await.is_err());
    }
}
