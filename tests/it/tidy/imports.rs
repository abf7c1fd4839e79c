//! Which file of `src/` uses which: what a file names by `use` or by a path leads to the file that defines it, however
//! many times it is handed on in between. Code for tests is left out.

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, is_word, word_positions};

/// Names that are handed on more often than this are not followed.
const STEPS_MAX: usize = 8;

/// The files, and the arrows from each to those that it uses.
pub struct Imports<'a> {
    pub files: Vec<&'a Source>,
    pub uses: Vec<BTreeSet<usize>>,
}

/// A name that a file takes from elsewhere.
struct Import {
    /// From the root of the crate on.
    path: Vec<String>,
    /// As the file calls it.
    name: String,
    /// Handed on to others.
    is_public: bool,
}

/// A file as far as it matters here.
struct Module {
    path: Vec<String>,
    imports: Vec<Import>,
    children: BTreeSet<String>,
    /// Its code without tests, `use` and `mod`.
    code: String,
}

impl<'a> Imports<'a> {
    pub fn of(sources: &'a [Source]) -> Self {
        let tests = test_modules(sources);
        let is_product = |path: &[String]| !(1..=path.len()).any(|length| tests.contains(&path[..length]));
        let files: Vec<_> = sources.iter().filter(|source| is_product(&module_path(&source.path))).collect();
        let modules: Vec<_> = files.iter().map(|source| Module::of(source)).collect();
        let places = modules.iter().enumerate().map(|(file, module)| (module.path.clone(), file)).collect();
        let uses = (0..files.len()).map(|file| Names { modules: &modules, places: &places }.used_by(file)).collect();
        Self { files, uses }
    }

    pub fn path(&self, file: usize) -> &'a str {
        &self.files[file].path
    }

    /// The files that can be reached from this one, itself among them, without leaving its room.
    pub fn reached_from(&self, file: usize) -> BTreeSet<usize> {
        self.reach(file, |next| self.files[*next].room() == self.files[file].room())
    }

    fn reach(&self, file: usize, is_inside: impl Fn(&usize) -> bool) -> BTreeSet<usize> {
        let mut reached = BTreeSet::from([file]);
        let mut waiting = vec![file];
        while let Some(file) = waiting.pop() {
            waiting.extend(self.uses[file].iter().filter(|next| is_inside(next) && reached.insert(**next)));
        }
        reached
    }

    /// The circles of a room: files of which each reaches each of the others. Doors are left out: a `mod.rs` means
    /// its folder, whose files use what they have in common there, and it uses them.
    pub fn circles(&self, room: &str) -> Vec<BTreeSet<usize>> {
        let is_inside = |file: &usize| self.files[*file].room() == Some(room) && !self.path(*file).ends_with("/mod.rs");
        let files: Vec<_> = (0..self.files.len()).filter(is_inside).collect();
        let reached: BTreeMap<_, _> = files.iter().map(|file| (*file, self.reach(*file, is_inside))).collect();
        let circles: BTreeSet<BTreeSet<usize>> = files
            .iter()
            .map(|file| reached[file].iter().copied().filter(|other| reached[other].contains(file)).collect())
            .collect();
        circles.into_iter().filter(|circle| circle.len() > 1).collect()
    }
}

/// What names mean.
struct Names<'a> {
    modules: &'a [Module],
    places: &'a BTreeMap<Vec<String>, usize>,
}

impl Names<'_> {
    fn used_by(&self, file: usize) -> BTreeSet<usize> {
        let module = &self.modules[file];
        let mut paths = Vec::new();
        let mut local = module.children.iter().map(|child| (child.as_str(), joined(&module.path, [child]))).collect();
        for import in &module.imports {
            self.note_import(module, import, &mut paths, &mut local);
        }
        for (name, path) in &local {
            paths.extend(paths_behind(&module.code, name).into_iter().map(|rest| joined(path, &rest)));
        }
        for word in ["crate", "super", "self"] {
            let found = paths_behind(&module.code, word).into_iter();
            paths.extend(found.filter_map(|rest| absolute(module, &joined(&[word.to_owned()], &rest))));
        }
        let mut used: BTreeSet<_> = paths.iter().filter_map(|path| self.definer(path, 0)).collect();
        used.remove(&file);
        used
    }

    /// A module that is imported as a whole is used by what follows its name.
    fn note_import<'m>(
        &self,
        module: &'m Module,
        import: &'m Import,
        paths: &mut Vec<Vec<String>>,
        local: &mut BTreeMap<&'m str, Vec<String>>,
    ) {
        let is_used = || word_positions(&module.code, &import.name).next().is_some();
        if self.places.contains_key(&import.path) && !paths_behind(&module.code, &import.name).is_empty() {
            local.insert(&import.name, import.path.clone());
        } else if !import.is_public || is_used() {
            paths.push(import.path.clone());
        }
    }

    /// The file that defines what a path leads to.
    fn definer(&self, path: &[String], steps: usize) -> Option<usize> {
        let length = (0..=path.len()).rev().find(|length| self.places.contains_key(&path[..*length]))?;
        let file = self.places[&path[..length]];
        let (Some(name), true) = (path.get(length), steps < STEPS_MAX) else { return Some(file) };
        match self.modules[file].imports.iter().find(|import| import.name == *name) {
            Some(import) => self.definer(&joined(&import.path, &path[length + 1..]), steps + 1),
            None => Some(file),
        }
    }
}

impl Module {
    fn of(source: &Source) -> Self {
        let path = module_path(&source.path);
        let mut code = without_tests(&source.code);
        let (mut children, mut declarations) = (BTreeSet::new(), Vec::new());
        for at in word_positions(&code, "mod") {
            if let Some((name, "")) = code[at..].split(';').next().and_then(|text| only_word(&text["mod".len()..])) {
                children.insert(name);
            }
        }
        let mut module = Self { path, imports: Vec::new(), children, code: String::new() };
        for at in word_positions(&code, "use") {
            // `use<'a>` says which lifetimes a type has.
            if code[at + "use".len()..].trim_start().starts_with('<') {
                continue;
            }
            let end = code[at..].find(';').map_or(code.len(), |end| at + end);
            let before = code[..at].trim_end();
            let is_public = before.ends_with("pub") || before.ends_with(')') && before.contains("pub(");
            let mut tree = Tree { tokens: tokens(&code[at + "use".len()..end]), at: 0, found: Vec::new() };
            tree.read(&[]);
            declarations.push(at..end);
            for (path, name) in tree.found {
                if let Some(path) = absolute(&module, &path) {
                    module.imports.push(Import { path, name, is_public });
                }
            }
        }
        for range in declarations {
            code.replace_range(range.clone(), &" ".repeat(range.len()));
        }
        module.code = code;
        module
    }
}

/// A path from the root of the crate on; none if it leads out of the crate.
fn absolute(module: &Module, path: &[String]) -> Option<Vec<String>> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some(joined(&module.path, rest)),
        "super" => {
            let supers = path.iter().take_while(|segment| *segment == "super").count();
            let parent = module.path.len().checked_sub(supers)?;
            Some(joined(&module.path[..parent], &path[supers..]))
        }
        name if module.children.contains(name) => Some(joined(&module.path, path)),
        _ => None,
    }
}

fn joined<'a>(path: &[String], rest: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let mut joined = path.to_vec();
    joined.extend(rest.into_iter().cloned());
    joined
}

/// `server/effects/mod.rs` is `server::effects`.
fn module_path(path: &str) -> Vec<String> {
    let path = path.trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').filter(|part| *part != "lib").map(str::to_owned).collect()
}

/// The paths of the modules that are there for tests only.
fn test_modules(sources: &[Source]) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    for source in sources {
        for (at, attribute) in source.code.match_indices("#[cfg(test)]") {
            let rest = source.code[at + attribute.len()..].trim_start();
            let rest = rest.strip_prefix("pub").map_or(rest, |rest| rest.trim_start_matches("(super)").trim_start());
            if let Some(name) = rest.strip_prefix("mod ").and_then(only_word) {
                found.insert(joined(&module_path(&source.path), [&name.0]));
            }
        }
    }
    found
}

/// A word, and what is behind it.
fn only_word(text: &str) -> Option<(String, &str)> {
    let text = text.trim();
    let length = text.bytes().take_while(|byte| is_word(*byte)).count();
    (length > 0).then(|| (text[..length].to_owned(), &text[length..]))
}

/// Code with what is behind `#[cfg(test)]` blanked out: a statement, or a block.
pub fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    for (at, _) in code.match_indices("#[cfg(test)]") {
        let end = code[at..].find(';').map_or(code.len(), |end| at + end);
        let block = code[at..].find('{').map_or(code.len(), |start| at + start);
        let is_use = word_positions(&code[at..end.min(block)], "use").next().is_some();
        let end = if end < block || is_use { end } else { end_of_block(code, block) };
        let blank: String = code[at..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        if blank.len() == end - at {
            out.replace_range(at..end, &blank);
        }
    }
    out
}

fn end_of_block(code: &str, start: usize) -> usize {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate().skip(start) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return at,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

/// What follows a name that begins a path: for `name`, `[b, c]` in `name::b::c`.
fn paths_behind(code: &str, name: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for at in word_positions(code, name) {
        let before = code[..at].trim_end();
        if before.ends_with("::") || before.ends_with('.') {
            continue;
        }
        let mut rest = code[at + name.len()..].trim_start();
        let mut path = Vec::new();
        while let Some((word, behind)) = rest.strip_prefix("::").and_then(only_word) {
            path.push(word);
            rest = behind;
        }
        if !path.is_empty() {
            found.push(path);
        }
    }
    found
}

/// The tree of a `use`.
struct Tree {
    tokens: Vec<String>,
    at: usize,
    found: Vec<(Vec<String>, String)>,
}

impl Tree {
    fn next(&mut self) -> Option<String> {
        self.at += 1;
        self.tokens.get(self.at - 1).cloned()
    }

    fn read(&mut self, prefix: &[String]) {
        let mut path = prefix.to_vec();
        while let Some(token) = self.next() {
            match token.as_str() {
                "::" => {}
                "{" => {
                    while self.tokens.get(self.at).is_some_and(|token| token != "}") {
                        self.read(&path);
                    }
                    self.at += 1;
                    if self.tokens.get(self.at).is_some_and(|token| token == ",") {
                        self.at += 1;
                    }
                    return;
                }
                "as" => {
                    let name = self.next().unwrap_or_default();
                    self.found.push((path.clone(), name));
                    if self.tokens.get(self.at).is_some_and(|token| token == ",") {
                        self.at += 1;
                    }
                    return;
                }
                "," => break,
                "}" => {
                    self.at -= 1;
                    break;
                }
                // The path so far is what is imported.
                "self" if !path.is_empty() => {}
                word => path.push(word.to_owned()),
            }
        }
        if let Some(name) = path.last().cloned() {
            self.found.push((path, name));
        }
    }
}

fn tokens(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            ':' => 2,
            c if c.is_ascii_alphanumeric() || c == '_' => rest.bytes().take_while(|byte| is_word(*byte)).count(),
            c => c.len_utf8(),
        };
        found.push(rest[..length.min(rest.len())].to_owned());
        rest = rest[length.min(rest.len())..].trim_start();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::blank_out;
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned(), code: blank_out(text) }
    }

    fn arrows(sources: &[Source]) -> Vec<String> {
        let imports = Imports::of(sources);
        let arrow = |from: usize, to: &usize| format!("{} {}", imports.path(from), imports.path(*to));
        imports.uses.iter().enumerate().flat_map(|(from, uses)| uses.iter().map(move |to| arrow(from, to))).collect()
    }

    #[test]
    fn names_lead_to_the_files_that_define_them_through_all_that_hand_them_on() {
        let sources = [
            source(
                "a/mod.rs",
                "mod b;\nmod c;\npub mod d;\npub use b::{B, inner::I as J};\n#[cfg(test)]\nmod tests;\n",
            ),
            source("a/b.rs", "use super::c::{self, C};\nfn f() { c::g(); d::h() }\n"),
            source("a/c.rs", "#[cfg(test)]\nmod tests { use super::super::b::B; }\npub struct C;\n"),
            source("a/d.rs", "fn f() -> impl Sized + use<> { crate::a::B::new(); std::c::x() }\n"),
            source("a/tests.rs", "use super::b::B;\n"),
            source("e/mod.rs", "use crate::a::{\n    self as first,\n    d::D,\n};\nfn f() { first::J::new() }\n"),
        ];
        let expected = ["a/b.rs a/c.rs", "a/d.rs a/b.rs", "e/mod.rs a/b.rs", "e/mod.rs a/d.rs"];
        assert_eq!(arrows(&sources), expected);
    }

    #[test]
    fn handing_a_name_on_is_no_use_of_it_and_circles_are_found_through_others() {
        let sources = [
            source("a/mod.rs", "mod b;\nmod c;\nmod d;\npub use b::B;\npub const ONE: u8 = 1;\n"),
            source("a/b.rs", "use super::{ONE, c::C};\n"),
            source("a/c.rs", "use super::d::D;\n"),
            source("a/d.rs", "use super::B;\n"),
        ];
        let imports = Imports::of(&sources);
        let circles = imports.circles("a");
        assert_eq!(circles, [BTreeSet::from([1, 2, 3])]);
        assert_eq!(imports.reached_from(0), BTreeSet::from([0]));
    }
}
