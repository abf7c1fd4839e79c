//! A drawing of memory over time, one line a server, as SVG that can be read on a light and on a dark page.

use std::fmt::Write as _;
use std::path::Path;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 400.0;

/// Where the drawing itself is: left, top, right, bottom.
const FRAME: [f64; 4] = [70.0, 100.0, 730.0, 342.0];

/// Lines across the drawing at most.
const TICKS_MAX: f64 = 7.0;

/// Colours on a light and on a dark page, and how lines are broken, so that colours alone tell nothing apart.
const STYLES: [(&str, &str, &str); 4] = [
    ("#0b62c4", "#6cb0ff", "none"),
    ("#c02a2a", "#ff8f86", "7 4"),
    ("#1a7f37", "#6fdd8b", "2 3"),
    ("#7a3fc0", "#c9a2ff", "9 3 2 3"),
];

/// What one server took.
pub struct Curve {
    pub name: String,
    /// Seconds since the snapshot began, and megabytes.
    pub points: Vec<(f64, f64)>,
    /// When the snapshot had ended.
    pub end: f64,
}

/// Draws the curves into a file.
pub fn write(path: &Path, title: &str, note: &str, curves: &[Curve]) {
    let all = || curves.iter().flat_map(|curve| &curve.points);
    let (first, last) = all().fold((0.0_f64, 1.0_f64), |(first, last), (x, _)| (first.min(*x), last.max(*x)));
    let most = all().fold(1.0_f64, |most, (_, y)| most.max(*y));
    let step = step_for(most);
    let top = (most / step).ceil() * step;
    let [left, high, right, low] = FRAME;
    let x_of = |x: f64| left + (x - first) / (last - first) * (right - left);
    let y_of = |y: f64| low - y.clamp(0.0, top) / top * (low - high);

    let mut out = head(title, note);
    let mut put = |line: std::fmt::Arguments<'_>| writeln!(out, "{line}").expect("a string takes text");
    for value in ticks(0.0, top, step) {
        let y = y_of(value);
        put(format_args!(r#"<line class="grid" x1="{left}" x2="{right}" y1="{y:.1}" y2="{y:.1}"/>"#));
        put(format_args!(r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{value}</text>"#, left - 8.0, y + 4.0));
    }
    for value in ticks(first, last, step_for(last - first)) {
        let x = x_of(value);
        put(format_args!(r#"<line class="grid" x1="{x:.1}" x2="{x:.1}" y1="{low}" y2="{:.1}"/>"#, low + 5.0));
        put(format_args!(r#"<text x="{x:.1}" y="{:.1}" text-anchor="middle">{value}</text>"#, low + 20.0));
    }
    put(format_args!(r#"<text x="{right}" y="{:.1}" text-anchor="end">seconds since BGSAVE</text>"#, low + 40.0));
    put(format_args!(r#"<text x="14" y="{:.1}">MB</text>"#, high - 14.0));
    for (at, curve) in curves.iter().enumerate() {
        let line: String =
            curve.points.iter().map(|(x, y)| format!("{:.1},{:.1} ", x_of(*x), y_of(*y))).collect::<String>();
        let style = at % STYLES.len();
        put(format_args!(r#"<polyline class="curve c{style}" points="{}"/>"#, line.trim_end()));
        let peak = curve
            .points
            .iter()
            .fold((0.0, 0.0), |peak: (f64, f64), point| if point.1 > peak.1 { *point } else { peak });
        put(format_args!(
            r#"<circle class="dot c{style}" cx="{:.1}" cy="{:.1}" r="3.5"/>"#,
            x_of(peak.0),
            y_of(peak.1)
        ));
        // Two of them in a line.
        let x = left + 10.0 + 330.0 * (at % 2) as f64;
        let y = high - 38.0 + 18.0 * (at / 2) as f64;
        put(format_args!(r#"<line class="curve c{style}" x1="{x}" x2="{}" y1="{y}" y2="{y}"/>"#, x + 28.0));
        let text = format!("{}: at most {:.0} MB, {:.1} s", curve.name, peak.1, curve.end);
        put(format_args!(r#"<text x="{}" y="{}">{text}</text>"#, x + 34.0, y + 4.0));
    }
    out.push_str("</svg>\n");
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).expect("a folder for the drawing");
    }
    std::fs::write(path, out).expect("the drawing can be written");
}

fn head(title: &str, note: &str) -> String {
    let colours = |pick: fn(&(&'static str, &'static str, &'static str)) -> &'static str| {
        let rules = STYLES.iter().enumerate().map(|(at, style)| format!(".c{at} {{ --c: {} }} ", pick(style)));
        rules.collect::<String>()
    };
    let dashes: String =
        STYLES.iter().enumerate().map(|(at, (_, _, dash))| format!(".c{at} {{ stroke-dasharray: {dash} }} ")).collect();
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
.curve {{ fill: none; stroke: var(--c); stroke-width: 2.5 }}
.dot {{ fill: var(--c) }}
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
