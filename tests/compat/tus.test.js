// The official tus client against the real program: what resumes elsewhere resumes here. FLUXGATE names the program.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as tus from 'tus-js-client';
import { film, Server } from './server.js';

let server, clip;

before(async () => {
  server = await Server.started();
  clip = await film(3_000_000);
});

after(() => server.stop());

function upload(bytes, options = {}) {
  return new Promise((resolve, reject) => {
    const one = new tus.Upload(bytes, {
      endpoint: `${server.base}/api/v1/uploads`,
      headers: { Authorization: `Bearer ${server.token}` },
      metadata: { filename: '灯塔.mp4', kind: 'video' },
      retryDelays: [50, 100, 200, 400, 800],
      onError: reject,
      onSuccess: () => resolve(one),
      ...options,
    });
    one.start();
  });
}

const told = (url) => server.call('GET', url);

test('a file in one piece, and its bytes again', async () => {
  const done = await upload(clip);
  const { file } = await told(done.url);
  assert.equal(file.filename, '灯塔.mp4');
  assert.equal(file.duration_ms ?? 1500, 1500);
  const kept = Buffer.from(await (await fetch(new URL(file.url, server.base))).arrayBuffer());
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
      endpoint: `${server.base}/api/v1/uploads`,
      headers: { Authorization: `Bearer ${server.token}` },
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
  await server.kill();
  await server.start();
  const sent = [];
  await upload(clip, { uploadUrl: new URL(new URL(url).pathname, server.base).href, chunkSize: 500_000, onProgress: (bytes) => sent.push(bytes) });
  assert.ok(sent[0] >= 1_000_000, `began at ${sent[0]}`);
  assert.ok((await told(new URL(url).pathname)).file);
});

test('in four parts at once', async () => {
  const done = await upload(clip, { parallelUploads: 4, storeFingerprintForResuming: false });
  const { file, length } = await told(done.url);
  assert.equal(length, clip.length);
  const kept = Buffer.from(await (await fetch(new URL(file.url, server.base))).arrayBuffer());
  assert.ok(kept.equals(clip));
});

test('given up', async () => {
  const begun = await new Promise((resolve, reject) => {
    const one = new tus.Upload(clip, {
      endpoint: `${server.base}/api/v1/uploads`,
      headers: { Authorization: `Bearer ${server.token}` },
      chunkSize: 500_000,
      onError: reject,
      onChunkComplete: () => resolve(one),
    });
    one.start();
  });
  await begun.abort(true);
  const answer = await fetch(begun.url, { headers: { Authorization: `Bearer ${server.token}` } });
  assert.equal(answer.status, 404);
});

test('what is no video is refused by its first bytes', async () => {
  await assert.rejects(upload(Buffer.alloc(2_000_000, '<html>')), (error) => {
    assert.equal(error.originalResponse.getStatus(), 415);
    return true;
  });
});
