/** What is compared: the kit's port and the clients beside it, each as its own documentation opens it. */
import { Redis } from "ioredis";
import { createClient } from "redis";
import { counterScript } from "../support/counter-script.ts";
import { openPort } from "../support/port.ts";

/** Where the server is. */
export interface Place {
  readonly port: number;
  /** The authority that signed the server's certificate; undefined for plaintext. */
  readonly ca: string | undefined;
}

/** One open connection. */
export interface Contender {
  /** GET. */
  get(key: string): Promise<unknown>;
  /** EVALSHA of the counter script, which the server knows already. */
  evalsha(key: string): Promise<unknown>;
}

const HOST = "127.0.0.1";
const { sha } = counterScript;

async function openKit({ port, ca }: Place): Promise<Contender> {
  const scheme = ca === undefined ? "redis" : "rediss";
  const connection = openPort({
    redis: { url: `${scheme}://${HOST}:${port}`, ...(ca !== undefined && { ca }) },
  });
  await connection.ready();
  return {
    get: (key) => connection.get(key),
    evalsha: (key) => connection.run(counterScript, key, [1]),
  };
}

async function openIoredis({ port, ca }: Place, enableAutoPipelining: boolean): Promise<Contender> {
  const redis = new Redis({
    host: HOST,
    port,
    enableAutoPipelining,
    ...(ca !== undefined && { tls: { ca } }),
  });
  await redis.ping();
  return { get: (key) => redis.get(key), evalsha: (key) => redis.evalsha(sha, 1, key, "1") };
}

async function openNodeRedis({ port, ca }: Place): Promise<Contender> {
  const client = createClient({
    socket: ca === undefined ? { host: HOST, port } : { host: HOST, port, tls: true, ca },
  });
  client.on("error", (error) => {
    throw error;
  });
  await client.connect();
  return {
    get: (key) => client.get(key),
    evalsha: (key) => client.evalSha(sha, { keys: [key], arguments: ["1"] }),
  };
}

/** Opens a contender by its name. */
export const CONTENDERS: Readonly<Record<string, (place: Place) => Promise<Contender>>> = {
  kit: openKit,
  ioredis: (place) => openIoredis(place, false),
  "ioredis, auto-pipelining": (place) => openIoredis(place, true),
  "node-redis": openNodeRedis,
};
