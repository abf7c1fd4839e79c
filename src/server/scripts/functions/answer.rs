//! FUNCTION: what is known of libraries and functions, and changing that.

use super::load::{TIME_LIMIT, already_exists};
use super::payload::{self, BadPayload};
use crate::commands::{CommandError, FunctionsRequest, RestorePolicy};
use crate::resp::Reply;
use crate::script::{ENGINE_NAME, Function, Libraries, Library, LibraryHead, LoadLibraryError};
use crate::server::exec::Frame;
use crate::server::executor::Executor;
use crate::server::scripts::Language;
use crate::server::scripts::usage::free;
use crate::stdx::glob::glob_match;

impl Executor {
    pub(in crate::server) fn answer_functions(&mut self, frame: &Frame<'_>, request: FunctionsRequest) {
        let args = frame.args;
        let result = match request {
            FunctionsRequest::Load { replace } => self.load_function_library(frame, replace),
            FunctionsRequest::Delete => self.delete_library(frame),
            FunctionsRequest::Flush { lazily } => self.flush_functions(frame, lazily),
            FunctionsRequest::List { pattern, with_code } => {
                let reply = &mut self.clients.get_mut(frame.client).reply;
                list(&self.scripts.functions.libraries, pattern.as_deref(), with_code, reply);
                Ok(())
            }
            FunctionsRequest::Dump => self.dump_functions(frame),
            FunctionsRequest::Restore(policy) => self.restore_functions(frame, args.arg(2), policy),
            FunctionsRequest::Stats => self.function_stats(frame),
            FunctionsRequest::Kill => self.kill_function(frame),
        };
        if let Err(error) = result {
            self.reply_error(frame.client, &error);
        }
    }

    fn load_function_library(&mut self, frame: &Frame<'_>, replace: bool) -> Result<(), CommandError> {
        let text = frame.args.arg(frame.args.len() - 1);
        let limits = self.limits_of_libraries(TIME_LIMIT);
        let functions = &mut self.scripts.functions;
        let name = LibraryHead::read(text).map_err(LoadLibraryError)?.name;
        if !replace && functions.libraries.contains(&name) {
            return Err(already_exists(&name).into());
        }
        let mut new = Libraries::default();
        functions.load_into(&mut new, text, &limits)?;
        functions.adopt(new, replace)?;
        self.note_functions_changed(frame);
        self.clients.get_mut(frame.client).reply.bulk(name);
        Ok(())
    }

    fn delete_library(&mut self, frame: &Frame<'_>) -> Result<(), CommandError> {
        let functions = &mut self.scripts.functions;
        let Some(library) = functions.libraries.remove(frame.args.arg(2)) else {
            return Err(CommandError::text("ERR Library not found"));
        };
        functions.drop_library(&library);
        self.note_functions_changed(frame);
        self.clients.get_mut(frame.client).reply.ok();
        Ok(())
    }

    fn flush_functions(&mut self, frame: &Frame<'_>, lazily: bool) -> Result<(), CommandError> {
        // With the functions goes all that they have kept.
        let old = std::mem::take(&mut self.scripts.functions);
        free(old.libraries, old.engine, lazily);
        self.note_functions_changed(frame);
        self.clients.get_mut(frame.client).reply.ok();
        Ok(())
    }

    fn dump_functions(&mut self, frame: &Frame<'_>) -> Result<(), CommandError> {
        let payload = payload::write(&self.scripts.functions.libraries, self.config.rdbcompression)
            .map_err(|error| CommandError::owned(format!("ERR the functions cannot be dumped: {error}")))?;
        self.clients.get_mut(frame.client).reply.bulk(payload);
        Ok(())
    }

    fn restore_functions(
        &mut self,
        frame: &Frame<'_>,
        payload: &[u8],
        policy: RestorePolicy,
    ) -> Result<(), CommandError> {
        let texts = payload::read(payload).map_err(|BadPayload(why)| CommandError::text(why))?;
        let limits = self.limits_of_libraries(TIME_LIMIT);
        let functions = &mut self.scripts.functions;
        let mut new = Libraries::default();
        for text in &texts {
            if let Err(error) = functions.load_into(&mut new, text, &limits) {
                functions.drop_libraries(&new);
                return Err(error.into());
            }
        }
        functions.restore(new, policy)?;
        self.note_functions_changed(frame);
        self.clients.get_mut(frame.client).reply.ok();
        Ok(())
    }

    fn kill_function(&mut self, frame: &Frame<'_>) -> Result<(), CommandError> {
        self.scripts.kill(Language::Function)?;
        self.clients.get_mut(frame.client).reply.ok();
        Ok(())
    }

    fn function_stats(&mut self, frame: &Frame<'_>) -> Result<(), CommandError> {
        if let Some(current) = &self.scripts.current
            && current.language == Language::Eval
        {
            // Whether functions run is not asked while a script does, as in Redis.
            return self.scripts.busy_error().map_or(Ok(()), Err);
        }
        let usage = self.scripts.usage();
        let now = self.clock.latest();
        let Self { scripts, clients, .. } = self;
        let running = scripts.current.as_ref().map(|current| {
            let command: Vec<&[u8]> = scripts.running_command().map(|args| args.iter().collect()).unwrap_or_default();
            (current.name.to_string(), command, now.since(current.now).as_millis() as i64)
        });
        let reply = &mut clients.get_mut(frame.client).reply;
        reply.map(2);
        reply.bulk("running_script");
        match running {
            None => reply.null(),
            Some((name, command, millis)) => {
                reply.map(3);
                reply.bulk("name");
                reply.bulk(name);
                reply.bulk("command");
                reply.array(command.len());
                command.iter().for_each(|arg| reply.bulk(arg));
                reply.bulk("duration_ms");
                reply.integer(millis);
            }
        }
        reply.bulk("engines");
        reply.map(1);
        reply.bulk(ENGINE_NAME);
        reply.map(2);
        reply.bulk("libraries_count");
        reply.integer(usage.libraries as i64);
        reply.bulk("functions_count");
        reply.integer(usage.functions as i64);
        Ok(())
    }

    /// Counts a change of the libraries, which are saved with the data, and records the command as it came.
    fn note_functions_changed(&mut self, frame: &Frame<'_>) {
        let db = self.clients.get(frame.client).session.db;
        self.keyspace.commit_command(db, frame.args);
    }
}

fn list(libraries: &Libraries, pattern: Option<&[u8]>, with_code: bool, reply: &mut Reply) {
    let is_wanted = |name: &[u8]| pattern.is_none_or(|pattern| glob_match(pattern, name, true));
    let deferred = reply.deferred();
    let mut len = 0;
    for (name, library) in libraries.iter().filter(|(name, _)| is_wanted(name)) {
        len += 1;
        reply.map(3 + usize::from(with_code));
        reply.bulk("library_name");
        reply.bulk(name);
        reply.bulk("engine");
        reply.bulk(ENGINE_NAME);
        reply.bulk("functions");
        list_functions(library, reply);
        if with_code {
            reply.bulk("library_code");
            reply.bulk(&library.code);
        }
    }
    reply.set_deferred_array_len(deferred, len);
}

fn list_functions(library: &Library, reply: &mut Reply) {
    reply.array(library.functions.len());
    for (name, Function { description, flags, .. }) in &library.functions {
        reply.map(3);
        reply.bulk("name");
        reply.bulk(name);
        reply.bulk("description");
        match description {
            Some(text) => reply.bulk(text),
            None => reply.null(),
        }
        reply.bulk("flags");
        let flags: Vec<&str> = flags.names().collect();
        reply.set(flags.len());
        flags.iter().for_each(|flag| reply.simple(flag));
    }
}
