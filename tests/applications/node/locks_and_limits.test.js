// Redlock, rate-limiter-flexible, and ioredis' own way to define scripts as commands.
'use strict';

const assert = require('node:assert');
const { after, test } = require('node:test');
const Redis = require('ioredis');
const { Redlock } = require('@sesamecare-oss/redlock');
const { RateLimiterRedis } = require('rate-limiter-flexible');

const client = new Redis({ host: '127.0.0.1', port: Number(process.env.COPAL_PORT) });

after(() => client.disconnect());

test('redlock keeps others out, extends and releases', async () => {
  const redlock = new Redlock([client], { retryCount: 0 });
  const lock = await redlock.acquire(['resource'], 5000);
  await assert.rejects(redlock.acquire(['resource'], 1000));
  const longer = await lock.extend(10000);
  assert.ok((await client.pttl('resource')) > 5000);
  await longer.release();
  await (await redlock.acquire(['resource', 'another'], 1000)).release();
  assert.strictEqual(await client.exists('resource', 'another'), 0);
});

test('redlock holds a lock for as long as its routine takes', async () => {
  const redlock = new Redlock([client], { retryCount: 100, retryDelay: 10, automaticExtensionThreshold: 200 });
  let inside = 0;
  let most = 0;
  await Promise.all(Array.from({ length: 5 }, () => redlock.using(['shared'], 400, async () => {
    inside += 1;
    most = Math.max(most, inside);
    await new Promise((resolve) => setTimeout(resolve, 100));
    inside -= 1;
  })));
  assert.strictEqual(most, 1);
});

test('a rate limiter lets so many through and says when to come again', async () => {
  const limiter = new RateLimiterRedis({ storeClient: client, points: 3, duration: 1, keyPrefix: 'limit' });
  for (const left of [2, 1, 0]) {
    assert.strictEqual((await limiter.consume('somebody')).remainingPoints, left);
  }
  const refused = await limiter.consume('somebody').catch((reason) => reason);
  assert.ok(refused.msBeforeNext > 0 && refused.msBeforeNext <= 1000, `${refused.msBeforeNext}`);
  await new Promise((resolve) => setTimeout(resolve, refused.msBeforeNext + 50));
  assert.strictEqual((await limiter.consume('somebody')).remainingPoints, 2);
});

test('a script is a command, alone, in a pipeline and in a transaction', async () => {
  client.defineCommand('swap', {
    numberOfKeys: 2,
    lua: "local a, b = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2]) " +
      "redis.call('MSET', KEYS[1], b, KEYS[2], a) return {b, a, ARGV[1]}",
  });
  await client.mset('a', '1', 'b', '2');
  assert.deepStrictEqual(await client.swap('a', 'b', 'x'), ['2', '1', 'x']);
  assert.deepStrictEqual(await client.pipeline().swap('a', 'b', 'y').get('a').exec(), [[null, ['1', '2', 'y']], [null, '1']]);
  await client.script('FLUSH');
  // Outside a transaction ioredis sends the text of a script that is missing.
  assert.deepStrictEqual(await client.swap('a', 'b', ''), ['2', '1', '']);
  assert.deepStrictEqual(await client.multi().swap('a', 'b', 'z').get('a').exec(), [[null, ['1', '2', 'z']], [null, '1']]);
});

test('buffers go through a script unchanged', async () => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  assert.deepStrictEqual(await client.callBuffer('EVAL', 'return ARGV[1]', 0, bytes), bytes);
});
