// A Copal server of a test's own: a free port, a temporary folder, and an end at any moment.
'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = net.createServer();
    probe.on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    socket.once('data', () => { socket.destroy(); resolve(true); });
    socket.once('error', () => resolve(false));
  });
}

class Copal {
  static async start() {
    const server = new Copal();
    server.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'copal-clients-'));
    server.port = await freePort();
    await server.spawn();
    return server;
  }

  async spawn() {
    const settings = ['--port', this.port, '--bind', '127.0.0.1', '--dir', this.folder, '--save', ''];
    this.process = spawn(process.env.COPAL_SERVER, settings.map(String), { stdio: 'ignore' });
    for (let turn = 0; turn < 500; turn += 1) {
      if (await answers(this.port)) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error('the server does not answer');
  }

  kill() {
    const ended = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.kill('SIGKILL');
    return ended;
  }

  async close() {
    await this.kill();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

module.exports = { Copal };
