//! Looking for the points of an area: which ranges of numbers hold them all, and which points are within.

use std::ops::Range;

use smallvec::SmallVec;

use super::cell::{Cell, STEP_MAX, Span};
use super::point::{EARTH_RADIUS_M, LATITUDES, LONGITUDES, Point, degrees, radians};

/// Half of the equator on the map, from which the size of cells is estimated.
const HALF_EQUATOR_M: f64 = 20_037_726.37;

/// What lies around a centre.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Area {
    Circle {
        radius_m: f64,
    },
    /// Its sides run along meridians and circles of latitude.
    Rectangle {
        width_m: f64,
        height_m: f64,
    },
}

/// An area on the earth.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Search {
    pub centre: Point,
    pub area: Area,
}

/// Degrees that an area lies between. Longitudes go on beyond the 180th meridian.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    longitudes: Span,
    latitudes: Span,
}

impl Search {
    /// The distance of a point of the area from its centre.
    pub fn distance_within(self, point: Point) -> Option<f64> {
        match self.area {
            Area::Circle { radius_m } => Some(self.centre.distance(point)).filter(|&distance| distance <= radius_m),
            Area::Rectangle { width_m, height_m } => {
                let beside = Point { longitude: self.centre.longitude, ..point };
                let is_within = self.centre.distance_of_latitudes(point) <= height_m / 2.0
                    && point.distance(beside) <= width_m / 2.0;
                is_within.then(|| self.centre.distance(point))
            }
        }
    }

    /// Ranges of numbers that no two of have one in common, and that hold the numbers of all points of the area: first
    /// that of the centre's cell, then those of its neighbours, beginning with the north.
    pub fn ranges(self) -> impl Iterator<Item = Range<u64>> {
        self.cells().into_iter().map(Cell::range)
    }

    /// The cell of the centre and those of its eight neighbours that the area reaches into, on the finest grid where
    /// these are enough.
    fn cells(self) -> SmallVec<[Cell; 12]> {
        let bounds = self.bounds();
        let centre = self.fitting_cell(&bounds);
        let own = bounds_of(centre);
        // On the coarsest grid a neighbour on one side is that on the other side too.
        let reaches = |own: Span, area: Span, by: i32| match by {
            _ if centre.step < 2 => true,
            -1 => area.min <= own.min,
            1 => area.max >= own.max,
            _ => true,
        };
        let mut cells = SmallVec::new();
        for (columns, rows) in [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)] {
            let cell = centre.moved(columns, rows);
            let is_reached =
                reaches(own.longitudes, bounds.longitudes, columns) && reaches(own.latitudes, bounds.latitudes, rows);
            if is_reached && !cells.contains(&cell) {
                cells.push(cell);
            }
        }
        push_last_lines(&mut cells);
        cells
    }

    /// The centre's cell on the finest grid whose cells are large enough.
    fn fitting_cell(self, bounds: &Bounds) -> Cell {
        let mut step = self.estimated_step();
        if step > 1 && has_near_neighbour(self.inner_cell(step), bounds) {
            step -= 1;
        }
        while step > 1 && !reaches_around(self.inner_cell(step), bounds) {
            step -= 1;
        }
        self.inner_cell(step)
    }

    /// The centre's cell, or for a centre on the last meridian or parallel the one that ends there.
    fn inner_cell(self, step: u32) -> Cell {
        let cell = self.centre.cell(step);
        let last = (1 << step) - 1;
        Cell { column: cell.column.min(last), row: cell.row.min(last), ..cell }
    }

    /// The step at which cells are two to four times as wide as the distance to the area's farthest point; the map
    /// stretches towards the poles, and cells there are less wide than they look.
    fn estimated_step(self) -> u32 {
        let mut reach_m = match self.area {
            Area::Circle { radius_m } => radius_m,
            Area::Rectangle { width_m, height_m } => (width_m / 2.0).hypot(height_m / 2.0),
        };
        if reach_m == 0.0 {
            return STEP_MAX;
        }
        let mut step = -1;
        while reach_m < HALF_EQUATOR_M {
            reach_m *= 2.0;
            step += 1;
        }
        let latitude = self.centre.latitude.abs();
        step -= i32::from(latitude > 66.0) + i32::from(latitude > 80.0);
        step.clamp(1, STEP_MAX as i32) as u32
    }

    fn bounds(self) -> Bounds {
        let (width_m, height_m) = match self.area {
            Area::Circle { radius_m } => (radius_m, radius_m),
            Area::Rectangle { width_m, height_m } => (width_m / 2.0, height_m / 2.0),
        };
        let Point { longitude, latitude } = self.centre;
        let up = degrees(height_m / EARTH_RADIUS_M);
        let aside = self.reach_in_longitude(width_m / EARTH_RADIUS_M, latitude.abs() + up);
        Bounds {
            longitudes: Span::new(longitude - aside, longitude + aside),
            latitudes: Span::new(latitude - up, latitude + up),
        }
    }

    /// How far to the east and the west an area reaches, in degrees, that is `angle` wide on either side, and whose
    /// point farthest from the equator is at `outermost` degrees.
    fn reach_in_longitude(self, angle: f64, outermost: f64) -> f64 {
        // All meridians meet at a pole.
        if outermost >= 90.0 {
            return f64::INFINITY;
        }
        let outermost = radians(outermost).cos();
        let sine = match self.area {
            Area::Circle { .. } => angle.sin() / radians(self.centre.latitude).cos(),
            Area::Rectangle { .. } if angle >= std::f64::consts::PI => return f64::INFINITY,
            Area::Rectangle { .. } => (angle / 2.0).sin() / outermost,
        };
        if sine >= 1.0 {
            return f64::INFINITY;
        }
        let exact = match self.area {
            Area::Circle { .. } => sine.asin(),
            Area::Rectangle { .. } => 2.0 * sine.asin(),
        };
        // The arc at the outermost latitude is the usual estimate; it decides on the grid where it is the longer one.
        degrees(exact.max(angle / outermost))
    }
}

/// Appends the cells of the last meridian and the last parallel beside the cells that end there.
fn push_last_lines(cells: &mut SmallVec<[Cell; 12]>) {
    for index in 0..cells.len() {
        let cell = cells[index];
        let end = 1 << cell.step;
        let (at_east, at_north) = (cell.column == end - 1, cell.row == end - 1);
        if at_east {
            cells.push(Cell { column: end, ..cell });
        }
        if at_north {
            cells.push(Cell { row: end, ..cell });
        }
        if at_east && at_north {
            cells.push(Cell { column: end, row: end, ..cell });
        }
    }
}

fn bounds_of(cell: Cell) -> Bounds {
    Bounds { longitudes: LONGITUDES.part(cell.column, cell.step), latitudes: LATITUDES.part(cell.row, cell.step) }
}

/// Whether a neighbour ends within the area, or is the one around the earth. The next coarser grid is taken then.
fn has_near_neighbour(cell: Cell, area: &Bounds) -> bool {
    bounds_of(cell.moved(0, 1)).latitudes.max < area.latitudes.max
        || bounds_of(cell.moved(0, -1)).latitudes.min > area.latitudes.min
        || bounds_of(cell.moved(1, 0)).longitudes.max < area.longitudes.max
        || bounds_of(cell.moved(-1, 0)).longitudes.min > area.longitudes.min
}

/// Whether the cell and its neighbours hold the whole area, as far as it is on the map.
fn reaches_around(cell: Cell, area: &Bounds) -> bool {
    let own = bounds_of(cell);
    let holds = |own: Span, area: Span| own.min - own.width() <= area.min && area.max <= own.max + own.width();
    let on_map = Span::new(area.latitudes.min.max(LATITUDES.min), area.latitudes.max.min(LATITUDES.max));
    holds(own.longitudes, area.longitudes) && holds(own.latitudes, on_map)
}
