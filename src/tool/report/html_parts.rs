//! The parts that a page is put together from: escaped text, charts as inline SVG, tables.

use std::fmt::Write as _;

/// How much room a chart has, in units of its own, which the page scales to its width.
#[derive(Clone, Copy)]
pub struct Room {
    width: f64,
    label_width: f64,
    /// About as many characters as a label has room for.
    label_characters_max: usize,
}

/// All of the page's width, or half of it with letters of about the same size.
pub const WHOLE: Room = Room { width: 960.0, label_width: 270.0, label_characters_max: 36 };
pub const HALF: Room = Room { width: 480.0, label_width: 135.0, label_characters_max: 20 };

const ROW_HEIGHT: f64 = 26.0;
const BAR_HEIGHT: f64 = 16.0;
/// What is kept free for the figures behind a bar.
const FIGURES_WIDTH: f64 = 170.0;
const COLUMNS_HEIGHT: f64 = 150.0;

/// A bar of a chart.
pub struct Bar {
    pub label: String,
    pub amount: u64,
    /// What stands behind the bar.
    pub figures: String,
    /// One of the page's colours.
    pub class: &'static str,
}

pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Neither is a character of HTML, nor of any key that is shown as text.
            '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
    out
}

/// A section with a heading.
pub fn section(title: &str, body: &str) -> String {
    format!("<section>\n<h2>{}</h2>\n{body}</section>\n", escape(title))
}

/// Bars beneath one another, as long as their amounts.
pub fn bars(what: &str, rows: &[Bar], room: Room) -> String {
    let most = rows.iter().map(|row| row.amount).max().unwrap_or(0).max(1);
    let (label_width, longest) = (room.label_width, room.width - room.label_width - FIGURES_WIDTH);
    let mut out = open_chart(what, room.width, rows.len() as f64 * ROW_HEIGHT);
    for (number, row) in rows.iter().enumerate() {
        let top = number as f64 * ROW_HEIGHT;
        let middle = top + ROW_HEIGHT / 2.0;
        let length = (row.amount as f64 / most as f64 * longest).max(if row.amount > 0 { 2.0 } else { 0.0 });
        let (label, figures) = (escape(&cut(&row.label, room.label_characters_max)), escape(&row.figures));
        let title = escape(&format!("{}: {}", row.label, row.figures));
        let _ = writeln!(
            out,
            "<g><title>{title}</title>\
             <text class=\"label\" x=\"{:.0}\" y=\"{middle:.0}\">{label}</text>\
             <rect class=\"{}\" x=\"{label_width:.0}\" y=\"{:.0}\" width=\"{length:.1}\" height=\"{BAR_HEIGHT:.0}\" rx=\"3\"/>\
             <text class=\"figures\" x=\"{:.1}\" y=\"{middle:.0}\">{figures}</text></g>",
            label_width - 10.0,
            row.class,
            middle - BAR_HEIGHT / 2.0,
            label_width + length + 8.0,
        );
    }
    out.push_str("</svg>\n");
    out
}

/// Columns beside one another, for a distribution.
pub fn columns(what: &str, rows: &[Bar], room: Room) -> String {
    const BELOW: f64 = 46.0;
    let most = rows.iter().map(|row| row.amount).max().unwrap_or(0).max(1);
    let step = (room.width / rows.len().max(1) as f64).min(60.0);
    let mut out = open_chart(what, room.width, COLUMNS_HEIGHT + BELOW);
    for (number, row) in rows.iter().enumerate() {
        let left = number as f64 * step;
        let height = (row.amount as f64 / most as f64 * COLUMNS_HEIGHT).max(if row.amount > 0 { 2.0 } else { 0.0 });
        let title = escape(&format!("{}: {}", row.label, row.figures));
        let label = row.label.split(" to ").next().unwrap_or_default();
        let (x, y) = (left + step / 2.0, COLUMNS_HEIGHT + 14.0);
        let _ = writeln!(
            out,
            "<g><title>{title}</title>\
             <rect class=\"{}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\" rx=\"3\"/>\
             <text class=\"tick\" x=\"{x:.1}\" y=\"{y:.0}\" transform=\"rotate(-35 {x:.1} {y:.0})\">{}</text></g>",
            row.class,
            left + step * 0.1,
            COLUMNS_HEIGHT - height,
            step * 0.8,
            escape(label),
        );
    }
    let _ = writeln!(
        out,
        "<line class=\"axis\" x1=\"0\" x2=\"{:.0}\" y1=\"{COLUMNS_HEIGHT:.0}\" y2=\"{COLUMNS_HEIGHT:.0}\"/>",
        step * rows.len() as f64
    );
    out.push_str("</svg>\n");
    out
}

/// One bar of all amounts, and what its colours mean.
pub fn shares(what: &str, rows: &[Bar], room: Room) -> String {
    let all = rows.iter().map(|row| row.amount).sum::<u64>().max(1);
    let mut out = open_chart(what, room.width, 28.0);
    let mut left = 0.0;
    for row in rows {
        let length = row.amount as f64 / all as f64 * room.width;
        let title = escape(&format!("{}: {}", row.label, row.figures));
        let _ = writeln!(
            out,
            "<rect class=\"{}\" x=\"{left:.1}\" y=\"0\" width=\"{length:.1}\" height=\"28\"><title>{title}</title></rect>",
            row.class
        );
        left += length;
    }
    out.push_str("</svg>\n<ul class=\"legend\">\n");
    for row in rows {
        let share = row.amount as f64 / all as f64 * 100.0;
        let _ = writeln!(
            out,
            "<li><svg viewBox=\"0 0 10 10\" aria-hidden=\"true\"><rect class=\"{}\" width=\"10\" height=\"10\" rx=\"2\"/></svg>\
             {} {share:.1} %</li>",
            row.class,
            escape(&row.label)
        );
    }
    out.push_str("</ul>\n");
    out
}

/// A table; the first `texts` columns hold text, the others numbers.
pub fn table(headings: &[&str], texts: usize, rows: &[Vec<String>]) -> String {
    let class = |column: usize| if column < texts { "" } else { " class=\"number\"" };
    let mut out = "<div class=\"wide\"><table>\n<thead><tr>".to_owned();
    for (column, heading) in headings.iter().enumerate() {
        let _ = write!(out, "<th{}>{}</th>", class(column), escape(heading));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let _ = write!(out, "<td{}>{}</td>", class(column), escape(cell));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    out
}

/// A figure that stands out, with its name beneath.
pub fn tile(figure: &str, name: &str) -> String {
    format!("<div class=\"tile\"><b>{}</b><span>{}</span></div>\n", escape(figure), escape(name))
}

fn open_chart(what: &str, width: f64, height: f64) -> String {
    format!(
        "<svg class=\"chart\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"{}\">\n",
        escape(what)
    )
}

fn cut(label: &str, characters_max: usize) -> String {
    match label.char_indices().nth(characters_max) {
        Some((end, _)) => format!("{}\u{2026}", &label[..end]),
        None => label.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_the_file_becomes_markup() {
        assert_eq!(escape("<script a='b'>&\"\u{0}\u{85}"), "&lt;script a=&#39;b&#39;&gt;&amp;&quot;\u{fffd}\u{fffd}");
        let bar = Bar { label: "</title><b>".to_owned(), amount: 0, figures: "<i>".to_owned(), class: "key" };
        for chart in [
            bars("x", std::slice::from_ref(&bar), HALF),
            columns("x", std::slice::from_ref(&bar), HALF),
            shares("x", &[bar], WHOLE),
        ] {
            assert!(!chart.contains("<b>") && !chart.contains("<i>"), "{chart}");
        }
    }
}
