// A stand-in for Cloudflare's provider, where that cannot be had: it tells Terraform the schema that
// was generated from it, and nothing else. Enough to validate, and for tests with a mock provider,
// which ask a provider for no more than its schema (Terraform's plugin protocol 6: gRPC over HTTP/2).

import http2 from 'node:http2';

const ADDRESS = 'registry.terraform.io/cloudflare/cloudflare';
const GRPC_OK = 0;
const GRPC_UNIMPLEMENTED = 12;

/** Starts it with the schema of these resource types; resolves to the environment in which terraform finds it. */
export async function startStandIn(schema, types) {
  const answers = new Map([
    ['GetProviderSchema', providerSchema(schema, types)],
    // Without diagnostics: what these check beyond the schema, only the provider knows.
    ...['ValidateProviderConfig', 'ValidateResourceConfig', 'ConfigureProvider', 'StopProvider'].map((call) => [call, Buffer.alloc(0)]),
  ]);
  const server = http2.createServer();
  server.on('stream', (stream, headers) => {
    stream.resume();
    const answer = answers.get(headers[':path'].match(/^\/tfplugin6\.Provider\/(\w+)$/)?.[1]);
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': String(answer ? GRPC_OK : GRPC_UNIMPLEMENTED) }));
    stream.on('error', () => {});
    stream.end(answer && message(answer));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const at = { Network: 'tcp', String: `127.0.0.1:${server.address().port}` };
  // `Test`: that terraform should leave this process alone when it is done.
  const reattach = { [ADDRESS]: { Protocol: 'grpc', ProtocolVersion: 6, Pid: process.pid, Test: true, Addr: at } };
  return { env: { TF_REATTACH_PROVIDERS: JSON.stringify(reattach) }, stop: () => server.close() };
}

/** One message of a gRPC stream: not compressed, its length, itself. */
function message(body) {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

function providerSchema(schema, types) {
  const resources = types.map((type) => {
    const { attributes, given } = schema.resource(type);
    const settable = [...attributes].map(([name, attribute]) => attributeOf(name, attribute));
    const computed = given.filter((name) => !attributes.has(name)).map((name) => attributeOf(name, { shape: { kind: 'string' }, isComputed: true }));
    return bytes(2, bytes(1, type), bytes(2, block([...settable, ...computed])));
  });
  return Buffer.concat([bytes(1, block([])), ...resources]);
}

/** Schema { version, block { attributes } }. */
const block = (attributes) => bytes(2, ...attributes.map((attribute) => bytes(2, attribute)));

/** Schema.Attribute. */
function attributeOf(name, { shape, isRequired, isComputed }) {
  return Buffer.concat([bytes(1, name), typeOf(shape), flag(4, isRequired), flag(5, !isRequired && !isComputed), flag(6, isComputed)]);
}

const NESTING = { object: 1, list: 2, map: 4 };

/** `nested_type` where there are attributes inside, else `type`, as JSON. */
function typeOf(shape) {
  const inside = shape.kind === 'object' ? shape : shape.of;
  if (inside?.kind !== 'object') return bytes(2, JSON.stringify(plainType(shape)));
  const attributes = [...inside.attributes].map(([name, attribute]) => bytes(1, attributeOf(name, attribute)));
  return bytes(10, ...attributes, number(3, NESTING[shape.kind]));
}

function plainType(shape) {
  if (shape.of) return [shape.kind, plainType(shape.of)];
  return { string: 'string', number: 'number', boolean: 'bool', any: 'dynamic' }[shape.kind];
}

// The fields of a message of Protocol Buffers: a number with the field's wire type, then the value.

function varint(value) {
  const out = [];
  for (; value > 127; value >>>= 7) out.push((value & 127) | 128);
  return Buffer.from([...out, value]);
}

const number = (field, value) => Buffer.concat([varint(field * 8), varint(value)]);
const flag = (field, isSet) => (isSet ? number(field, 1) : Buffer.alloc(0));

function bytes(field, ...parts) {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  return Buffer.concat([varint(field * 8 + 2), varint(body.length), body]);
}
