// fal's own JavaScript client against the sandbox: what works with the real service works here.
// FLUXGATE names the program.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createFalClient } from '@fal-ai/client';
import { written } from './server.js';

let folder, upstream, fal;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fluxgate-compat-'));
  const portFile = join(folder, 'port');
  upstream = spawn(process.env.FLUXGATE, ['sandbox', '--port', '0', '--folder', join(folder, 'sandbox'), '--port-file', portFile, '--tiny', '--latency', '0.2']);
  const exited = new Promise((_, reject) => upstream.once('exit', (code) => reject(new Error(`the sandbox ended with ${code}`))));
  const port = await Promise.race([exited, written(portFile)]);
  // The client has no option for its host; a middleware is its documented way.
  fal = createFalClient({
    credentials: 'id:secret',
    requestMiddleware: async (request) => {
      const url = new URL(request.url);
      return { ...request, url: `http://127.0.0.1:${port}${url.pathname}${url.search}` };
    },
  });
});

after(async () => {
  upstream.kill();
  await rm(folder, { recursive: true, force: true });
});

test('subscribe waits for the pictures', async () => {
  const states = [];
  const { data, requestId } = await fal.subscribe('fal-ai/flux-1/schnell', {
    input: { prompt: 'a boat', num_images: 2, seed: 7 },
    pollInterval: 20,
    onQueueUpdate: (update) => states.push(update.status),
  });
  assert.equal(data.images.length, 2);
  assert.equal(data.seed, 7);
  assert.ok(requestId);
  assert.ok(states.includes('COMPLETED'));
  const picture = await fetch(data.images[0].url);
  assert.equal(picture.status, 200);
  assert.equal(picture.headers.get('content-type'), data.images[0].content_type);
});

test('bad input appears at the result, as the real service has it', async () => {
  await assert.rejects(fal.subscribe('fal-ai/flux-1/schnell', { input: { prompt: 'a', num_images: 40 }, pollInterval: 20 }), (error) => {
    assert.equal(error.status, 422);
    assert.equal(error.body.detail[0].loc.at(-1), 'num_images');
    return true;
  });
});

test('queue calls one by one, and the cancel of what is done', async () => {
  const { request_id: requestId } = await fal.queue.submit('fal-ai/flux-1/dev', { input: { prompt: 'a boat' } });
  let status;
  do status = await fal.queue.status('fal-ai/flux-1/dev', { requestId });
  while (status.status !== 'COMPLETED');
  const { data } = await fal.queue.result('fal-ai/flux-1/dev', { requestId });
  assert.equal(data.images.length, 1);
  await assert.rejects(fal.queue.cancel('fal-ai/flux-1/dev', { requestId }), { status: 400 });
});
