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

/// What was measured, by name: for each server the values of all rounds.
pub struct Measures(Vec<(String, Vec<Vec<f64>>)>);

impl Measures {
    /// Measures each of so many servers once a round, every other round backwards, so that no server always comes first.
    pub fn of_rounds(rounds: usize, servers: usize, mut measure: impl FnMut(usize) -> Vec<(String, f64)>) -> Self {
        let mut measures: Vec<(String, Vec<Vec<f64>>)> = Vec::new();
        for round in 0..rounds {
            for turn in 0..servers {
                let at = if round % 2 == 0 { turn } else { servers - 1 - turn };
                for (line, (name, value)) in measure(at).into_iter().enumerate() {
                    if line == measures.len() {
                        measures.push((name, vec![Vec::new(); servers]));
                    }
                    measures[line].1[at].push(value);
                }
            }
        }
        Self(measures)
    }

    /// Prints the medians.
    pub fn print(&self, table: &Table) {
        for (name, of_servers) in &self.0 {
            table.line(name, &of_servers.iter().map(|values| median(values)).collect::<Vec<_>>());
        }
    }
}
