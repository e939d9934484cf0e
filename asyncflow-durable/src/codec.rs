//! The encoding of outputs, and the header of a record.

use std::io;

use asyncflow_core::BoxError;
use asyncflow_core::recording::Codec;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Encodes outputs as CBOR (RFC 8949).
///
/// CBOR describes itself, so an output whose type has changed is an error and never garbage. It keeps
/// what JSON does not: bytes as bytes, `NaN`, and maps with keys of any type.
#[derive(Debug)]
pub struct Cbor(());

/// How deep a value may be nested when it is decoded, which takes stack.
const MOST_LEVELS: usize = 1024;

impl<T: Serialize + DeserializeOwned + 'static> Codec<T> for Cbor {
    fn encode(output: &T) -> Result<Vec<u8>, BoxError> {
        let mut bytes = Vec::new();
        ciborium::into_writer(output, &mut bytes)
            .map_err(|error| format!("the output cannot be encoded for the journal: {error}"))?;
        Ok(bytes)
    }

    fn decode(mut bytes: &[u8]) -> Result<T, BoxError> {
        let output = ciborium::de::from_reader_with_recursion_limit(&mut bytes, MOST_LEVELS)
            .map_err(|error: ciborium::de::Error<io::Error>| describe(&error))?;
        match bytes.len() {
            0 => Ok(output),
            rest => Err(format!("{rest} bytes are left over").into()),
        }
    }
}

/// The text of an error, which `ciborium` has for its `Debug` only.
fn describe(error: &ciborium::de::Error<io::Error>) -> String {
    match error {
        ciborium::de::Error::Io(error) => error.to_string(),
        ciborium::de::Error::Syntax(place) => format!("no CBOR at byte {place}"),
        ciborium::de::Error::Semantic(_, text) => text.clone(),
        ciborium::de::Error::RecursionLimitExceeded => {
            format!("it is nested more than {MOST_LEVELS} levels deep")
        }
    }
}

/// Puts the version of a task's function before its encoded output.
pub(crate) fn with_version(version: u32, output: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(4 + output.len());
    record.extend_from_slice(&version.to_be_bytes());
    record.extend_from_slice(output);
    record
}

/// Returns the version of a record, and the encoded output; `None` if there is no version.
pub(crate) fn split_version(record: &[u8]) -> Option<(u32, &[u8])> {
    let (version, output) = record.split_first_chunk()?;
    Some((u32::from_be_bytes(*version), output))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::fmt::Debug;

    use super::*;

    fn same<T: Serialize + DeserializeOwned + PartialEq + Debug + 'static>(value: T) {
        let bytes = Cbor::encode(&value).unwrap();
        let decoded: T = Cbor::decode(&bytes).unwrap();
        assert_eq!(decoded, value);
    }

    #[test]
    fn values_come_back() {
        same(());
        same(u64::MAX);
        same(i128::MIN);
        same(f32::MIN_POSITIVE);
        same(f64::NEG_INFINITY);
        same(String::from("日本"));
        same(vec![0_u8, 255]);
        same(HashMap::from([((1, 'a'), Some(2.5)), ((2, 'b'), None)]));
        same(Err::<u8, _>(String::from("no luck")));
        let nan: f64 = Cbor::decode(&Cbor::encode(&f64::NAN).unwrap()).unwrap();
        assert!(nan.is_nan());
    }

    #[test]
    fn other_types_are_errors() {
        let bytes = Cbor::encode(&String::from("text")).unwrap();
        let error = <Cbor as Codec<u32>>::decode(&bytes).unwrap_err();
        assert_eq!(error.to_string(), "invalid type: string, expected integer");
        let short = &Cbor::encode(&vec![1, 2, 3]).unwrap()[..2];
        assert!(<Cbor as Codec<Vec<u32>>>::decode(short).is_err());
        let long = [Cbor::encode(&1).unwrap(), Cbor::encode(&1).unwrap()].concat();
        let error = <Cbor as Codec<u32>>::decode(&long).unwrap_err();
        assert_eq!(error.to_string(), "1 bytes are left over");
        assert!(<Cbor as Codec<u8>>::decode(&Cbor::encode(&300).unwrap()).is_err());
    }
}
