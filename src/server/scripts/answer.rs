//! SCRIPT: what is known of scripts.

use super::Language;
use crate::commands::{CommandError, ScriptsRequest};
use crate::script::Sha;
use crate::server::clients::ClientKey;
use crate::server::executor::Executor;

impl Executor {
    pub(in crate::server) fn answer_scripts(&mut self, key: ClientKey, request: ScriptsRequest) {
        if let Err(error) = self.try_answer_scripts(key, request) {
            self.reply_error(key, &error);
        }
    }

    fn try_answer_scripts(&mut self, key: ClientKey, request: ScriptsRequest) -> Result<(), CommandError> {
        match request {
            ScriptsRequest::Exists(shas) => {
                let reply = &mut self.clients.get_mut(key).reply;
                reply.array(shas.len());
                for sha in shas {
                    let known = Sha::from_hex(&sha).is_some_and(|sha| self.scripts.cache.contains(sha));
                    reply.integer(known.into());
                }
            }
            ScriptsRequest::Flush { lazily } => {
                self.flush_scripts(lazily);
                self.clients.get_mut(key).reply.ok();
            }
            ScriptsRequest::Kill => {
                self.scripts.kill(Language::Eval)?;
                self.clients.get_mut(key).reply.ok();
            }
            ScriptsRequest::Load(text) => {
                let sha = Sha::of(&text);
                if !self.scripts.cache.pin(sha) {
                    self.add_script(sha, &text, false)?;
                }
                self.clients.get_mut(key).reply.bulk(sha.to_string());
            }
        }
        Ok(())
    }
}
