//! Calls, time and failures of each command (INFO commandstats).

/// One command's figures.
#[derive(Debug, Default, Clone)]
pub struct CommandStat {
    pub calls: u64,
    pub total_us: u64,
    pub rejected: u64,
    pub failed: u64,
}

/// The figures of all commands, by the command's number in the table.
#[derive(Debug, Default)]
pub struct CommandStats {
    stats: Vec<CommandStat>,
}

impl CommandStats {
    pub fn new(commands: usize) -> Self {
        Self { stats: vec![CommandStat::default(); commands] }
    }

    #[inline]
    pub fn record(&mut self, command: usize, duration_us: u64, failed: bool) {
        let stat = &mut self.stats[command];
        stat.calls += 1;
        stat.total_us += duration_us;
        stat.failed += u64::from(failed);
    }

    pub fn reject(&mut self, command: usize) {
        self.stats[command].rejected += 1;
    }

    pub fn get(&self, command: usize) -> &CommandStat {
        &self.stats[command]
    }

    pub fn reset(&mut self) {
        self.stats.fill(CommandStat::default());
    }
}
