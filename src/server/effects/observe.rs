//! What the server tells about itself.

use crate::commands::ObserveEffect;
use crate::server::client::ClientKey;
use crate::server::executor::Executor;

impl Executor {
    pub(super) fn perform_observe(&mut self, key: ClientKey, effect: ObserveEffect) {
        match effect {
            ObserveEffect::Info(names) => {
                let names: Vec<&[u8]> = names.iter().map(|name| &**name).collect();
                let text = self.info(&names);
                self.clients.get_mut(key).reply.verbatim(b"txt", &text);
            }
        }
    }
}
