/**
 * Run before packing. connect-redis, which goes into the tarball, declares `redis` as a peer, but
 * never imports it: it calls whatever client it is given, and ours is ioredis. Said as what it is,
 * an optional peer, no package manager misses it.
 */
import { readFileSync, writeFileSync } from "node:fs";

const file = new URL("../node_modules/connect-redis/package.json", import.meta.url);
const manifest = JSON.parse(readFileSync(file, "utf8"));
manifest.peerDependenciesMeta = { redis: { optional: true } };
writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`);
