//! How many threads serialise.

use super::options::SaveOptions;

/// What is automatically taken at most: more threads than this wait for the disk, or for memory.
const THREADS_AUTO_MAX: usize = 4;

/// The most that can be configured.
const THREADS_MAX: usize = 64;

/// How many threads a save has.
pub fn thread_count(options: &SaveOptions) -> usize {
    if options.key_delay_us != 0 {
        // The delay is meant for one key after another.
        return 1;
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = SystemLoad::of_now();
    // A client that waits for the end is worth more than the peace of a machine that was busy a minute ago.
    let load = if options.reserved_cores == 0 { load.average.min(load.at_work) } else { load.average };
    threads_for(options.threads, cores, load, options.reserved_cores)
}

/// As configured or, for 0, as many as there are cores with nothing to do: `load` of them have work, and `reserved` at
/// least are for others.
fn threads_for(configured: u32, cores: usize, load: f64, reserved: usize) -> usize {
    if configured > 0 {
        return (configured as usize).min(THREADS_MAX);
    }
    // Conversions from floats saturate.
    let taken = (load.round() as usize).max(reserved);
    cores.saturating_sub(taken).clamp(1, THREADS_AUTO_MAX)
}

/// How many threads of the whole system want a core.
#[derive(Clone, Copy, PartialEq, Debug)]
struct SystemLoad {
    /// Over the last minute.
    average: f64,
    /// At this moment, but for the one that asks.
    at_work: f64,
}

impl SystemLoad {
    fn of_now() -> Self {
        Self::parse(&std::fs::read_to_string("/proc/loadavg").unwrap_or_default())
    }

    /// Reads `0.42 0.50 0.61 2/103 14906`; what is not there is no load.
    fn parse(text: &str) -> Self {
        let mut fields = text.split_ascii_whitespace();
        let average = fields.next().and_then(|load| load.parse().ok()).unwrap_or(0.0);
        let at_work = fields.nth(2).and_then(|threads| threads.split_once('/')?.0.parse().ok()).unwrap_or(1.0);
        Self { average, at_work: f64::max(at_work - 1.0, 0.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_is_read_as_the_kernel_tells_it() {
        let load = |average, at_work| SystemLoad { average, at_work };
        assert_eq!(SystemLoad::parse("1.36 1.29 1.01 3/103 14906\n"), load(1.36, 2.0));
        assert_eq!(SystemLoad::parse("0.05 1.29 1.01 1/103 14906\n"), load(0.05, 0.0));
        assert_eq!(SystemLoad::parse("0.05 1.29 1.01 0/0 14906\n"), load(0.05, 0.0));
        assert_eq!(SystemLoad::parse("1.5"), load(1.5, 0.0));
        assert_eq!(SystemLoad::parse(""), load(0.0, 0.0));
    }

    #[test]
    fn threads_are_as_configured_or_the_cores_with_nothing_to_do() {
        for (configured, cores, load, reserved, expected) in [
            (3, 1, 9.0, 1, 3),
            (100, 1, 0.0, 0, THREADS_MAX),
            // In the background one core is the clients'.
            (0, 1, 0.0, 1, 1),
            (0, 2, 0.0, 1, 1),
            (0, 4, 0.0, 1, 3),
            (0, 4, 2.4, 1, 2),
            (0, 4, 50.0, 1, 1),
            (0, 64, 1.0, 1, THREADS_AUTO_MAX),
            (0, 2, 0.3, 0, 2),
            (0, 2, 1.0, 0, 1),
            (0, 0, f64::NAN, 0, 1),
            (0, 2, f64::INFINITY, 0, 1),
        ] {
            assert_eq!(threads_for(configured, cores, load, reserved), expected, "{configured} {cores} {load}");
        }
    }
}
