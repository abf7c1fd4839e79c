//! The flame graph of prefixes: nested lists whose items are as wide as their memory. A screen reader reads them as lists;
//! each item can be reached with the keyboard, and shows its figures when it is.

use std::fmt::Write as _;

use super::html_parts::escape;
use super::text::{count, shown, size};
use super::tree::{Node, Tree};

/// Levels that are drawn.
const LEVELS_MAX: usize = 8;

/// What is narrower is drawn together with its like: a part of the whole.
const SHARE_MIN: f64 = 0.004;

/// Colours that neighbours and levels take in turn.
const COLOURS: usize = 6;

pub fn flame(tree: &Tree) -> String {
    let root = &tree.root;
    if root.amount() == 0 {
        return "<p>No keys.</p>\n".to_owned();
    }
    let all = root.amount() as f64;
    let mut out = String::from(
        "<p class=\"hint\">Each block is a prefix, as wide as its keys' memory; what continues it is below. Point at a block, \
         or move to it with Tab, for its figures.</p>\n<div class=\"flame\">\n<ul role=\"list\">",
    );
    item(&mut out, "all keys", "all keys", root, 1.0, 0);
    children(&mut out, root, "", all, 1);
    out.push_str("</li></ul>\n</div>\n");
    out
}

/// Begins the item of a node; what continues it and the end are the caller's.
fn item(out: &mut String, label: &str, prefix: &str, node: &Node, of_parent: f64, colour: usize) {
    let figures = figures(prefix, node);
    block(out, label, &figures, of_parent, &format!("f{}", colour % COLOURS));
}

fn block(out: &mut String, label: &str, figures: &str, of_parent: f64, class: &str) {
    let _ = write!(
        out,
        "<li style=\"width:{:.3}%\"><span class=\"{class}\" tabindex=\"0\"><b aria-hidden=\"true\">{}</b><small>{}</small></span>",
        of_parent * 100.0,
        escape(label),
        escape(figures),
    );
}

fn figures(prefix: &str, node: &Node) -> String {
    let totals = &node.totals;
    let keys = if totals.keys == 1 { "key" } else { "keys" };
    format!(
        "{prefix}: {} of memory, {} {keys}, {} in the file",
        size(totals.memory),
        count(totals.keys),
        size(totals.bytes)
    )
}

fn children(out: &mut String, node: &Node, prefix: &str, all: f64, level: usize) {
    if level > LEVELS_MAX {
        return;
    }
    let largest = node.largest();
    let drawn = largest.iter().take_while(|(_, child)| child.amount() as f64 / all >= SHARE_MIN).count();
    let small: u64 = largest.iter().skip(drawn).map(|(_, child)| child.amount()).sum();
    let small_is_drawn = small as f64 / all >= SHARE_MIN;
    if drawn == 0 && !small_is_drawn {
        return;
    }
    let own = node.amount().max(1) as f64;
    out.push_str("<ul role=\"list\">");
    for (number, (part, child)) in largest.iter().take(drawn).enumerate() {
        let label = shown(part);
        let whole = format!("{prefix}{label}");
        item(out, &label, &format!("{whole}*"), child, child.amount() as f64 / own, level + number);
        children(out, child, &whole, all, level + 1);
        out.push_str("</li>");
    }
    if small_is_drawn {
        let number = count((largest.len() - drawn) as u64);
        let figures = format!("{prefix}: {number} or more smaller prefixes, {} of memory", size(small));
        block(out, &format!("{number}+ more"), figures.trim_start_matches(": "), small as f64 / own, "rest");
        out.push_str("</li>");
    }
    out.push_str("</ul>");
}
