//! The text of INFO: its sections, and how numbers are shown in it.

use std::fmt::{Display, Write as _};

use crate::stdx::text::human_bytes;

/// One section.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InfoSection {
    Server,
    Clients,
    Memory,
    Persistence,
    Stats,
    Replication,
    Cpu,
    Modules,
    CommandStats,
    ErrorStats,
    LatencyStats,
    Cluster,
    Keyspace,
    Debug,
}

impl InfoSection {
    /// In the order in which they are shown.
    pub const ALL: [Self; 14] = [
        Self::Server,
        Self::Clients,
        Self::Memory,
        Self::Persistence,
        Self::Stats,
        Self::Replication,
        Self::Cpu,
        Self::Modules,
        Self::CommandStats,
        Self::ErrorStats,
        Self::LatencyStats,
        Self::Cluster,
        Self::Keyspace,
        Self::Debug,
    ];

    /// The heading; in small letters, the name by which the section is asked for.
    pub fn title(self) -> &'static str {
        match self {
            Self::Server => "Server",
            Self::Clients => "Clients",
            Self::Memory => "Memory",
            Self::Persistence => "Persistence",
            Self::Stats => "Stats",
            Self::Replication => "Replication",
            Self::Cpu => "CPU",
            Self::Modules => "Modules",
            Self::CommandStats => "Commandstats",
            Self::ErrorStats => "Errorstats",
            Self::LatencyStats => "Latencystats",
            Self::Cluster => "Cluster",
            Self::Keyspace => "Keyspace",
            Self::Debug => "Debug",
        }
    }

    /// Whether the section is shown to whoever asks for none in particular.
    fn is_default(self) -> bool {
        !matches!(self, Self::CommandStats | Self::LatencyStats | Self::Debug)
    }

    fn is_asked_for(self, names: &[&[u8]]) -> bool {
        let is = |name: &[u8], word: &str| name.eq_ignore_ascii_case(word.as_bytes());
        names.is_empty() && self.is_default()
            || names.iter().any(|name| {
                is(name, self.title())
                    || (is(name, "all") || is(name, "everything")) && self != Self::Debug
                    || is(name, "default") && self.is_default()
                    || is(name, "module_list") && self == Self::Modules
            })
    }

    /// The sections that the arguments of INFO ask for; unknown names ask for nothing.
    pub fn asked_for(names: &[&[u8]]) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |section| section.is_asked_for(names))
    }
}

/// The text as it grows: a heading for each section, a line for each field, a blank line in between.
#[derive(Debug, Default)]
pub struct InfoText {
    text: String,
}

impl InfoText {
    pub fn section(&mut self, section: InfoSection) {
        if !self.text.is_empty() {
            self.text.push_str("\r\n");
        }
        self.line(format_args!("# {}", section.title()));
    }

    pub fn field(&mut self, name: impl Display, value: impl Display) {
        self.line(format_args!("{name}:{value}"));
    }

    /// A number with two decimals.
    pub fn ratio(&mut self, name: &str, value: f64) {
        self.line(format_args!("{name}:{value:.2}"));
    }

    /// Bytes, and the same for people under the name with `_human` behind it.
    pub fn bytes_and_human(&mut self, name: &str, bytes: u64) {
        self.field(name, bytes);
        self.field(format_args!("{name}_human"), human_bytes(bytes));
    }

    pub fn flag(&mut self, name: &str, value: bool) {
        self.field(name, u8::from(value));
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.text.into_bytes()
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let _infallible = write!(self.text, "{line}\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(names: &[&str]) -> String {
        let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
        InfoSection::asked_for(&names).map(InfoSection::title).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn sections_are_chosen_by_name_in_any_case_and_shown_once() {
        let default = "Server Clients Memory Persistence Stats Replication CPU Modules Errorstats Cluster Keyspace";
        assert_eq!(titles(&[]), default);
        assert_eq!(titles(&["default", "cpu"]), default);
        assert_eq!(titles(&["commandSTATS"]), "Commandstats");
        assert_eq!(titles(&["keyspace", "CPU", "nonsense"]), "CPU Keyspace");
        assert_eq!(titles(&["nonsense"]), "");
        assert_eq!(titles(&["all"]).split(' ').count(), InfoSection::ALL.len() - 1);
        assert_eq!(titles(&["debug"]), "Debug");
    }

    #[test]
    fn sections_are_separated_by_a_blank_line() {
        let mut text = InfoText::default();
        text.section(InfoSection::Cpu);
        text.ratio("a", 1.0 / 3.0);
        text.section(InfoSection::Cluster);
        text.bytes_and_human("b", 1536);
        assert_eq!(text.into_bytes(), b"# CPU\r\na:0.33\r\n\r\n# Cluster\r\nb:1536\r\nb_human:1.50K\r\n");
    }
}
