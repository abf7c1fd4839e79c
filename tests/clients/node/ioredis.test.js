// What a program that uses ioredis leans on.
'use strict';

const assert = require('node:assert/strict');
const { after, before, beforeEach, describe, it } = require('node:test');
const { once } = require('node:events');
const Redis = require('ioredis');
const { Copal } = require('./copal.js');

async function until(holds) {
  for (let turn = 0; turn < 1000; turn += 1) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`does not come to hold: ${holds}`);
}

describe('ioredis', () => {
  let server;
  let client;
  const connect = (options = {}) => new Redis({ port: server.port, host: '127.0.0.1', ...options });

  before(async () => {
    server = await Copal.start();
    client = connect();
  });
  after(async () => {
    client.disconnect();
    await server.close();
  });
  beforeEach(() => client.flushall());

  it('reads every type back as it was written', async () => {
    await client.set('text', 'grüße', 'EX', 100);
    await client.rpush('list', 1, 2, 3);
    await client.sadd('set', 'a', 'b');
    await client.hset('hash', { name: 'copal', n: 7 });
    await client.zadd('zset', 0.5, 'half', '-inf', 'low');
    assert.equal(await client.get('text'), 'grüße');
    assert.deepEqual(await client.lrange('list', 0, -1), ['1', '2', '3']);
    assert.deepEqual((await client.smembers('set')).sort(), ['a', 'b']);
    assert.deepEqual(await client.hgetall('hash'), { name: 'copal', n: '7' });
    assert.deepEqual(await client.zrange('zset', 0, -1, 'WITHSCORES'), ['low', '-inf', 'half', '0.5']);
  });

  it('keeps bytes unchanged', async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    await client.set(bytes, bytes);
    assert.deepEqual(await client.getBuffer(bytes), bytes);
  });

  it('answers a pipeline in order, and names the command that failed', async () => {
    const answers = await client.pipeline().set('a', 1).lpush('a', 2).incr('a').exec();
    assert.equal(answers[0][1], 'OK');
    assert.match(answers[1][0].message, /^WRONGTYPE/);
    assert.equal(answers[2][1], 2);
  });

  it('runs a transaction as one, and not at all when a watched key changed', async () => {
    assert.deepEqual(await client.multi().set('a', 1).incr('a').exec(), [[null, 'OK'], [null, 2]]);
    const other = connect();
    await client.watch('a');
    await other.set('a', 9);
    assert.equal(await client.multi().set('a', 3).exec(), null);
    assert.equal(await client.get('a'), '9');
    other.disconnect();
  });

  it('gathers commands of one tick by itself', async () => {
    const eager = connect({ enableAutoPipelining: true });
    const answers = await Promise.all(Array.from({ length: 500 }, () => eager.incr('together')));
    assert.deepEqual(answers, Array.from({ length: 500 }, (_, n) => n + 1));
    eager.disconnect();
  });

  it('serves blocked pops in the order in which they came', async () => {
    const waiting = Array.from({ length: 5 }, () => connect());
    const order = [];
    const pops = [];
    for (const [index, waiter] of waiting.entries()) {
      await waiter.ping();
      pops.push(waiter.blpop('jobs', 20).then(([, job]) => order.push([index, job])));
      await until(async () => (await client.info('clients')).includes(`blocked_clients:${index + 1}\r\n`));
    }
    await client.rpush('jobs', 'a', 'b', 'c', 'd', 'e');
    await Promise.all(pops);
    assert.deepEqual(order.sort(), [[0, 'a'], [1, 'b'], [2, 'c'], [3, 'd'], [4, 'e']]);
    assert.equal(await waiting[0].brpop('jobs', 0.05), null);
    waiting.forEach((waiter) => waiter.disconnect());
  });

  it('hears channels and patterns', async () => {
    const subscriber = connect();
    await subscriber.subscribe('news');
    await subscriber.psubscribe('weather.*');
    const message = once(subscriber, 'message');
    const patterned = once(subscriber, 'pmessage');
    await client.publish('news', 'one');
    await client.publish('weather.berlin', 'two');
    assert.deepEqual(await message, ['news', 'one']);
    assert.deepEqual(await patterned, ['weather.*', 'weather.berlin', 'two']);
    subscriber.disconnect();
  });

  it('streams every key of a scan', async () => {
    const pipeline = client.pipeline();
    for (let n = 0; n < 3000; n += 1) pipeline.set(`key:${n}`, n);
    await pipeline.exec();
    const seen = new Set();
    for await (const keys of client.scanStream({ match: 'key:*', count: 100 })) keys.forEach((key) => seen.add(key));
    assert.equal(seen.size, 3000);
  });

  it('prefixes keys by what COMMAND says of them', async () => {
    const prefixed = connect({ keyPrefix: 'app:' });
    await prefixed.mset('a', 1, 'b', 2);
    await prefixed.sort('none', 'BY', 'w_*', 'STORE', 'out');
    assert.deepEqual((await client.keys('*')).sort(), ['app:a', 'app:b']);
    prefixed.disconnect();
  });

  it('connects again after a crash and finds the data of the snapshot', async () => {
    await client.rpush('queue', ...Array.from({ length: 1000 }, (_, n) => n));
    await client.zadd('zset', 1.5, 'm');
    await client.bgsave();
    await until(async () => (await client.info('persistence')).includes('rdb_bgsave_in_progress:0'));
    const ready = once(client, 'ready');
    client.on('error', () => {});
    await server.kill();
    await server.spawn();
    await ready;
    assert.equal(await client.llen('queue'), 1000);
    assert.equal(await client.zscore('zset', 'm'), '1.5');
  });
});
