//! Features of Redis that Copal does not have, by the names of their commands.

/// Commands that Copal does not have: what it lacks, and their names in small letters, with their parents' before a bar.
/// A name that ends with a star matches all names with that prefix.
const MISSING: &[(&str, &[&str])] = &[
    ("taking over slots is", &["client|import-source"]),
    ("the append-only file is", &["bgrewriteaof"]),
    (
        "a cluster is",
        &[
            "clusterscan",
            "restore-asking",
            "cluster|addslots",
            "cluster|addslotsrange",
            "cluster|bumpepoch",
            "cluster|cancelslotmigrations",
            "cluster|count-failure-reports",
            "cluster|countkeysinslot",
            "cluster|delslots",
            "cluster|delslotsrange",
            "cluster|failover",
            "cluster|flushslots",
            "cluster|forget",
            "cluster|getkeysinslot",
            "cluster|getslotmigrations",
            "cluster|links",
            "cluster|meet",
            "cluster|migrateslots",
            "cluster|myshardid",
            "cluster|replicas",
            "cluster|replicate",
            "cluster|saveconfig",
            "cluster|set-config-epoch",
            "cluster|setslot",
            "cluster|slaves",
            "cluster|slot-stats",
            "cluster|syncslots",
        ],
    ),
    ("Sentinel is", &["sentinel"]),
    (
        "modules are",
        &["module|loadex", "json.*", "ft.*", "ts.*", "bf.*", "cf.*", "cms.*", "topk.*", "tdigest.*", "graph.*"],
    ),
    (
        "vector sets are",
        &[
            "vadd",
            "vcard",
            "vdim",
            "vemb",
            "vgetattr",
            "vinfo",
            "vismember",
            "vlinks",
            "vrandmember",
            "vrange",
            "vrem",
            "vsetattr",
            "vsim",
        ],
    ),
    (
        "commands later than Redis 7.2 are",
        &[
            "client|capa",
            "commandlog",
            "delex",
            "delifeq",
            "digest",
            "hgetdel",
            "hgetex",
            "hotkeys",
            "msetex",
            "xackdel",
            "xcfgset",
            "xdelex",
        ],
    ),
];

/// What Copal lacks that the command of this name belongs to, with the verb: `modules are`.
pub fn missing_feature(name: &[u8]) -> Option<&'static str> {
    const NAME_LEN_MAX: usize = 64;
    if name.len() > NAME_LEN_MAX {
        return None;
    }
    let name = name.to_ascii_lowercase();
    let is_named = |known: &&str| match known.strip_suffix('*') {
        Some(start) => name.starts_with(start.as_bytes()),
        None => name == known.as_bytes(),
    };
    MISSING.iter().find(|(_, names)| names.iter().any(is_named)).map(|(feature, _)| *feature)
}

/// As [`missing_feature`], for a name as rules of users have it: `sentinel|masters`, of which the table has the parent only.
pub fn is_missing_for_rules(name: &[u8]) -> bool {
    let parent = memchr::memchr(b'|', name).map(|bar| &name[..bar]);
    missing_feature(name).is_some() || parent.is_some_and(|parent| missing_feature(parent).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::CommandTable;

    #[test]
    fn what_is_missing_is_not_in_the_table_and_in_small_letters() {
        let table = CommandTable::new();
        for name in MISSING.iter().flat_map(|(_, names)| names.iter()) {
            assert!(table.by_full_name(name.as_bytes()).is_none(), "{name} is there");
            assert_eq!(*name, name.to_ascii_lowercase());
        }
        assert_eq!(missing_feature(b"BgRewriteAOF"), Some("the append-only file is"));
        assert_eq!(missing_feature(b"JSON.GET"), Some("modules are"));
        assert_eq!(missing_feature(b"get"), None);
        assert_eq!(missing_feature(&[b'x'; 100]), None);
        assert!(is_missing_for_rules(b"sentinel|masters") && !is_missing_for_rules(b"config|load"));
    }
}
