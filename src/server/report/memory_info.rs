//! INFO's section about memory.

use std::fmt::Display;

use crate::observe::InfoText;
use crate::server::executor::Executor;
use crate::server::memory::Excess;
use crate::stdx::version;

impl Executor {
    pub(super) fn info_memory(&self, out: &mut InfoText) {
        let report = self.memory_report();
        out.bytes_and_human("used_memory", report.used);
        out.bytes_and_human("used_memory_rss", report.resident);
        out.bytes_and_human("used_memory_peak", report.peak);
        out.field("used_memory_peak_perc", format_args!("{:.2}%", report.peak_percent()));
        out.field("used_memory_overhead", report.overhead);
        out.field("used_memory_startup", report.startup);
        out.field("used_memory_dataset", report.dataset());
        out.field("used_memory_dataset_perc", format_args!("{:.2}%", report.dataset_percent()));
        out.field("allocator_allocated", report.allocator.allocated);
        out.field("allocator_active", report.allocator.active);
        out.field("allocator_resident", report.allocator.resident);
        out.field("allocator_retained", report.allocator.retained);
        out.field("allocator_muzzy", report.allocator.muzzy);
        out.bytes_and_human("total_system_memory", self.memory.limit().bytes());
        self.info_scripts(out);
        out.bytes_and_human("maxmemory", self.config.maxmemory_bytes);
        out.field("maxmemory_policy", self.config.maxmemory_policy.name());
        excess(out, "allocator_frag", report.allocator_fragmentation());
        excess(out, "allocator_rss", report.allocator_resident());
        excess(out, "rss_overhead", report.resident_overhead());
        let fragmentation = report.fragmentation();
        ratio(out, "mem_fragmentation_ratio", fragmentation.ratio);
        out.field("mem_fragmentation_bytes", fragmentation.bytes);
        out.field("mem_not_counted_for_evict", self.bytes_for_lagging_replicas());
        out.field("mem_replication_backlog", report.replication.backlog);
        out.field("mem_total_replication_buffers", report.replication.buffers);
        out.field("mem_clients_slaves", report.replication.clients);
        out.field("mem_clients_normal", report.clients);
        out.field("mem_cluster_links", 0);
        out.field("mem_aof_buffer", 0);
        out.field("mem_allocator", version::ALLOCATOR);
        self.info_huge_pages(out);
        // Tables grow without a second one.
        out.field("mem_overhead_db_hashtable_rehashing", 0);
        out.field("active_defrag_running", self.memory.defragmentation().running_percent());
        out.field("lazyfree_pending_objects", self.keyspace.lazy_free.pending());
        out.field("lazyfreed_objects", self.keyspace.lazy_free.freed());
    }

    fn info_scripts(&self, out: &mut InfoText) {
        let scripts = self.scripts.usage();
        // The older name of used_memory_vm_eval.
        out.bytes_and_human("used_memory_lua", scripts.vm_eval);
        out.field("used_memory_vm_eval", scripts.vm_eval);
        out.field("used_memory_scripts_eval", scripts.cache);
        out.field("number_of_cached_scripts", scripts.cached);
        out.field("number_of_functions", scripts.functions);
        out.field("number_of_libraries", scripts.libraries);
        out.field("used_memory_vm_functions", scripts.vm_functions);
        out.bytes_and_human("used_memory_vm_total", scripts.vm_eval + scripts.vm_functions);
        out.field("used_memory_functions", scripts.function_cache);
        out.bytes_and_human("used_memory_scripts", scripts.cache + scripts.function_cache);
    }

    fn info_huge_pages(&self, out: &mut InfoText) {
        let progress = self.snapshots.healing();
        out.flag("mem_huge_pages", self.memory.uses_huge_pages());
        out.field("mem_huge_page_bytes", progress.huge_bytes);
        out.field("mem_huge_page_split_bytes", progress.split_bytes);
        out.field("mem_huge_page_healed_bytes", progress.healed_bytes);
        out.flag("mem_huge_page_healing", progress.in_progress);
    }
}

fn excess(out: &mut InfoText, name: &str, excess: Excess) {
    ratio(out, format_args!("{name}_ratio"), excess.ratio);
    out.field(format_args!("{name}_bytes"), excess.bytes);
}

fn ratio(out: &mut InfoText, name: impl Display, ratio: f64) {
    out.field(name, format_args!("{ratio:.2}"));
}
