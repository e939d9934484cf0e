//! What is sent: a header and a payload, both CBOR.
//!
//! ```text
//! length of the header (u32, big-endian)  header  payload
//! ```

use std::error::Error;
use std::io;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The most that the engine takes in one message, 32 MiB, without room for what it adds.
pub(crate) const MOST_BYTES: usize = (32 << 20) - (64 << 10);

/// How deep a value may be nested when it is decoded, which takes stack.
const MOST_LEVELS: usize = 1024;

/// What goes before an input.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    /// The execution that asks.
    pub(crate) execution: String,
}

/// What goes before an output.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reply {
    /// The execution that asked first.
    pub(crate) execution: String,
    /// The process that did the job.
    pub(crate) worker: String,
    /// How long the job waited there for others to end.
    pub(crate) queued: Duration,
    /// Why there is no output.
    pub(crate) error: Option<String>,
}

pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

pub(crate) fn decode<T: DeserializeOwned>(mut bytes: &[u8]) -> Result<T, String> {
    use ciborium::de::Error;
    let value = ciborium::de::from_reader_with_recursion_limit(&mut bytes, MOST_LEVELS);
    let value = value.map_err(|error: Error<io::Error>| match error {
        Error::Io(error) => error.to_string(),
        Error::Syntax(place) => format!("no CBOR at byte {place}"),
        Error::Semantic(_, text) => text,
        Error::RecursionLimitExceeded => format!("it is nested over {MOST_LEVELS} levels deep"),
    })?;
    match bytes.len() {
        0 => Ok(value),
        rest => Err(format!("{rest} bytes are left over")),
    }
}

/// A header and a payload as one message.
pub(crate) fn join<H: Serialize>(header: &H, payload: &[u8]) -> Result<Vec<u8>, String> {
    let header = encode(header)?;
    let length = u32::try_from(header.len()).map_err(|error| error.to_string())?;
    let mut message = Vec::with_capacity(4 + header.len() + payload.len());
    message.extend_from_slice(&length.to_be_bytes());
    message.extend_from_slice(&header);
    message.extend_from_slice(payload);
    Ok(message)
}

/// The header and the payload of a message.
pub(crate) fn split<H: DeserializeOwned>(message: &[u8]) -> Result<(H, &[u8]), String> {
    let cut = || String::from("it is cut short");
    let (length, rest) = message.split_first_chunk().ok_or_else(cut)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| cut())?;
    let (header, payload) = rest.split_at_checked(length).ok_or_else(cut)?;
    Ok((decode(header)?, payload))
}

/// An error and its causes.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some errors print their cause themselves.
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
