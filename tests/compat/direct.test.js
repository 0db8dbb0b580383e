// Files that a client puts into an S3 server itself, by the request our server signed. The S3 server is not ours and
// verifies it. FLUXGATE names the program.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import S3rver from '@20minutes/s3rver';
import { film, Server } from './server.js';

let server, s3, folder;

before(async () => {
  server = await Server.started();
  folder = join(server.folder, 's3');
  s3 = new S3rver({ port: 0, address: '127.0.0.1', silent: true, directory: folder, configureBuckets: [{ name: 'studio' }] });
  const endpoint = `http://127.0.0.1:${(await s3.run()).port}`;
  await server.call('POST', '/api/v1/storage/config', { provider: 's3', enabled: true, secret_id: 'S3RVER', secret_key: 'S3RVER', region: 'us-east-1', bucket: 'studio', endpoint });
});

after(async () => {
  await s3.close();
  await server.stop();
});

// As that server keeps its objects.
const kObject = '._S3rver_object';
async function keys() {
  const found = await readdir(join(folder, 'studio'), { recursive: true });
  return found.filter((name) => name.endsWith(kObject)).map((name) => name.slice(0, -kObject.length));
}
const begun = (size) => server.call('POST', '/api/v1/uploads/direct', { size, kind: 'video', filename: '灯塔.mp4', content_type: 'video/mp4' });
// fetch sets Content-Length itself.
const put = ({ method, url }, body, type = 'video/mp4') => fetch(url, { method, body, headers: { 'Content-Type': type } });
const complete = ({ id }, body = {}) => server.ask('POST', `/api/v1/uploads/${id}/complete`, body);

test('a film goes to S3 past the server, and becomes a file', async () => {
  const bytes = await film(20_000_000);
  const given = await begun(bytes.length);
  assert.equal((await put(given, bytes)).status, 200);
  assert.deepEqual(await keys(), [`generated/incoming/${given.id}`]);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const answer = await complete(given, { sha256 });
  const file = await answer.json();
  assert.equal(answer.status, 200, JSON.stringify(file));
  assert.equal(file.file_id, given.id);
  assert.equal(file.filename, '灯塔.mp4');
  let there;
  do there = await keys(); while (!there.some((key) => key.includes(sha256)));
  assert.ok(!there.some((key) => key.includes('incoming/')), 'what the client put is gone');
  const back = Buffer.from(await (await fetch(new URL(file.url, server.base))).arrayBuffer());
  assert.ok(back.equals(bytes));
});

test('the link takes no other type, and what is no film is refused and removed', async () => {
  const page = Buffer.alloc(5_000, '<html>');
  const given = await begun(page.length);
  assert.equal((await put(given, page, 'text/html')).status, 403);
  assert.equal((await complete(given)).status, 409, 'nothing has come');
  assert.equal((await put(given, page)).status, 200);
  assert.equal((await complete(given)).status, 415);
  assert.equal((await complete(given)).status, 404);
  assert.ok(!(await keys()).some((key) => key.includes(given.id)));
});
