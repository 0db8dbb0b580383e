// One `fluxgate serve` for a test file: on a free port, in a folder of its own, with somebody who has signed up.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export async function written(file) {
  for (;;) {
    const text = await readFile(file, 'utf8').catch(() => '');
    if (text.endsWith('\n')) return text.trim();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

// The test clip with a box behind it that players pass over, so that it has a size worth sending.
export async function film(size) {
  const bytes = await readFile(new URL('../fixtures/media/clip.mp4', import.meta.url));
  const box = Buffer.alloc(size - bytes.length);
  box.writeUInt32BE(box.length, 0);
  box.write('free', 4);
  return Buffer.concat([bytes, box]);
}

export class Server {
  static async started() {
    const server = new Server();
    server.folder = await mkdtemp(join(tmpdir(), 'fluxgate-compat-'));
    await server.start();
    const person = { name: 'Ann', email: 'ann@example.org', password: 'correct horse' };
    server.token = (await server.call('POST', '/api/v1/auths/signup', person)).token;
    return server;
  }

  async start() {
    const portFile = join(this.folder, 'fluxgate.port');
    await rm(portFile, { force: true });
    this.process = spawn(process.env.FLUXGATE, ['serve', '--sandbox', '--port', '0', '--data-dir', this.folder], { env: { DEFAULT_USER_ROLE: 'user', LOG_LEVEL: 'error' } });
    const exited = new Promise((_, reject) => this.process.once('exit', (code, signal) => signal || reject(new Error(`the server ended with ${code}`))));
    exited.catch(() => {});
    this.base = `http://127.0.0.1:${await Promise.race([exited, written(portFile)])}`;
    while (!(await fetch(`${this.base}/health`).then((answer) => answer.ok, () => false)));
  }

  async kill() {
    const ended = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.kill('SIGKILL');
    await ended;
  }

  async stop() {
    this.process.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  // An answer that must be good, as JSON.
  async call(method, path, body) {
    const answer = await this.ask(method, path, body);
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  ask(method, path, body) {
    const headers = { 'Content-Type': 'application/json', ...(this.token && { Authorization: `Bearer ${this.token}` }) };
    return fetch(new URL(path, this.base), { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
  }
}
