//! LOLWUT: computer art, and the version.

use super::framework::arguments::integer;
use super::framework::{CommandError, CommandResult, ReadCtx};
use crate::resp::Args;
use crate::stdx::version;

/// Characters across and down at most: a picture is for a screen.
const COLUMNS_MAX: i64 = 1000;
const SQUARES_MAX: i64 = 200;

/// Dots of one braille character across and down.
const DOTS_ACROSS: usize = 2;
const DOTS_DOWN: usize = 4;

pub(super) fn lolwut(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let versioned = args.get(1).is_some_and(|option| option.eq_ignore_ascii_case(b"VERSION"));
    let (wanted, arguments) = match args.get(2) {
        Some(wanted) if versioned => (integer(wanted)?, args.tail(3)),
        _ => (0, args.tail(1)),
    };
    let mut rng = fastrand::Rng::new();
    let mut text = match wanted {
        5 => {
            let columns = argument(arguments, 0, 66, COLUMNS_MAX)?;
            let across = argument(arguments, 1, 8, SQUARES_MAX)?;
            let down = argument(arguments, 2, 12, SQUARES_MAX)?;
            let picture = schotter(columns, across, down, &mut rng);
            format!("{picture}\nGeorg Nees - schotter, plotter on paper, 1968. ")
        }
        6 => {
            let columns = argument(arguments, 0, 80, COLUMNS_MAX)?;
            let rows = argument(arguments, 1, 20, COLUMNS_MAX)?;
            let picture = skyline(columns, rows, &mut rng);
            format!("{picture}\nA town by night, with nobody awake but the servers. ")
        }
        _ => String::new(),
    };
    text.push_str("Redis ver. ");
    text.push_str(version::REDIS);
    text.push('\n');
    ctx.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

fn argument(args: Args<'_>, index: usize, default: i64, max: i64) -> Result<usize, CommandError> {
    let value = args.get(index).map_or(Ok(default), integer)?;
    Ok(value.clamp(1, max) as usize)
}

/// Rows of squares that are in order at the top and tumble more and more towards the bottom.
fn schotter(columns: usize, across: usize, down: usize, rng: &mut fastrand::Rng) -> String {
    let width = columns * DOTS_ACROSS;
    let padding = if columns > 4 { 2 } else { 0 };
    let side = (width - padding * 2) as f64 / across as f64;
    let height = (side * down as f64) as usize + padding * 2;
    let mut canvas = Canvas::new(width, height.next_multiple_of(DOTS_DOWN));
    for row in 0..down {
        for column in 0..across {
            let disorder = row as f64 / down as f64;
            let mut center_x = (column as f64 + 0.5) * side + padding as f64;
            let mut center_y = (row as f64 + 0.5) * side + padding as f64;
            let turned = (rng.f64() - 0.5) * disorder;
            center_x += (rng.f64() - 0.5) * disorder * side * 0.7;
            center_y += (rng.f64() - 0.5) * disorder * side * 0.7;
            canvas.square(center_x, center_y, side, turned);
        }
    }
    canvas.text()
}

/// Houses in shades of grey before a dark sky, some windows lit.
fn skyline(columns: usize, rows: usize, rng: &mut fastrand::Rng) -> String {
    let mut picture = vec![vec![' '; columns]; rows];
    let mut left = 0;
    while left < columns {
        let width = rng.usize(4..=12).min(columns - left);
        let height = rng.usize(rows / 5..=rows * 4 / 5);
        for (row, line) in picture.iter_mut().enumerate().skip(rows - height) {
            for (column, cell) in line[left..left + width].iter_mut().enumerate() {
                let is_window = row % 2 == 1 && column % 2 == 1 && column + 1 < width;
                *cell = if is_window && rng.f64() < 0.3 { '░' } else { '█' };
            }
        }
        left += width + rng.usize(0..=2);
    }
    picture.into_iter().flat_map(|line| line.into_iter().chain(['\n'])).collect()
}

/// A picture of dots, eight of them in a character.
struct Canvas {
    width: usize,
    height: usize,
    dots: Vec<bool>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        Self { width, height, dots: vec![false; width * height] }
    }

    fn dot(&mut self, x: f64, y: f64) {
        if x >= 0.0 && y >= 0.0 && (x as usize) < self.width && (y as usize) < self.height {
            self.dots[y as usize * self.width + x as usize] = true;
        }
    }

    fn line(&mut self, (from_x, from_y): (f64, f64), (to_x, to_y): (f64, f64)) {
        let steps = (to_x - from_x).abs().max((to_y - from_y).abs()).ceil().max(1.0);
        for step in 0..=steps as usize {
            let share = step as f64 / steps;
            self.dot(from_x + (to_x - from_x) * share, from_y + (to_y - from_y) * share);
        }
    }

    /// A square around a center, turned by an angle in radians.
    fn square(&mut self, center_x: f64, center_y: f64, side: f64, angle: f64) {
        let reach = side / std::f64::consts::SQRT_2 * 0.95;
        let corner = |number: usize| {
            let direction = angle + std::f64::consts::FRAC_PI_4 + number as f64 * std::f64::consts::FRAC_PI_2;
            (center_x + direction.sin() * reach, center_y + direction.cos() * reach)
        };
        for number in 0..4 {
            self.line(corner(number), corner(number + 1));
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for top in (0..self.height).step_by(DOTS_DOWN) {
            for left in (0..self.width).step_by(DOTS_ACROSS) {
                text.push(self.braille(left, top));
            }
            text.push('\n');
        }
        text
    }

    /// The braille patterns of Unicode: dots 1 to 6 run down both columns, 7 and 8 lie below them.
    fn braille(&self, left: usize, top: usize) -> char {
        const BITS: [[u32; DOTS_ACROSS]; DOTS_DOWN] = [[0, 3], [1, 4], [2, 5], [6, 7]];
        let mut pattern = 0x2800;
        for (down, bits) in BITS.iter().enumerate() {
            for (across, bit) in bits.iter().enumerate() {
                let index = (top + down) * self.width + left + across;
                pattern |= u32::from(self.dots.get(index).copied().unwrap_or(false)) << bit;
            }
        }
        char::from_u32(pattern).unwrap_or(' ')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_of_any_size_are_as_wide_as_asked() {
        let mut rng = fastrand::Rng::with_seed(7);
        for (columns, across, down) in [(1, 1, 1), (66, 8, 12), (5, 200, 3), (1000, 1, 1)] {
            let picture = schotter(columns, across, down, &mut rng);
            assert!(picture.lines().all(|line| line.chars().count() == columns));
            assert!(picture.chars().any(|char| char != '\n' && char != '\u{2800}'));
        }
        for (columns, rows) in [(1, 1), (80, 20), (3, 1000)] {
            let picture = skyline(columns, rows, &mut rng);
            assert!(picture.lines().count() == rows && picture.lines().all(|line| line.chars().count() == columns));
        }
    }
}
