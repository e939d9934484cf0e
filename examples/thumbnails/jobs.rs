//! What the two programs share: the job, and the pictures.

use asyncflow::restate::Job;
use serde::{Deserialize, Serialize};

/// Makes a small picture of a large one.
pub(crate) const THUMB: Job<Picture, Picture> = Job::new("thumb", 1);

/// A picture in shades of grey.
#[derive(Serialize, Deserialize)]
pub(crate) struct Picture {
    pub(crate) name: String,
    width: usize,
    pixels: Vec<u8>,
}

/// By what a thumbnail is smaller in each direction.
const SMALLER: usize = 8;

/// The function of the job: the mean of every square of pixels.
pub(crate) fn make_thumb(picture: &Picture) -> Result<Picture, String> {
    let (width, height) = (picture.width, picture.height());
    if width < SMALLER || height < SMALLER {
        let name = &picture.name;
        return Err(format!("{name} of {width} by {height} is too small"));
    }
    let mean = |left: usize, top: usize| {
        let rows = top..top + SMALLER;
        let row = |row: usize| &picture.pixels[row * width + left..][..SMALLER];
        let sum: u32 = rows.flat_map(row).map(|pixel| u32::from(*pixel)).sum();
        (sum / (SMALLER * SMALLER) as u32) as u8
    };
    let tops = (0..=height - SMALLER).step_by(SMALLER);
    let lefts = || (0..=width - SMALLER).step_by(SMALLER);
    Ok(Picture {
        name: picture.name.clone(),
        width: width / SMALLER,
        pixels: tops
            .flat_map(|top| lefts().map(move |left| (left, top)))
            .map(|(left, top)| mean(left, top))
            .collect(),
    })
}

impl Picture {
    /// A picture to begin with: circles around a place.
    pub(crate) fn circles(number: usize) -> Self {
        let (width, height) = (160, 120);
        let place = (20 * number % width, 13 * number % height);
        let shade = |left: usize, top: usize| {
            let (x, y) = (left.abs_diff(place.0), top.abs_diff(place.1));
            ((x * x + y * y) / 8 % 256) as u8
        };
        let pixels = (0..height).flat_map(|top| (0..width).map(move |left| shade(left, top)));
        Self {
            name: format!("circles {number}"),
            width,
            pixels: pixels.collect(),
        }
    }

    pub(crate) fn height(&self) -> usize {
        self.pixels.len() / self.width
    }

    /// Reads a portable graymap, in its binary form.
    pub(crate) fn parse(name: String, file: &[u8]) -> Result<Self, String> {
        let bad = || format!("{name} is no binary PGM with 256 shades");
        let mut rest = file;
        let mut word = || {
            let end = rest.iter().position(u8::is_ascii_whitespace)?;
            let word = std::str::from_utf8(&rest[..end]).ok()?;
            rest = &rest[end + 1..];
            Some(word)
        };
        let (Some("P5"), Some(width), Some(height), Some("255")) = (word(), word(), word(), word())
        else {
            return Err(bad());
        };
        let width: usize = width.parse().map_err(|_| bad())?;
        let height: usize = height.parse().map_err(|_| bad())?;
        match width > 0 && rest.len() == width * height {
            true => Ok(Self {
                name,
                width,
                pixels: rest.to_vec(),
            }),
            false => Err(bad()),
        }
    }

    /// Writes a portable graymap, in its binary form.
    pub(crate) fn to_file(&self) -> Vec<u8> {
        let mut file = format!("P5 {} {} 255\n", self.width, self.height()).into_bytes();
        file.extend_from_slice(&self.pixels);
        file
    }
}
