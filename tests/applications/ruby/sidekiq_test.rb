# Sidekiq, as Debian packages it: jobs at once, later and again, and the scheduled ones taken by its script.

require "minitest/autorun"
require "sidekiq"
require "sidekiq/api"

PORT = Integer(ENV.fetch("COPAL_PORT"))
URL = "redis://127.0.0.1:#{PORT}/0"
Sidekiq.configure_client { |config| config.redis = { url: URL } }

WORKER = <<~RUBY
  require "sidekiq"
  Sidekiq.configure_server do |config|
    config.redis = { url: "#{URL}" }
    config.average_scheduled_poll_interval = 1 if config.respond_to?(:average_scheduled_poll_interval=)
    config[:average_scheduled_poll_interval] = 1 if config.respond_to?(:[]=)
  end
  class Note
    include Sidekiq::Worker
    sidekiq_options retry: 3
    sidekiq_retry_in { |_count| 1 }
    def perform(key, fail_times = 0)
      Sidekiq.redis do |redis|
        tries = redis.incr(key + ":tries")
        raise "not yet" if tries <= fail_times
        redis.rpush(key, Time.now.to_f)
      end
    end
  end
RUBY

class Note
  include Sidekiq::Worker
end

class SidekiqTest < Minitest::Test
  def self.start
    file = File.join(Dir.mktmpdir, "worker.rb")
    File.write(file, WORKER)
    pid = spawn("sidekiq", "-r", file, "-c", "2", out: File::NULL, err: File::NULL)
    Minitest.after_run do
      Process.kill("KILL", pid)
      Process.wait(pid)
    end
  end

  def wait_for(key, count)
    120.times do
      times = Sidekiq.redis { |redis| redis.lrange(key, 0, -1) }
      return times.map(&:to_f) if times.size >= count
      sleep 0.25
    end
    flunk "#{key} did not get #{count} entries"
  end

  def test_jobs_run
    10.times { Note.perform_async("plain") }
    assert_equal 10, wait_for("plain", 10).size
  end

  def test_a_scheduled_job_runs_when_it_is_due_and_not_before
    start = Time.now.to_f
    Note.perform_in(1, "later")
    assert_operator wait_for("later", 1).first, :>=, start + 1
    assert_equal 0, Sidekiq::ScheduledSet.new.size
  end

  def test_a_job_that_fails_is_tried_again
    Note.perform_async("again", 1)
    assert_equal 1, wait_for("again", 1).size
  end
end

require "tmpdir"
SidekiqTest.start
