// Our stores beside what was not written here: the official SDKs' signatures over random requests, an S3 server
// from npm that verifies ours, and the official COS client against the sandbox's bucket.
// FLUXGATE names the program; store_tool lies beside its tests.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import COS from 'cos-nodejs-sdk-v5';
import S3rver from '@20minutes/s3rver';

const tool = join(dirname(process.env.FLUXGATE), 'tests', 'store_tool');
const kRequests = 1000;
const kMegabyte = 1 << 20;

let folder;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fluxgate-stores-'));
});
after(() => rm(folder, { recursive: true, force: true }));

const pick = (list) => list[randomInt(list.length)];
const letters = [...'abcXYZ019-_.~ !\'()*+,;:@&=$#%"<>[]{}|^`猫生成é😀'];
const word = (length) => Array.from({ length: 1 + randomInt(length) }, () => pick(letters)).join('');
const key = () => Array.from({ length: 1 + randomInt(3) }, () => `k${word(8)}`).join('/');
const some = (makers) => Object.fromEntries(Object.entries(makers).filter(() => randomInt(2)).map(([name, make]) => [name, make()]));

function signatures(kind, requests) {
  const run = spawnSync(tool, [kind], { input: requests.map((request) => JSON.stringify(request)).join('\n') + '\n', encoding: 'utf8', maxBuffer: 64 * kMegabyte });
  assert.equal(run.status, 0, run.stderr);
  return run.stdout.trimEnd().split('\n');
}

// Not `spawnSync`: the servers answer from this process.
function run(...words) {
  return new Promise((resolve) => {
    const child = spawn(tool, words);
    let out = '', error = '';
    child.stdout.on('data', (text) => (out += text));
    child.stderr.on('data', (text) => (error += text));
    child.on('exit', (code) => resolve({ code, out, error }));
  });
}

test('signs as the official COS SDK does', () => {
  const from = Math.floor(Date.now() / 1000);
  const requests = Array.from({ length: kRequests }, () => {
    const path = `/${key()}`;
    return {
      id: `AKID${randomBytes(8).toString('hex')}`, secret: randomBytes(12).toString('base64'), from, until: from + 900,
      method: pick(['GET', 'PUT', 'HEAD', 'DELETE', 'POST']), path,
      params: some({ uploadId: () => word(20), partNumber: () => String(randomInt(1, 10000)), 'response-content-disposition': () => `attachment; filename="${word(9)}"`, prefix: () => word(9), uploads: () => '' }),
      headers: { Host: 'studio-1250000000.cos.ap-guangzhou.myqcloud.com', ...some({ 'Content-Type': () => 'image/png', 'Content-MD5': () => randomBytes(16).toString('base64'), Range: () => `bytes=0-${randomInt(9999)}`, 'x-cos-meta-task': () => `t${word(6)}`.trim(), 'x-cos-acl': () => 'private' }) },
    };
  });
  const ours = signatures('cos-sign', requests);
  requests.forEach((request, index) => {
    const theirs = COS.getAuthorization({
      SecretId: request.id, SecretKey: request.secret, Method: request.method, Pathname: request.path,
      Query: request.params, Headers: request.headers, KeyTime: `${request.from};${request.until}`, ForceSignHost: false,
    });
    assert.equal(ours[index], theirs, JSON.stringify(request));
  });
});

test('presigns as the official AWS SDK does', async () => {
  const requests = [];
  const theirs = [];
  for (let i = 0; i < kRequests / 5; i++) {
    const now = Date.UTC(2025, randomInt(12), 1 + randomInt(28), randomInt(24), randomInt(60), randomInt(60));
    const token = randomInt(2) ? word(30).replace(/[^\x20-\x7e]/g, 't').trim() || 't' : '';
    const request = {
      id: `AK${randomBytes(8).toString('hex')}`, secret: randomBytes(20).toString('base64'), region: pick(['us-east-1', 'ap-guangzhou']), now,
      method: pick(['GET', 'PUT']), lifetime: randomInt(1, 604800), token, headers: { host: 'minio.local:9000' },
    };
    const name = key();
    request.path = `/studio/${name}`;
    const disposition = randomInt(2) && request.method === 'GET' ? `attachment; filename="${word(9)}"` : undefined;
    const client = new S3Client({ endpoint: 'http://minio.local:9000', region: request.region, forcePathStyle: true, requestChecksumCalculation: 'WHEN_REQUIRED', credentials: { accessKeyId: request.id, secretAccessKey: request.secret, ...(token && { sessionToken: token }) } });
    const Command = request.method === 'GET' ? GetObjectCommand : PutObjectCommand;
    const url = new URL(await getSignedUrl(client, new Command({ Bucket: 'studio', Key: name, ResponseContentDisposition: disposition }), { expiresIn: request.lifetime, signingDate: new Date(now) }));
    theirs.push(url.searchParams.get('X-Amz-Signature'));
    // What the SDK adds of its own is signed too.
    request.params = Object.fromEntries([...url.searchParams].filter(([parameter]) => !/^X-Amz-(Algorithm|Credential|Date|Expires|SignedHeaders|Security-Token|Signature)$/.test(parameter)));
    requests.push(request);
  }
  const ours = signatures('s3-sign', requests);
  ours.forEach((query, index) => assert.equal(new URLSearchParams(query).get('X-Amz-Signature'), theirs[index], JSON.stringify(requests[index])));
});

async function startS3() {
  const server = new S3rver({ port: 0, address: '127.0.0.1', silent: true, directory: await mkdtemp(join(folder, 's3-')), configureBuckets: [{ name: 'studio' }] });
  const { port } = await server.run();
  return { server, config: { kind: 's3', endpoint: `http://127.0.0.1:${port}`, region: 'us-east-1', bucket: 'studio', id: 'S3RVER', secret: 'S3RVER' } };
}

for (const payload of ['signed', 'unsigned']) {
  test(`keeps objects in an S3 server that is not ours, payload ${payload}`, async () => {
    const { server, config } = await startS3();
    try {
      const done = await run('exercise', JSON.stringify({ ...config, payload, prefix: 'flux/' }));
      assert.equal(done.code, 0, done.error);
      const refused = await run('exercise', JSON.stringify({ ...config, secret: 'another' }));
      assert.equal(refused.code, 1, 'the server verifies signatures');
      assert.match(refused.error, /does not belong to this access key/);
    } finally {
      await server.close();
    }
  });
}

test('holds no large file in memory', async () => {
  const film = join(folder, 'film');
  await writeFile(film, '');
  await truncate(film, 256 * kMegabyte);
  const { server, config } = await startS3();
  try {
    const done = await run('exercise', JSON.stringify({ ...config, file: film }));
    assert.equal(done.code, 0, done.error);
    const { size, memory_before, memory_after } = JSON.parse(done.out);
    assert.equal(size, 256 * kMegabyte);
    assert.ok(memory_after - memory_before < 64 * kMegabyte, `${memory_after - memory_before} bytes more`);
  } finally {
    await server.close();
  }
});

test('keeps objects in the sandbox’s COS bucket, and the official client finds them', async () => {
  const bucket = spawn(tool, ['serve-cos', join(folder, 'cos')]);
  try {
    const url = await new Promise((resolve) => bucket.stdout.once('data', (line) => resolve(String(line).trim())));
    const done = await run('exercise', JSON.stringify({ kind: 'cos', endpoint: url, region: 'ap-guangzhou', bucket: 'studio-1250000000', id: 'AKIDsandbox', secret: 'sandboxSecretKey' }));
    assert.equal(done.code, 0, done.error);
    const { host } = new URL(url);
    const cos = new COS({ SecretId: 'AKIDsandbox', SecretKey: 'sandboxSecretKey', Protocol: 'http:', Domain: host });
    const where = { Bucket: 'studio-1250000000', Region: 'ap-guangzhou' };
    const body = randomBytes(3 * kMegabyte);
    await cos.putObject({ ...where, Key: '官方/a b+c.png', Body: body.subarray(0, 1000) });
    assert.deepEqual((await cos.getObject({ ...where, Key: '官方/a b+c.png' })).Body, body.subarray(0, 1000));
    const { UploadId } = await cos.multipartInit({ ...where, Key: 'clip.mp4' });
    const Parts = [];
    for (let i = 0; i < 3; i++) {
      const part = await cos.multipartUpload({ ...where, Key: 'clip.mp4', UploadId, PartNumber: i + 1, Body: body.subarray(i * kMegabyte, (i + 1) * kMegabyte) });
      Parts.push({ PartNumber: i + 1, ETag: part.ETag });
    }
    await cos.multipartComplete({ ...where, Key: 'clip.mp4', UploadId, Parts });
    const back = (await cos.getObject({ ...where, Key: 'clip.mp4' })).Body;
    assert.equal(createHash('sha256').update(back).digest('hex'), createHash('sha256').update(body).digest('hex'));
    await assert.rejects(new COS({ SecretId: 'AKIDsandbox', SecretKey: 'wrong', Protocol: 'http:', Domain: host }).headObject({ ...where, Key: 'clip.mp4' }));
  } finally {
    bucket.stdin.end();
  }
});
