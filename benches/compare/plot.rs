//! A drawing of what one snapshot costs: the pauses of fork as bars, and memory over time, one line a server. It is SVG that
//! can be read on a light and on a dark page.

use std::fmt::Write as _;
use std::path::Path;

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 400.0;

/// The left half: where names begin, where bars begin, how long the longest is, and where rows begin.
const NAMES_LEFT: f64 = 14.0;
const BARS_LEFT: f64 = 100.0;
const BAR_LENGTH: f64 = 150.0;
const ROWS_TOP: f64 = 122.0;
const ROW_HEIGHT: f64 = 24.0;

/// The right half, without what is written around it: left, top, right, bottom.
const FRAME: [f64; 4] = [390.0, 140.0, 780.0, 342.0];

/// Lines across the drawing at most.
const TICKS_MAX: f64 = 7.0;

/// Colours on a light and on a dark page, and how lines are broken, so that colours alone tell nothing apart.
const STYLES: [(&str, &str, &str); 4] = [
    ("#0b62c4", "#6cb0ff", "none"),
    ("#c02a2a", "#ff8f86", "7 4"),
    ("#1a7f37", "#6fdd8b", "2 3"),
    ("#7a3fc0", "#c9a2ff", "9 3 2 3"),
];

/// What a snapshot took of one server.
#[derive(Clone)]
pub struct Taken {
    pub name: String,
    /// Milliseconds that its fork, and that of the next one, held the server up.
    pub forks: [f64; 2],
    /// Seconds since it began, and megabytes.
    pub points: Vec<(f64, f64)>,
    /// When it had ended.
    pub end: f64,
}

impl Taken {
    /// When it took the most, and how much that was.
    pub fn peak(&self) -> (f64, f64) {
        self.points.iter().fold((0.0, 0.0), |peak: (f64, f64), point| if point.1 > peak.1 { *point } else { peak })
    }
}

/// Draws it into a file.
pub fn write(path: &Path, title: &str, note: &str, servers: &[Taken]) {
    let mut out = head(title, note);
    draw_forks(&mut out, servers);
    draw_memory(&mut out, servers);
    out.push_str("</svg>\n");
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).expect("a folder for the drawing");
    }
    std::fs::write(path, out).expect("the drawing can be written");
}

fn put(out: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(out, "{line}").expect("a string takes text");
}

fn draw_forks(out: &mut String, servers: &[Taken]) {
    let longest = servers.iter().flat_map(|server| server.forks).fold(0.1, f64::max);
    put(out, format_args!(r#"<text class="half" x="{NAMES_LEFT}" y="78">Pause of fork, in milliseconds</text>"#));
    let mut y = ROWS_TOP;
    for (at, what) in ["of this snapshot", "of the next one, two seconds later"].into_iter().enumerate() {
        put(out, format_args!(r#"<text x="{NAMES_LEFT}" y="{:.1}">{what}</text>"#, y - 8.0));
        for (number, server) in servers.iter().enumerate() {
            let style = number % STYLES.len();
            let length = (server.forks[at] / longest * BAR_LENGTH).max(1.0);
            let middle = y + ROW_HEIGHT / 2.0;
            put(out, format_args!(r#"<text x="{NAMES_LEFT}" y="{:.1}">{}</text>"#, middle + 4.0, server.name));
            put(
                out,
                format_args!(
                    r#"<rect class="bar c{style}" x="{BARS_LEFT}" y="{:.1}" width="{length:.1}" height="{:.1}"/>"#,
                    y + 4.0,
                    ROW_HEIGHT - 8.0
                ),
            );
            let value = server.forks[at];
            put(
                out,
                format_args!(r#"<text x="{:.1}" y="{:.1}">{value:.1}</text>"#, BARS_LEFT + length + 6.0, middle + 4.0),
            );
            y += ROW_HEIGHT;
        }
        y += 2.0 * ROW_HEIGHT;
    }
}

fn draw_memory(out: &mut String, servers: &[Taken]) {
    let all = || servers.iter().flat_map(|server| &server.points);
    let (first, last) = all().fold((0.0_f64, 1.0_f64), |(first, last), (x, _)| (first.min(*x), last.max(*x)));
    let most = all().fold(1.0_f64, |most, (_, y)| most.max(*y));
    let step = step_for(most);
    let top = (most / step).ceil() * step;
    let [left, high, right, low] = FRAME;
    let x_of = |x: f64| left + (x - first) / (last - first) * (right - left);
    let y_of = |y: f64| low - y.clamp(0.0, top) / top * (low - high);

    let half = left - 40.0;
    put(out, format_args!(r#"<text class="half" x="{half}" y="78">Memory beyond the data, in megabytes</text>"#));
    for value in ticks(0.0, top, step) {
        let y = y_of(value);
        put(out, format_args!(r#"<line class="grid" x1="{left}" x2="{right}" y1="{y:.1}" y2="{y:.1}"/>"#));
        put(out, format_args!(r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{value}</text>"#, left - 8.0, y + 4.0));
    }
    for value in ticks(first, last, step_for(last - first)) {
        let x = x_of(value);
        put(out, format_args!(r#"<line class="grid" x1="{x:.1}" x2="{x:.1}" y1="{low}" y2="{:.1}"/>"#, low + 5.0));
        put(out, format_args!(r#"<text x="{x:.1}" y="{:.1}" text-anchor="middle">{value}</text>"#, low + 20.0));
    }
    put(out, format_args!(r#"<text x="{right}" y="{:.1}" text-anchor="end">seconds since BGSAVE</text>"#, low + 40.0));
    for (at, server) in servers.iter().enumerate() {
        let line: String =
            server.points.iter().map(|(x, y)| format!("{:.1},{:.1} ", x_of(*x), y_of(*y))).collect::<String>();
        let (style, peak) = (at % STYLES.len(), server.peak());
        put(out, format_args!(r#"<polyline class="curve c{style}" points="{}"/>"#, line.trim_end()));
        let (x, y) = (x_of(peak.0), y_of(peak.1));
        put(out, format_args!(r#"<circle class="dot c{style}" cx="{x:.1}" cy="{y:.1}" r="3.5"/>"#));
        let x = half;
        let y = 96.0 + 16.0 * at as f64;
        put(out, format_args!(r#"<line class="curve c{style}" x1="{x}" x2="{}" y1="{y}" y2="{y}"/>"#, x + 24.0));
        let text = format!("{}: {:.0} at most, saved in {:.1} s", server.name, peak.1, server.end);
        put(out, format_args!(r#"<text x="{}" y="{}">{text}</text>"#, x + 30.0, y + 4.0));
    }
}

fn head(title: &str, note: &str) -> String {
    let colours = |pick: fn(&(&'static str, &'static str, &'static str)) -> &'static str| {
        let rules = STYLES.iter().enumerate().map(|(at, style)| format!(".c{at} {{ --c: {} }} ", pick(style)));
        rules.collect::<String>()
    };
    let dashes: String = STYLES
        .iter()
        .enumerate()
        .map(|(at, (_, _, dash))| format!(".curve.c{at} {{ stroke-dasharray: {dash} }} "))
        .collect();
    let (light, dark) = (colours(|style| style.0), colours(|style| style.1));
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img">
<title>{title}</title>
<style>
svg {{ --page: #ffffff; --ink: #1f2328; --grid: #d0d7de; font: 13px sans-serif }}
{light}
@media (prefers-color-scheme: dark) {{
svg {{ --page: #0d1117; --ink: #e6edf3; --grid: #3d444d }}
{dark}
}}
.page {{ fill: var(--page) }}
text {{ fill: var(--ink) }}
.title {{ font-size: 16px; font-weight: bold }}
.grid {{ stroke: var(--grid) }}
.half {{ font-weight: bold }}
.curve {{ fill: none; stroke: var(--c); stroke-width: 2.5 }}
.dot, .bar {{ fill: var(--c) }}
{dashes}
</style>
<rect class="page" width="{WIDTH}" height="{HEIGHT}"/>
<text class="title" x="14" y="24">{title}</text>
<text x="14" y="43">{note}</text>
"##
    )
}

/// A step of 1, 2 or 5 times a power of ten.
fn step_for(range: f64) -> f64 {
    let power = 10f64.powf((range / TICKS_MAX).log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|times| times * power).into_iter().find(|step| range / step <= TICKS_MAX).unwrap_or(range)
}

fn ticks(from: f64, to: f64, step: f64) -> impl Iterator<Item = f64> {
    let first = (from / step).ceil() as i64;
    (first..).map(move |at| at as f64 * step).take_while(move |value| *value <= to + step / 1000.0)
}
