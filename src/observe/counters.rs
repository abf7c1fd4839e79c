//! Plain counters since the start or the last CONFIG RESETSTAT.

/// What the server counts of itself; the names are those of INFO.
#[derive(Debug, Default, Clone)]
pub struct Counters {
    pub total_connections_received: u64,
    pub rejected_connections: u64,
    pub total_commands_processed: u64,
    pub total_net_input_bytes: u64,
    pub total_net_output_bytes: u64,
    /// Of links to a primary and to replicas.
    pub total_net_repl_input_bytes: u64,
    pub total_net_repl_output_bytes: u64,
    pub total_reads_processed: u64,
    pub total_writes_processed: u64,
    pub total_error_replies: u64,
    pub unexpected_error_replies: u64,
    pub client_query_buffer_limit_disconnections: u64,
    pub client_output_buffer_limit_disconnections: u64,
    /// Closed for the memory that all clients took together.
    pub evicted_clients: u64,
    pub acl_access_denied_auth: u64,
    pub acl_access_denied_cmd: u64,
    pub acl_access_denied_key: u64,
    pub acl_access_denied_channel: u64,
    /// Shown as `expire_cycle_cpu_milliseconds`.
    pub expire_cycle_us: u64,
}
