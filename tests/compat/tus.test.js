// The official tus client against the real program: what resumes elsewhere resumes here. FLUXGATE names the program.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import * as tus from 'tus-js-client';

let folder, server, base, token, clip;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fluxgate-compat-'));
  await start();
  const answer = await fetch(`${base}/api/v1/auths/signup`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ name: 'Ann', email: 'ann@example.org', password: 'correct horse' }),
  });
  token = (await answer.json()).token;
  clip = film(await readFile(new URL('../fixtures/media/clip.mp4', import.meta.url)), 3_000_000);
});

after(async () => {
  server.kill();
  await rm(folder, { recursive: true, force: true });
});

async function start() {
  const portFile = join(folder, 'fluxgate.port');
  await rm(portFile, { force: true });
  server = spawn(process.env.FLUXGATE, ['serve', '--sandbox', '--port', '0', '--data-dir', folder], { env: { DEFAULT_USER_ROLE: 'user', LOG_LEVEL: 'error' } });
  const exited = new Promise((_, reject) => server.once('exit', (code, signal) => signal || reject(new Error(`the server ended with ${code}`))));
  exited.catch(() => {});
  base = `http://127.0.0.1:${await Promise.race([exited, written(portFile)])}`;
  while (!(await fetch(`${base}/health`).then((answer) => answer.ok, () => false)));
}

async function written(file) {
  for (;;) {
    const text = await readFile(file, 'utf8').catch(() => '');
    if (text.endsWith('\n')) return text.trim();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

// The clip with a box behind it that players pass over, so that it has a size worth resuming.
function film(bytes, size) {
  const box = Buffer.alloc(size - bytes.length);
  box.writeUInt32BE(box.length, 0);
  box.write('free', 4);
  return Buffer.concat([bytes, box]);
}

function upload(bytes, options = {}) {
  return new Promise((resolve, reject) => {
    const one = new tus.Upload(bytes, {
      endpoint: `${base}/api/v1/uploads`,
      headers: { Authorization: `Bearer ${token}` },
      metadata: { filename: '灯塔.mp4', kind: 'video' },
      retryDelays: [50, 100, 200, 400, 800],
      onError: reject,
      onSuccess: () => resolve(one),
      ...options,
    });
    one.start();
  });
}

async function told(url) {
  const answer = await fetch(new URL(url, base), { headers: { Authorization: `Bearer ${token}` } });
  assert.equal(answer.status, 200);
  return answer.json();
}

test('a file in one piece, and its bytes again', async () => {
  const done = await upload(clip);
  const { file } = await told(done.url);
  assert.equal(file.filename, '灯塔.mp4');
  assert.equal(file.duration_ms ?? 1500, 1500);
  const kept = Buffer.from(await (await fetch(new URL(file.url, base))).arrayBuffer());
  assert.ok(kept.equals(clip));
});

test('in chunks, with the first one at the creation', async () => {
  const seen = [];
  const done = await upload(clip, { chunkSize: 700_000, uploadDataDuringCreation: true, onChunkComplete: (_size, accepted) => seen.push(accepted) });
  assert.deepEqual(seen, [700_000, 1_400_000, 2_100_000, 2_800_000, 3_000_000]);
  assert.ok((await told(done.url)).file);
});

test('where only POST passes', async () => {
  const done = await upload(clip, { overridePatchMethod: true, chunkSize: 1_000_000 });
  assert.ok((await told(done.url)).file);
});

test('after the server was killed half-way, from where it was', async () => {
  let url;
  await new Promise((resolve, reject) => {
    const first = new tus.Upload(clip, {
      endpoint: `${base}/api/v1/uploads`,
      headers: { Authorization: `Bearer ${token}` },
      metadata: { kind: 'video' },
      chunkSize: 500_000,
      retryDelays: null,
      onError: reject,
      onSuccess: () => reject(new Error('it was to be interrupted')),
      onChunkComplete: (_size, accepted) => {
        if (accepted < 1_000_000) return;
        url = first.url;
        first.abort();
        resolve();
      },
    });
    first.start();
  });
  const ended = new Promise((resolve) => server.once('exit', resolve));
  server.kill('SIGKILL');
  await ended;
  await start();
  const sent = [];
  await upload(clip, { uploadUrl: new URL(new URL(url).pathname, base).href, chunkSize: 500_000, onProgress: (bytes) => sent.push(bytes) });
  assert.ok(sent[0] >= 1_000_000, `began at ${sent[0]}`);
  assert.ok((await told(new URL(url).pathname)).file);
});

test('given up', async () => {
  const begun = await new Promise((resolve, reject) => {
    const one = new tus.Upload(clip, {
      endpoint: `${base}/api/v1/uploads`,
      headers: { Authorization: `Bearer ${token}` },
      chunkSize: 500_000,
      onError: reject,
      onChunkComplete: () => resolve(one),
    });
    one.start();
  });
  await begun.abort(true);
  const answer = await fetch(begun.url, { headers: { Authorization: `Bearer ${token}` } });
  assert.equal(answer.status, 404);
});

test('what is no video is refused by its first bytes', async () => {
  await assert.rejects(upload(Buffer.alloc(2_000_000, '<html>')), (error) => {
    assert.equal(error.originalResponse.getStatus(), 415);
    return true;
  });
});
