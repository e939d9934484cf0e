//! Tests for implementations of [`Journal`].

use std::time::SystemTime;

use crate::error::JournalErrorKind;
use crate::journal::{Journal, Session};

/// Checks that a journal, which must be empty, keeps what [`Journal`] promises.
///
/// What a killed process leaves behind cannot be checked in one process: test that beside this.
///
/// ```
/// use asyncflow::durable::{FileJournal, conformance};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("runs.db");
/// conformance::check(FileJournal::open(path)?).await;
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// Panics if the journal does not keep a promise. The message says which.
pub async fn check<J: Journal>(journal: J) {
    begins_empty(&journal).await;
    keeps_records(&journal).await;
    runs_are_apart(&journal).await;
    one_session_at_a_time(&journal).await;
    dropped_stores_come_first(&journal).await;
    lists_and_forgets(&journal).await;
}

/// Names of runs and keys that are easily confused or cut.
const NAMES: [&str; 7] = ["a", "a/b", "a[1]", "日本", "it's \"quoted\"", "", "a\0b"];

async fn begin<J: Journal>(journal: &J, run: &str) -> J::Session {
    let session = journal.begin(run).await;
    session.unwrap_or_else(|error| panic!("run {run:?} that is free begins: {error}"))
}

async fn load(session: &impl Session, key: &str) -> Option<Vec<u8>> {
    let record = session.load(key).await;
    record.unwrap_or_else(|error| panic!("the record of {key:?} is read: {error}"))
}

async fn store(session: &impl Session, key: &str, record: &[u8]) {
    let stored = session.store(key, record.to_vec()).await;
    stored.unwrap_or_else(|error| panic!("the record of {key:?} is written: {error}"));
}

async fn ids<J: Journal>(journal: &J) -> Vec<String> {
    let runs = Journal::runs(journal).await;
    let runs = runs.unwrap_or_else(|error| panic!("the runs are listed: {error}"));
    let mut ids: Vec<_> = runs.iter().map(|run| run.id().to_owned()).collect();
    ids.sort();
    ids
}

async fn begins_empty<J: Journal>(journal: &J) {
    assert!(!journal.name().is_empty(), "a journal has a name");
    assert!(ids(journal).await.is_empty(), "the journal is to be empty");
    let session = begin(journal, "empty").await;
    assert_eq!(load(&session, "a").await, None, "there is no record");
    drop(session);
    let ids = ids(journal).await;
    assert!(ids.is_empty(), "a run without records is not listed");
}

async fn keeps_records<J: Journal>(journal: &J) {
    let large = vec![7; 1 << 20];
    let records: [&[u8]; 4] = [b"", b"\0", b"record", &large];
    for record in records {
        let session = begin(journal, "kept").await;
        for name in NAMES {
            store(&session, name, record).await;
        }
        drop(session);
        let session = begin(journal, "kept").await;
        for name in NAMES {
            let kept = load(&session, name).await;
            let kept = kept.as_deref() == Some(record);
            assert!(kept, "the last record of {name:?} is kept as it was stored");
        }
        assert_eq!(load(&session, "other").await, None, "no other key is found");
    }
}

async fn runs_are_apart<J: Journal>(journal: &J) {
    for (number, run) in NAMES.iter().enumerate() {
        let session = begin(journal, run).await;
        assert_eq!(
            load(&session, "key").await,
            None,
            "run {run:?} is a new one"
        );
        store(&session, "key", &[number as u8]).await;
    }
    for (number, run) in NAMES.iter().enumerate() {
        let session = begin(journal, run).await;
        let record = load(&session, "key").await;
        assert_eq!(record, Some(vec![number as u8]), "run {run:?} has its own");
    }
}

async fn one_session_at_a_time<J: Journal>(journal: &J) {
    let first = begin(journal, "one").await;
    let other = begin(journal, "other").await;
    let second = journal.clone().begin("one").await.err();
    let kind = second.map(|error| error.kind());
    let in_use = Some(JournalErrorKind::InUse);
    assert_eq!(kind, in_use, "a run that has begun is refused");
    store(&first, "key", b"first").await;
    let forgotten = Journal::forget(journal, "one").await.err();
    let kind = forgotten.map(|error| error.kind());
    assert_eq!(kind, in_use, "a run that has begun is not forgotten");
    drop((first, other));
    let again = begin(journal, "one").await;
    assert_eq!(load(&again, "key").await.as_deref(), Some(&b"first"[..]));
}

/// A store whose future is dropped is done or not done by the time the run begins again.
async fn dropped_stores_come_first<J: Journal>(journal: &J) {
    for round in 0..20_u8 {
        let session = begin(journal, "dropped").await;
        {
            let mut store = std::pin::pin!(session.store("key", vec![round]));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            let _ = store.as_mut().poll(&mut context);
        }
        drop(session);
        let session = begin(journal, "dropped").await;
        let found = load(&session, "key").await;
        store(&session, "other", b"").await;
        let later = load(&session, "key").await;
        assert_eq!(found, later, "nothing is written after the run began again");
    }
}

async fn lists_and_forgets<J: Journal>(journal: &J) {
    let before = SystemTime::now();
    let session = begin(journal, "listed").await;
    store(&session, "a", b"1").await;
    store(&session, "a", b"2").await;
    store(&session, "b", b"3").await;
    drop(session);
    let runs = Journal::runs(journal).await;
    let runs = runs.unwrap_or_else(|error| panic!("the runs are listed: {error}"));
    let run = runs.iter().find(|run| run.id() == "listed");
    let run = run.expect("a run with records is listed");
    assert_eq!(run.records(), 2, "a record that was replaced counts once");
    assert!(run.created() <= run.updated());
    let age = before.duration_since(run.updated()).unwrap_or_default();
    assert!(age.as_secs() < 5, "the time of the last record is known");
    for run in Journal::runs(journal).await.expect("the runs are listed") {
        let forgotten = Journal::forget(journal, run.id()).await;
        assert!(matches!(forgotten, Ok(true)), "{:?} is forgotten", run.id());
    }
    assert!(ids(journal).await.is_empty(), "forgotten runs are gone");
    let forgotten = Journal::forget(journal, "listed").await;
    assert!(matches!(forgotten, Ok(false)), "it was forgotten before");
    let session = begin(journal, "listed").await;
    assert_eq!(load(&session, "a").await, None, "and its records are gone");
}
