//! A picture made small. Nothing here knows that it is in a sandbox.

use doorward_examples::Picture;

use crate::worker::Size;

/// The size of the thumbnail, and red, green and blue of its points on white.
pub(crate) fn shrink(picture: &Picture, side: u32) -> (Size, Vec<u8>) {
    let size = Size {
        width: picture.width,
        height: picture.height,
    };
    let small = within(size, side);
    let mut output = Vec::new();
    for y in 0..small.height {
        for x in 0..small.width {
            let (left, right) = part(x, small.width, size.width);
            let (top, bottom) = part(y, small.height, size.height);
            output.extend(mean(&picture.points, size.width, left..right, top..bottom));
        }
    }
    (small, output)
}

/// The size with the same shape whose longer side is `side`, if that is smaller.
fn within(size: Size, side: u32) -> Size {
    let longer = size.width.max(size.height).max(1);
    if longer <= side {
        return size;
    }
    let scaled = |one: u32| {
        let scaled = u64::from(one)
            .saturating_mul(side.into())
            .checked_div(longer.into());
        u32::try_from(scaled.unwrap_or_default())
            .unwrap_or(side)
            .max(1)
    };
    Size {
        width: scaled(size.width),
        height: scaled(size.height),
    }
}

/// Which of `whole` points the one at `place` of `parts` stands for: from, and behind the last.
fn part(place: u32, parts: u32, whole: u32) -> (u32, u32) {
    let at = |place: u32| {
        let at = u64::from(place)
            .saturating_mul(whole.into())
            .checked_div(parts.into());
        u32::try_from(at.unwrap_or_default()).unwrap_or(whole)
    };
    let from = at(place);
    (
        from,
        at(place.saturating_add(1)).max(from.saturating_add(1)),
    )
}

/// The mean of a rectangle of points of red, green, blue and opacity, on white.
fn mean(
    points: &[u8],
    width: u32,
    columns: std::ops::Range<u32>,
    rows: std::ops::Range<u32>,
) -> [u8; 3] {
    let mut sums = [0_u64; 3];
    let mut count = 0_u64;
    for y in rows {
        let index = |x: u32| {
            let point = u64::from(y)
                .saturating_mul(width.into())
                .saturating_add(x.into());
            usize::try_from(point.saturating_mul(4)).unwrap_or(usize::MAX)
        };
        let line = points.get(index(columns.start)..index(columns.end));
        for point in line.unwrap_or_default().chunks_exact(4) {
            let [red, green, blue, opacity] = *point else {
                continue;
            };
            let opacity = u64::from(opacity);
            let white = 255_u64.saturating_sub(opacity).saturating_mul(255);
            for (sum, colour) in sums.iter_mut().zip([red, green, blue]) {
                let shown = u64::from(colour)
                    .saturating_mul(opacity)
                    .saturating_add(white);
                *sum = sum.saturating_add(shown);
            }
            count = count.saturating_add(255);
        }
    }
    sums.map(|sum| u8::try_from(sum.checked_div(count).unwrap_or_default()).unwrap_or(u8::MAX))
}
