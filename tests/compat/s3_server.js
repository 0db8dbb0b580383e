// node s3_server.js FOLDER: an S3 server with the bucket "studio" and the key S3RVER/S3RVER, which keeps its objects in
// FOLDER. Prints its URL; runs until it is killed.
import S3rver from '@20minutes/s3rver';

const server = new S3rver({ port: 0, address: '127.0.0.1', silent: true, directory: process.argv[2], configureBuckets: [{ name: 'studio' }] });
console.log(`http://127.0.0.1:${(await server.run()).port}`);
