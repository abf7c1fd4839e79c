//! A start whose dump is damaged: which of the kept snapshots is whole, and loading it where that is wished.

use std::io;
use std::path::{Path, PathBuf};

use super::loading::load_steps;
use crate::server::net::Shared;
use crate::snapshot::{DumpFile, LoadError, LoadFault, Place};
use crate::stdx::text::counted;

/// Loads the newest kept snapshot that is whole in the place of the dump that `error` is about, if the configuration
/// wants that; otherwise, and if there is none, the error remains.
pub async fn load(shared: &Shared, error: LoadError) -> Result<(), LoadError> {
    let (place, wanted) = {
        let executor = shared.executor.borrow();
        (executor.place_of_dump(), executor.config.snapshot_fallback)
    };
    if !wanted || !error.fault.is_damage() {
        return Err(error);
    }
    tracing::warn!("Cannot load the DB, {error}. Trying the kept snapshots, the newest first");
    for name in place.generations().into_iter().rev() {
        match load_generation(shared, &name).await {
            Ok(()) => {
                tracing::warn!(
                    "Loaded the kept snapshot {name} in the place of the damaged dump: later changes are lost"
                );
                make_it_the_dump(&place, &name);
                return Ok(());
            }
            Err(error) => tracing::warn!("{error}"),
        }
    }
    Err(error)
}

async fn load_generation(shared: &Shared, name: &str) -> Result<(), LoadError> {
    let path = in_directory(shared, name);
    let Some(file) = DumpFile::open(&path)? else { return Err(LoadError::missing(&path)) };
    shared.executor.borrow_mut().begin_loading(&file);
    let loaded = load_steps(shared, &file).await.map_err(|fault| LoadError { path, fault })?;
    shared.executor.borrow_mut().finish_loading(loaded);
    Ok(())
}

/// So that the next start, whatever its configuration, finds what this one has found.
fn make_it_the_dump(place: &Place, name: &str) {
    match place.take_back(name) {
        Ok(aside) => tracing::warn!("{name} is {} now, and the damaged dump is {}", place.name, aside.display()),
        Err(error) => tracing::warn!("The damaged dump stays where it is: {error}"),
    }
}

/// What stops the start, and the way out where a kept snapshot is whole.
pub fn log_fatal(shared: &Shared, error: &LoadError) {
    tracing::warn!("Fatal error loading the DB, {error}. The file is left as it is: {}. Exiting.", advice(error));
    let place = shared.executor.borrow().place_of_dump();
    let kept = place.generations().len();
    if kept == 0 {
        return;
    }
    let Some(whole) = place.newest_whole_generation() else {
        if kept == 1 {
            tracing::warn!("The only kept snapshot is not whole.");
        } else {
            tracing::warn!("None of the {kept} kept snapshots is whole.");
        }
        return;
    };
    let (dump, generation) = (in_directory(shared, &place.name), in_directory(shared, &whole.name));
    tracing::warn!(
        "The kept snapshot {name} is whole: {keys}, {bytes}. To load it, start with `--snapshot-fallback \
         yes` or put `snapshot-fallback yes` into the configuration; or do it by hand: `mv {dump} {damaged} && \
         cp -p {generation} {dump}`",
        name = whole.name,
        keys = counted(whole.contents.keys, "key"),
        bytes = counted(whole.contents.bytes, "byte"),
        dump = shell_word(&dump),
        damaged = shell_word(&dump.with_added_extension("damaged")),
        generation = shell_word(&generation),
    );
}

/// What can be done about a dump that cannot be loaded.
fn advice(error: &LoadError) -> String {
    let path = shell_word(&error.path);
    let option = match error.fault {
        LoadFault::DuplicateKey { .. } => " --duplicates".to_owned(),
        // Without it, the check is for as many as a server has by default.
        LoadFault::DatabaseOutOfRange { databases, .. } => format!(" --databases {databases}"),
        _ => String::new(),
    };
    let more = format!("`copal-rdb check {path}{option}` shows more; ");
    let way = match &error.fault {
        LoadFault::Open(_) | LoadFault::Read(_) | LoadFault::NotAFile(_) => return advice_without_contents(error),
        fault if fault.can_be_skipped() => format!(
            "to load the rest of it and keep the file, start with `--rdb-unknown-types skip`; to write the rest to \
             another file, `copal-rdb salvage {path} NEW-FILE`; "
        ),
        LoadFault::DatabaseOutOfRange { index, .. } => {
            format!("to load it, start with `--databases {}` or more; ", index.saturating_add(1))
        }
        LoadFault::DuplicateKey { .. } => {
            format!("to write each key once to another file, `copal-rdb salvage {path} NEW-FILE`; ")
        }
        _ => String::new(),
    };
    format!("{more}{way}to start without it, move it away")
}

/// The same where what is wrong is not in the file.
fn advice_without_contents(error: &LoadError) -> String {
    let path = error.path.display();
    match &error.fault {
        LoadFault::Open(cause) if cause.kind() == io::ErrorKind::PermissionDenied => {
            let user = nix::unistd::geteuid();
            format!("make it, and the directory it is in, readable for the user that the server runs as ({user})")
        }
        LoadFault::Open(cause) if matches!(cause.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => {
            "allow the server more open files ('ulimit -n')".to_owned()
        }
        LoadFault::Open(cause) if cause.kind() == io::ErrorKind::IsADirectory => {
            format!("set 'dir' and 'dbfilename' so that they name a file, or remove the directory {path}")
        }
        LoadFault::NotAFile(_) => {
            "set 'dir' and 'dbfilename' so that they name a file, or remove what has that name".to_owned()
        }
        _ => "see to the disk, and that the path is right".to_owned(),
    }
}

/// Warns where no dump is and kept snapshots are: nobody should start empty by mistake and not notice.
pub fn warn_of_missing_dump(place: &Place) {
    if let Ok(target) = std::fs::read_link(place.path()) {
        let (name, target) = (&place.name, target.display());
        tracing::warn!("{name} is a symbolic link to {target}, which does not exist, so the server starts empty");
    }
    if let Some(newest) = place.generations().last() {
        tracing::warn!("There is no {}, so the server starts empty; the newest kept snapshot is {newest}", place.name);
    }
}

fn in_directory(shared: &Shared, name: &str) -> PathBuf {
    Path::new(&shared.executor.borrow().config.dir).join(name)
}

/// The path as a shell takes it for one word, whatever is in it.
fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@%,=".contains(&byte) || !byte.is_ascii();
    if text.bytes().all(is_plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_about_what_is_wrong() {
        let of = |fault| advice(&LoadError { path: PathBuf::from("/data/dump.rdb"), fault });
        let open = |errno| of(LoadFault::Open(io::Error::from_raw_os_error(errno)));
        assert!(open(libc::EACCES).contains("readable for the user"));
        assert!(open(libc::EMFILE).contains("ulimit -n"));
        assert!(open(libc::EISDIR).contains("'dbfilename'"));
        assert!(of(LoadFault::NotAFile("a named pipe")).contains("'dbfilename'"));
        for errno in [libc::EACCES, libc::EMFILE, libc::EISDIR, libc::EIO] {
            assert!(!open(errno).contains("move it away"), "{errno}");
        }
        let damage = of(LoadFault::FunctionLibrary { offset: 9, why: String::new() });
        assert!(damage.contains("`copal-rdb check /data/dump.rdb`") && damage.contains("move it away"));
        let databases = of(LoadFault::DatabaseOutOfRange { offset: 9, index: 5, databases: 2 });
        assert!(databases.contains("`copal-rdb check /data/dump.rdb --databases 2`"), "{databases}");
        assert!(databases.contains("`--databases 6`"), "{databases}");
    }

    #[test]
    fn a_path_in_advice_is_one_word_for_a_shell() {
        let of = |path: &str| shell_word(Path::new(path));
        assert_eq!(of("/data/dump-1_2.rdb"), "/data/dump-1_2.rdb");
        assert_eq!(of("/my data/it's $HOME.rdb"), r"'/my data/it'\''s $HOME.rdb'");
    }
}
