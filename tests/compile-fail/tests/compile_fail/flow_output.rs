use asyncflow::prelude::*;

type Parsed<T> = Result<T, std::num::ParseIntError>;

struct Page;

#[flow]
impl Page {
    #[task]
    fn number() -> Parsed<u8> {
        "7".parse()
    }

    #[task(output = u8)]
    async fn said() -> Parsed<u8> {
        "7".parse()
    }

    #[task(output = u16)]
    async fn said_wrong() -> Parsed<u8> {
        "7".parse()
    }

    #[task]
    fn sum(number: &u8, said: &u8) -> u8 {
        number + said
    }
}

fn main() {}
