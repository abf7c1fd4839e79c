//! JSON, as it is written: members in order, commas where they belong.

use std::fmt::Write as _;

#[derive(Default)]
pub struct Json {
    out: String,
    has_member: bool,
}

impl Json {
    /// A document that is one object.
    pub fn document(write: impl FnOnce(&mut Self)) -> String {
        let mut json = Self::default();
        json.wrap('{', '}', write);
        json.out.push('\n');
        json.out
    }

    pub fn object(&mut self, name: &str, write: impl FnOnce(&mut Self)) {
        self.name(name);
        self.wrap('{', '}', write);
    }

    pub fn array<T>(&mut self, name: &str, items: impl IntoIterator<Item = T>, write: impl Fn(&mut Self, T)) {
        self.name(name);
        self.wrap('[', ']', |json| {
            for item in items {
                json.comma();
                json.wrap('{', '}', |json| write(json, item));
            }
        });
    }

    pub fn numbers(&mut self, name: &str, numbers: impl IntoIterator<Item = f64>) {
        self.name(name);
        self.wrap('[', ']', |json| {
            for number in numbers {
                json.comma();
                json.push_number(number);
            }
        });
    }

    pub fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        self.push_text(text);
    }

    pub fn number(&mut self, name: &str, number: f64) {
        self.name(name);
        self.push_number(number);
    }

    pub fn count(&mut self, name: &str, count: u64) {
        self.name(name);
        let _infallible = write!(self.out, "{count}");
    }

    pub fn flag(&mut self, name: &str, flag: bool) {
        self.name(name);
        self.out.push_str(if flag { "true" } else { "false" });
    }

    fn wrap(&mut self, open: char, close: char, write: impl FnOnce(&mut Self)) {
        self.out.push(open);
        self.has_member = false;
        write(self);
        self.out.push(close);
        self.has_member = true;
    }

    fn comma(&mut self) {
        if self.has_member {
            self.out.push(',');
        }
        self.has_member = true;
    }

    fn name(&mut self, name: &str) {
        self.comma();
        self.push_text(name);
        self.out.push(':');
    }

    /// What is no number in JSON is null.
    fn push_number(&mut self, number: f64) {
        let _infallible = if number.is_finite() { write!(self.out, "{number}") } else { write!(self.out, "null") };
    }

    fn push_text(&mut self, text: &str) {
        self.out.push('"');
        for character in text.chars() {
            match character {
                '"' | '\\' => {
                    self.out.push('\\');
                    self.out.push(character);
                }
                control if control < ' ' => {
                    let _infallible = write!(self.out, "\\u{:04x}", u32::from(control));
                }
                other => self.out.push(other),
            }
        }
        self.out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_separated_and_texts_are_escaped() {
        let text = Json::document(|json| {
            json.text("a\"b", "c\\d\n\u{1}é");
            json.array("list", [1, 2], |json, number| json.count("n", number));
            json.array("none", [0; 0], |_, _| {});
            json.object("o", |json| json.flag("x", true));
            json.numbers("f", [0.5, f64::NAN]);
            json.number("end", -1.0);
        });
        assert_eq!(
            text,
            "{\"a\\\"b\":\"c\\\\d\\u000a\\u0001é\",\"list\":[{\"n\":1},{\"n\":2}],\"none\":[],\"o\":{\"x\":true},\
             \"f\":[0.5,null],\"end\":-1}\n"
        );
    }
}
