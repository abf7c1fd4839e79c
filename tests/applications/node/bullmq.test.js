// BullMQ, whose queue is nothing but scripts: adding, processing, delays, priorities, flows, retries, rate limits.
'use strict';

const assert = require('node:assert');
const { after, before, test } = require('node:test');
const { FlowProducer, Queue, QueueEvents, Worker } = require('bullmq');

const connection = { host: '127.0.0.1', port: Number(process.env.COPAL_PORT), maxRetriesPerRequest: null };
const opened = [];

function open(thing) {
  opened.push(thing);
  return thing;
}

// A queue with its worker and its events.
async function queueOf(name, process, options = {}) {
  const queue = open(new Queue(name, { connection }));
  const events = open(new QueueEvents(name, { connection }));
  const worker = open(new Worker(name, process, { connection, ...options }));
  await Promise.all([queue.waitUntilReady(), events.waitUntilReady(), worker.waitUntilReady()]);
  return { queue, events, worker };
}

after(async () => {
  for (const thing of opened.reverse()) {
    await thing.close(true).catch(() => {});
  }
});

test('jobs are processed and their results kept', async () => {
  const { queue, events } = await queueOf('plain', async (job) => job.data.number * 2);
  const jobs = await queue.addBulk(Array.from({ length: 100 }, (_, number) => ({ name: 'double', data: { number } })));
  const results = await Promise.all(jobs.map((job) => job.waitUntilFinished(events, 60000)));
  assert.deepStrictEqual(results, Array.from({ length: 100 }, (_, number) => number * 2));
  assert.deepStrictEqual(await queue.getJobCounts('completed', 'failed', 'wait', 'active'), {
    completed: 100, failed: 0, wait: 0, active: 0,
  });
});

test('a delayed job runs when it is due and not before', async () => {
  const { queue, events } = await queueOf('delayed', async () => Date.now());
  const start = Date.now();
  const job = await queue.add('later', {}, { delay: 1000 });
  assert.strictEqual(await job.getState(), 'delayed');
  assert.ok((await job.waitUntilFinished(events, 60000)) >= start + 990);
});

test('jobs of a higher priority run first', async () => {
  const queue = open(new Queue('priorities', { connection }));
  for (const priority of [5, 1, 3, 2, 4]) {
    await queue.add('job', { priority }, { priority });
  }
  const order = [];
  const { events } = await queueOf('priorities', async (job) => order.push(job.data.priority));
  const last = await queue.add('last', { priority: 6 }, { priority: 6 });
  await last.waitUntilFinished(events, 60000);
  assert.deepStrictEqual(order, [1, 2, 3, 4, 5, 6]);
});

test('a job that fails is tried again with a backoff', async () => {
  const { queue, events } = await queueOf('retries', async (job) => {
    if (job.attemptsMade < 2) throw new Error('not yet');
    return job.attemptsMade;
  });
  const job = await queue.add('flaky', {}, { attempts: 5, backoff: { type: 'fixed', delay: 50 } });
  assert.strictEqual(await job.waitUntilFinished(events, 60000), 2);
  const bad = await queue.add('hopeless', {}, { attempts: 1, jobId: 'hopeless' });
  await assert.rejects(bad.waitUntilFinished(events, 60000), /not yet/);
  assert.strictEqual(await bad.getState(), 'failed');
});

test('a flow runs the parent after its children', async () => {
  const flow = open(new FlowProducer({ connection }));
  const { events } = await queueOf('parents', async (job) =>
    Object.values(await job.getChildrenValues()).reduce((sum, value) => sum + value, 0));
  await queueOf('children', async (job) => job.data.value);
  const tree = await flow.add({
    name: 'sum',
    queueName: 'parents',
    children: [1, 2, 3, 4].map((value) => ({ name: 'part', queueName: 'children', data: { value } })),
  });
  assert.strictEqual(await tree.job.waitUntilFinished(events, 60000), 10);
});

test('a rate limit holds jobs back', async () => {
  const times = [];
  const { queue, events } = await queueOf('limited', async () => times.push(Date.now()), {
    limiter: { max: 2, duration: 500 },
  });
  const jobs = await queue.addBulk(Array.from({ length: 6 }, (_, number) => ({ name: 'job', data: { number } })));
  await Promise.all(jobs.map((job) => job.waitUntilFinished(events, 60000)));
  assert.ok(times[5] - times[0] >= 900, `six jobs took ${times[5] - times[0]} ms`);
});

test('a repeated job comes back, and a paused queue gives none', async () => {
  let runs = 0;
  const { queue } = await queueOf('repeated', async () => { runs += 1; });
  await queue.upsertJobScheduler('tick', { every: 100 });
  while (runs < 3) await new Promise((resolve) => setTimeout(resolve, 20));
  await queue.removeJobScheduler('tick');
  await queue.pause();
  await queue.add('held', {});
  assert.strictEqual(await queue.isPaused(), true);
  const held = await queue.getJobCounts('paused', 'wait');
  assert.strictEqual((held.paused ?? 0) + (held.wait ?? 0), 1);
  await queue.obliterate({ force: true });
  assert.deepStrictEqual(await queue.getJobCounts('completed', 'wait', 'delayed'), { completed: 0, wait: 0, delayed: 0 });
});
