//! Medians, and tables of them with ratios.

/// The middle of the values, or the mean of the two in the middle.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => (sorted[count / 2 - 1] + sorted[count / 2]) / 2.0,
    }
}

/// Prints one line a measure: each server's value, then the first server's ratio to each other one.
pub struct Table {
    names: Vec<String>,
}

impl Table {
    pub fn begin(title: &str, names: Vec<String>) -> Self {
        println!("\n{title}");
        print!("{:<28}", "");
        for name in &names {
            print!("{name:>14}");
        }
        for name in names.iter().skip(1) {
            print!("{:>18}", format!("{}/{name}", names[0]));
        }
        println!();
        Self { names }
    }

    pub fn line(&self, measure: &str, values: &[f64]) {
        assert_eq!(values.len(), self.names.len(), "one value for each server");
        print!("{measure:<28}");
        for value in values {
            print!("{value:>14.3}");
        }
        for value in &values[1..] {
            print!("{:>18.3}", values[0] / value);
        }
        println!();
    }
}
