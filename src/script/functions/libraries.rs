//! The libraries that are known, and their functions.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::script::engine::ScriptId;
use crate::script::shebang::ScriptFlags;

/// What a function takes besides its texts.
const FUNCTION_BYTES: usize = size_of::<Function>() + size_of::<(Box<[u8]>, Box<[u8]>)>() + 32;

/// What a library takes besides its texts.
const LIBRARY_BYTES: usize = size_of::<Library>() + size_of::<Box<[u8]>>() + 32;

/// A function that FCALL can call.
#[derive(Clone, Debug)]
pub struct Function {
    pub script: ScriptId,
    pub flags: ScriptFlags,
    pub description: Option<Box<[u8]>>,
}

/// A library, with its functions by name.
#[derive(Clone, Debug)]
pub struct Library {
    /// The whole text, with its first line.
    pub code: Arc<[u8]>,
    pub functions: BTreeMap<Box<[u8]>, Function>,
}

impl Library {
    pub fn scripts(&self) -> impl Iterator<Item = ScriptId> {
        self.functions.values().map(|function| function.script)
    }

    fn memory_usage(&self) -> usize {
        let names: usize = self.functions.keys().map(|name| 2 * name.len()).sum();
        let of_function =
            |function: &Function| FUNCTION_BYTES + function.description.as_ref().map_or(0, |text| text.len());
        LIBRARY_BYTES + self.code.len() + names + self.functions.values().map(of_function).sum::<usize>()
    }
}

/// The library that a function belongs to, and the function's own name.
type Owner = (Box<[u8]>, Box<[u8]>);

/// The libraries that are known, by name. Each function's name is there once.
#[derive(Clone, Default, Debug)]
pub struct Libraries {
    by_name: BTreeMap<Box<[u8]>, Library>,
    /// By the name of a function in small letters, its library and its own name: calls do not ask for the case.
    owners: HashMap<Vec<u8>, Owner>,
    functions: usize,
    memory: usize,
}

impl Libraries {
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    pub fn functions_len(&self) -> usize {
        self.functions
    }

    pub fn contains(&self, name: &[u8]) -> bool {
        self.by_name.contains_key(name)
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Library)> {
        self.by_name.iter().map(|(name, library)| (&**name, library))
    }

    /// Finds a function by its name in any case. Returns its own name too.
    pub fn function(&self, name: &[u8]) -> Option<(&[u8], &Function)> {
        let (library, name) = self.owners.get(&name.to_ascii_lowercase())?;
        let (name, function) = self.by_name.get(library)?.functions.get_key_value(name)?;
        Some((name, function))
    }

    /// Adds libraries, all or none. With `replace`, those of the same name go; they are returned. Errors are texts for a
    /// reply, without their code.
    pub fn join(&mut self, others: Self, replace: bool) -> Result<Vec<Library>, Vec<u8>> {
        for name in others.by_name.keys() {
            if !replace && self.contains(name) {
                return Err([b"Library ", &**name, b" already exists"].concat());
            }
        }
        for (key, (_, name)) in &others.owners {
            if self.owners.get(key).is_some_and(|(owner, _)| !others.contains(owner)) {
                return Err([b"Function ", &**name, b" already exists"].concat());
            }
        }
        // First all that go: a function may move from one library to another.
        let replaced = others.by_name.keys().filter_map(|name| self.remove(name)).collect();
        for (name, library) in others.by_name {
            self.add(name, library);
        }
        Ok(replaced)
    }

    /// Adds one library that is known to collide with none.
    pub fn add(&mut self, name: Box<[u8]>, library: Library) {
        self.memory += name.len() + library.memory_usage();
        self.functions += library.functions.len();
        for function in library.functions.keys() {
            // Of two in one library that differ by case alone, the first is the one that is called.
            self.owners.entry(function.to_ascii_lowercase()).or_insert_with(|| (name.clone(), function.clone()));
        }
        self.by_name.insert(name, library);
    }

    pub fn remove(&mut self, name: &[u8]) -> Option<Library> {
        let library = self.by_name.remove(name)?;
        self.memory -= name.len() + library.memory_usage();
        self.functions -= library.functions.len();
        for function in library.functions.keys() {
            self.owners.remove(&function.to_ascii_lowercase());
        }
        Some(library)
    }

    /// Bytes of memory that the texts and the tables take (`used_memory_functions`), without the compiled functions.
    pub fn memory_usage(&self) -> usize {
        self.memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Libraries as `lib: function function`.
    fn libraries(lines: &[&str]) -> Libraries {
        let mut libraries = Libraries::default();
        for line in lines {
            let (name, functions) = line.split_once(": ").expect("a name");
            let functions = functions.split(' ').map(|name| {
                let function = Function {
                    script: ScriptId::for_tests(1),
                    flags: ScriptFlags::default(),
                    description: Some((*b"text").into()),
                };
                (name.as_bytes().into(), function)
            });
            let library = Library { code: (*b"code").into(), functions: functions.collect() };
            libraries.add(name.as_bytes().into(), library);
        }
        libraries
    }

    fn names(libraries: &Libraries) -> Vec<String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let functions = |library: &Library| {
            let functions: Vec<String> = library.functions.keys().map(|name| text(name)).collect();
            assert!(functions.iter().all(|name| libraries.function(name.as_bytes()).is_some()));
            functions.join(" ")
        };
        let lines: Vec<String> =
            libraries.iter().map(|(name, library)| format!("{}: {}", text(name), functions(library))).collect();
        assert_eq!(
            libraries.functions_len(),
            libraries.iter().map(|(_, library)| library.functions.len()).sum::<usize>()
        );
        lines
    }

    #[test]
    fn libraries_are_joined_all_or_none() {
        let mut all = libraries(&["a: f g", "b: h"]);
        let before = all.memory_usage();
        let mut refused = |others: &[&str], replace, why: &str| {
            assert_eq!(all.join(libraries(others), replace).expect_err(why), why.as_bytes());
            assert_eq!((names(&all), all.memory_usage()), (vec!["a: f g".to_owned(), "b: h".to_owned()], before));
        };
        refused(&["a: x"], false, "Library a already exists");
        refused(&["c: x h"], false, "Function h already exists");
        refused(&["a: h", "c: x"], true, "Function h already exists");
        refused(&["c: x H"], false, "Function H already exists");
        assert_eq!(all.function(b"F").expect("in any case").0, b"f");
        let replaced = all.join(libraries(&["a: x h", "b: f"]), true).expect("functions move");
        assert_eq!(replaced.len(), 2);
        assert_eq!(names(&all), ["a: h x", "b: f"]);
        assert!(all.join(libraries(&["c: y"]), false).expect("a new one").is_empty());
        for name in ["a", "b", "c"] {
            assert!(all.remove(name.as_bytes()).is_some() && all.remove(name.as_bytes()).is_none());
        }
        assert_eq!((all.is_empty(), all.functions_len(), all.memory_usage()), (true, 0, 0));
    }
}
