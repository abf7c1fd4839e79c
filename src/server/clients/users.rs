//! Users and their connections: who may run what, what follows when a user changes, and the file of users.

use std::path::Path;
use std::rc::Rc;

use super::client::{ClientKey, Close};
use crate::commands::{
    AccessRules, ChannelKind, CommandError, CommandId, Denial, DenialContext, DenialReason, Denied, Reloaded, User,
    UserChange, UsersEffect, UsersRequest,
};
use crate::resp::Args;
use crate::server::exec::{Frame, Nesting};
use crate::server::executor::Executor;
use crate::snapshot::{read_file, replace_file};
use crate::stdx::text::reason;

/// What a new file of users may be read and written by.
const FILE_MODE: u32 = 0o644;

impl Executor {
    /// Makes the users that the settings name. On an error, which is for the log, the server does not start.
    pub(in crate::server) fn set_up_users(&mut self) -> Result<(), String> {
        let config = &self.config;
        if !config.users.is_empty() && !config.aclfile.is_empty() {
            return Err(
                "Configuring Redis with users defined in redis.conf and at the same setting an ACL file path is \
                        invalid. This setup is very likely to lead to configuration errors and security holes, please \
                        define either an ACL file or declare users directly in your redis.conf, but not both."
                    .to_owned(),
            );
        }
        let rules = AccessRules::new(self.table.rows(), config);
        self.users.configure(&config.users, &rules)?;
        for line in &config.users {
            if let Some(user) = line.first().and_then(|name| self.users.find(name)).filter(|user| !user.is_on()) {
                tracing::info!(
                    "The user '{}' is disabled (there is no 'on' modifier in the user description). Make sure this is \
                     not a configuration error.",
                    String::from_utf8_lossy(user.name())
                );
            }
        }
        if !config.aclfile.is_empty() {
            self.load_users().map_err(|error| {
                format!("Aborting Redis startup because of ACL errors: {}", String::from_utf8_lossy(&error))
            })?;
        }
        Ok(())
    }

    /// Gives the default user the password of `requirepass`.
    pub(in crate::server) fn follow_password(&mut self) {
        let rules = AccessRules::new(self.table.rows(), &self.config);
        if let Some(change) = self.users.set_default_password(&self.config.requirepass, &rules) {
            self.follow_change(&change);
        }
    }

    /// Why a client may not run a command, if it may not.
    #[inline]
    pub(in crate::server) fn denial(&self, key: ClientKey, command: CommandId, args: Args<'_>) -> Option<Denied> {
        if self.clients.get(key).session.is_free() { None } else { self.denial_by_rules(key, command, args) }
    }

    #[inline(never)]
    fn denial_by_rules(&self, key: ClientKey, command: CommandId, args: Args<'_>) -> Option<Denied> {
        self.clients.get(key).session.user().check(self.table.row(command), args).err()
    }

    /// Counts and notes that a client was denied a command.
    pub(in crate::server) fn note_denial(&mut self, frame: &Frame<'_>, denied: Denied) {
        let Frame { client: key, command, args, .. } = *frame;
        let (reason, object): (_, &[u8]) = match denied {
            Denied::Command => (DenialReason::Command, self.table.row(command).full_name.as_bytes()),
            Denied::Key(index) => (DenialReason::Key, args.arg(index)),
            Denied::Channel(index) => (DenialReason::Channel, args.arg(index)),
        };
        let session = &mut self.clients.get_mut(key).session;
        // The log shows who tried it by the line of CLIENT LIST, where this command is the last one.
        session.last_command = Some(command);
        let (object, user) = (object.into(), session.user().name().into());
        self.log_denial(frame, reason, object, user);
    }

    /// Counts and notes that a client could not log in.
    pub(in crate::server) fn note_failed_login(&mut self, frame: &Frame<'_>, user: &[u8]) {
        self.log_denial(frame, DenialReason::Auth, frame.args.arg(0).into(), user.into());
    }

    fn log_denial(&mut self, frame: &Frame<'_>, reason: DenialReason, object: Box<[u8]>, user: Box<[u8]>) {
        let counters = &mut self.stats.counters;
        *match reason {
            DenialReason::Auth => &mut counters.acl_access_denied_auth,
            DenialReason::Command => &mut counters.acl_access_denied_cmd,
            DenialReason::Key => &mut counters.acl_access_denied_key,
            DenialReason::Channel => &mut counters.acl_access_denied_channel,
        } += 1;
        let key = frame.client;
        let caller = self.scripts.caller_of(key);
        let within_transaction = frame.nesting == Nesting::Exec || self.clients.get(key).session.transaction.is_some();
        let context = match caller {
            Some(_) => DenialContext::Script,
            None if within_transaction => DenialContext::Transaction,
            None => DenialContext::TopLevel,
        };
        let shown = caller.unwrap_or(key);
        let client = self.describe_client(shown, shown, 0).trim_end().to_owned();
        let denial = Denial { reason, context, object, user, client };
        let len_max = usize::try_from(self.config.acllog_max_len).unwrap_or(usize::MAX);
        self.users.log.note(denial, self.clock.latest().unix_ms, len_max);
    }

    pub(in crate::server) fn perform_users(&mut self, key: ClientKey, effect: UsersEffect) {
        match effect {
            UsersEffect::Changed(change) => {
                self.end_deaf_subscribers(key, &change);
                self.follow_change(&change);
            }
            UsersEffect::Removed(users) => self.end_connections_of(key, &users),
        }
    }

    pub(in crate::server) fn answer_users(&mut self, key: ClientKey, request: UsersRequest) {
        match request {
            UsersRequest::Load => match self.load_users() {
                Ok(Reloaded { default, removed }) => {
                    self.follow_change(&default);
                    self.end_connections_of(key, &removed);
                    self.clients.get_mut(key).reply.ok();
                }
                Err(text) => self.reply_error(key, &CommandError::Bytes([b"ERR ", &*text].concat())),
            },
            UsersRequest::Save => {
                if self.save_users() {
                    self.clients.get_mut(key).reply.ok();
                    return;
                }
                let text = "ERR There was an error trying to save the ACLs. Please check the server logs for more \
                            information";
                self.reply_error(key, &CommandError::text(text));
            }
        }
    }

    fn connections_of(&self, user: &Rc<User>) -> Vec<ClientKey> {
        let of_user = |key: &ClientKey| Rc::ptr_eq(self.clients.get(*key).session.user(), user);
        self.clients.iter().map(|(key, _)| key).filter(of_user).collect()
    }

    fn follow_change(&mut self, change: &UserChange) {
        for key in self.connections_of(&change.old) {
            self.clients.get_mut(key).session.follow_user(Rc::clone(&change.new));
        }
    }

    /// Ends the connections of users that are no more.
    fn end_connections_of(&mut self, asking: ClientKey, users: &[Rc<User>]) {
        for key in users.iter().flat_map(|user| self.connections_of(user)).collect::<Vec<_>>() {
            let default_user = Rc::clone(self.users.default_user());
            // Whatever may still come of them, they have no permission of the old user any more.
            self.clients.get_mut(key).session.log_out(default_user);
            self.end_connection(asking, key);
        }
    }

    /// Ends the connections that listen to a channel which their user has lost.
    fn end_deaf_subscribers(&mut self, asking: ClientKey, change: &UserChange) {
        if change.new.has_channels_of(&change.old) {
            return;
        }
        let kinds = [(ChannelKind::Channel, false), (ChannelKind::Pattern, true), (ChannelKind::Shard, false)];
        for key in self.connections_of(&change.old) {
            let channels = &self.clients.get(key).channels;
            let has_lost_one = kinds.iter().any(|(kind, is_pattern)| {
                channels.of(*kind).iter().any(|channel| !change.new.allows_channel(channel, *is_pattern))
            });
            if has_lost_one {
                self.end_connection(asking, key);
            }
        }
    }

    /// Ends a connection at once, but that of the client who asks for it only once it has its answer.
    fn end_connection(&mut self, asking: ClientKey, key: ClientKey) {
        if key == asking {
            self.clients.get_mut(key).close(Close::AfterReply);
        } else {
            self.drop_client(key);
        }
    }

    fn load_users(&mut self) -> Result<Reloaded, Vec<u8>> {
        let path = &self.config.aclfile;
        let text = read_file(Path::new(path))
            .and_then(|text| text.ok_or_else(|| std::io::Error::from_raw_os_error(libc::ENOENT)));
        let text = text.map_err(|error| {
            let reason = reason(&error);
            format!("Error loading ACLs, opening file '{path}': {reason}").into_bytes()
        })?;
        let rules = AccessRules::new(self.table.rows(), &self.config);
        self.users.load(path, &text, &rules)
    }

    fn save_users(&self) -> bool {
        match replace_file(Path::new(&self.config.aclfile), &self.users.file_text(), FILE_MODE) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!("Writing ACL file for ACL SAVE: {}: {}", self.config.aclfile, reason(&error));
                false
            }
        }
    }
}
