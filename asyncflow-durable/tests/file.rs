//! What a `FileJournal` makes of files that are cut short, overwritten, or no journals.

use std::fs;
use std::path::Path;

use asyncflow::durable::{FileJournal, Journal, JournalErrorKind, Session};
use futures::future::join_all;

fn record(number: usize) -> Vec<u8> {
    format!("record {number} ")
        .repeat(1 + number % 50)
        .into_bytes()
}

const RECORDS: usize = 300;

async fn write(path: &Path) {
    let journal = FileJournal::open(path).unwrap();
    let session = journal.begin("run").await.unwrap();
    let store = async |number| {
        let key = format!("task {number}");
        session.store(&key, record(number)).await.unwrap();
    };
    // Some at a time, so that the file has been written several times.
    for first in (0..RECORDS).step_by(10) {
        join_all((first..first + 10).map(store)).await;
    }
}

/// How many records are found. What is found is what was written; anything else is an error.
async fn read(path: &Path) -> Result<usize, JournalErrorKind> {
    let journal = FileJournal::open(path).map_err(|error| {
        let name = path.display().to_string();
        assert!(error.to_string().contains(&name), "{error}");
        error.kind()
    })?;
    let session = journal.begin("run").await.map_err(|error| error.kind())?;
    let mut found = 0;
    for number in 0..RECORDS {
        let key = format!("task {number}");
        let loaded = session.load(&key).await.map_err(|error| error.kind())?;
        if let Some(loaded) = loaded {
            assert_eq!(loaded, self::record(number));
            found += 1;
        }
    }
    Ok(found)
}

#[tokio::test]
async fn files_that_are_cut_short() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, cut) = (folder.path().join("whole.db"), folder.path().join("cut.db"));
    write(&whole).await;
    let bytes = fs::read(&whole).unwrap();
    assert_eq!(read(&whole).await, Ok(RECORDS));
    let mut damaged = 0;
    for part in 0..32 {
        let length = bytes.len() * part / 32;
        fs::write(&cut, &bytes[..length]).unwrap();
        match read(&cut).await {
            Ok(found) => assert!(
                part == 0 && found == 0 || found == RECORDS,
                "{found} at {part}"
            ),
            Err(JournalErrorKind::Damaged | JournalErrorKind::Other) => damaged += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(damaged > 10, "{damaged}");
}

#[tokio::test]
async fn files_that_are_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, other) = (
        folder.path().join("whole.db"),
        folder.path().join("other.db"),
    );
    write(&whole).await;
    let bytes = fs::read(&whole).unwrap();
    let mut damaged = 0;
    for place in (0..bytes.len()).step_by(bytes.len() / 80) {
        let mut bytes = bytes.clone();
        for byte in &mut bytes[place..] {
            let before = *byte;
            *byte = !before;
            // The file has large parts that are not used.
            if before != 0 {
                break;
            }
        }
        fs::write(&other, bytes).unwrap();
        damaged += usize::from(read(&other).await.is_err());
    }
    assert!(damaged > 3, "{damaged}");
}

#[tokio::test]
async fn files_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.db");
    fs::write(&path, "This is no journal. ".repeat(1000)).unwrap();
    let error = FileJournal::open(&path).unwrap_err();
    assert_eq!(error.kind(), JournalErrorKind::Damaged, "{error}");
    assert!(
        fs::read_to_string(&path)
            .unwrap()
            .starts_with("This is no journal")
    );
}

#[tokio::test]
async fn a_file_is_opened_once_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.db");
    let journal = FileJournal::open(&path).unwrap();
    let error = FileJournal::open(&path).unwrap_err();
    assert_eq!(error.kind(), JournalErrorKind::InUse);
    let session = journal.begin("run").await.unwrap();
    drop(journal);
    // The session keeps it open.
    assert!(FileJournal::open(&path).is_err());
    session.store("task", vec![1]).await.unwrap();
    drop(session);
    let journal = FileJournal::open(&path).unwrap();
    assert_eq!(journal.runs().unwrap()[0].records(), 1);
}

/// A begin that is dropped does not free the run of the session that has it.
#[tokio::test]
async fn a_begin_that_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let journal = FileJournal::open(folder.path().join("runs.db")).unwrap();
    let session = journal.begin("run").await.unwrap();
    for _ in 0..100 {
        let mut begin = Box::pin(journal.begin("run"));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let _ = begin.as_mut().poll(&mut context);
        drop(begin);
        let error = journal.begin("run").await.err().unwrap();
        assert_eq!(error.kind(), JournalErrorKind::InUse);
    }
    drop(session);
    for _ in 0..100 {
        let mut begin = Box::pin(journal.begin("run"));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let _ = begin.as_mut().poll(&mut context);
        drop(begin);
        journal.begin("run").await.unwrap();
    }
}
