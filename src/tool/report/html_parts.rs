//! The parts that a page is put together from: escaped text, charts as lists, tables. Text keeps its size whatever the
//! width of the page.

use std::fmt::Write as _;

use crate::tool::plain_text::is_deceptive;

/// A bar of a chart.
pub struct Bar {
    pub label: String,
    pub amount: u64,
    /// What is said of the bar.
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
            '\t' | '\n' => out.push(character),
            // Keys that hold such characters are shown with escapes; other text has none of them.
            _ if is_deceptive(character) => out.push('\u{fffd}'),
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
pub fn bars(what: &str, rows: &[Bar]) -> String {
    if rows.is_empty() {
        return "<p>None.</p>\n".to_owned();
    }
    let most = rows.iter().map(|row| row.amount).max().unwrap_or(0).max(1);
    let mut out = format!("<ul class=\"bars\" role=\"list\" aria-label=\"{}\">\n", escape(what));
    for row in rows {
        let _ = writeln!(
            out,
            "<li><span class=\"label\">{}</span><span class=\"track\"><i class=\"{}\" style=\"width:{:.2}%{}\"></i></span>\
             <span class=\"figures\">{}</span></li>",
            escape(&row.label),
            row.class,
            row.amount as f64 / most as f64 * 100.0,
            // However short a bar is, it can be seen that there is one.
            if row.amount > 0 { ";min-width:2px" } else { "" },
            escape(&row.figures),
        );
    }
    out.push_str("</ul>\n");
    out
}

/// One bar of all amounts, and what its colours mean.
pub fn shares(rows: &[Bar]) -> String {
    let all = rows.iter().map(|row| row.amount).sum::<u64>().max(1);
    let share = |row: &Bar| row.amount as f64 / all as f64 * 100.0;
    let mut out = "<div class=\"shares\" aria-hidden=\"true\">".to_owned();
    for row in rows {
        let _ = write!(out, "<i class=\"{}\" style=\"width:{:.3}%\"></i>", row.class, share(row));
    }
    out.push_str("</div>\n<ul class=\"legend\" role=\"list\">\n");
    for row in rows {
        let (class, label, figures) = (row.class, escape(&row.label), escape(&row.figures));
        let _ = writeln!(out, "<li><i class=\"{class}\"></i>{label} {:.1} % ({figures})</li>", share(row));
    }
    out.push_str("</ul>\n");
    out
}

/// A table; the first `texts` columns hold text, the others numbers. Each row is named by its first cell.
pub fn table(what: &str, headings: &[&str], texts: usize, rows: &[Vec<String>]) -> String {
    let class = |column: usize| if column < texts { "" } else { " class=\"number\"" };
    let mut out = format!(
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{}\"><table>\n<thead><tr>",
        escape(what)
    );
    for (column, heading) in headings.iter().enumerate() {
        let _ = write!(out, "<th scope=\"col\"{}>{}</th>", class(column), escape(heading));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let text = escape(cell);
            let _ = match column {
                0 => write!(out, "<th scope=\"row\">{text}</th>"),
                _ => write!(out, "<td{}>{text}</td>", class(column)),
            };
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    out
}

/// A large figure, with its name beneath.
pub fn tile(figure: &str, name: &str) -> String {
    format!("<div class=\"tile\"><b>{}</b><span>{}</span></div>\n", escape(figure), escape(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_the_file_becomes_markup() {
        assert_eq!(
            escape("<script a='b'>&\"\u{0}\u{85}\u{202e}"),
            "&lt;script a=&#39;b&#39;&gt;&amp;&quot;\u{fffd}\u{fffd}\u{fffd}"
        );
        let bar = Bar { label: "</span><b>".to_owned(), amount: 0, figures: "<i>".to_owned(), class: "key" };
        let row = vec!["</th><b>".to_owned(), "<i>".to_owned()];
        for part in [bars("<b>", std::slice::from_ref(&bar)), shares(&[bar]), table("<b>", &["<b>"], 1, &[row])] {
            assert!(!part.contains("<b>") && !part.contains("<i>"), "{part}");
        }
    }
}
