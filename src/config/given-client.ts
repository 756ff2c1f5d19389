/**
 * A Redis client that the application already has, given as the option `redis`: known by its shape, so
 * that no client package is loaded for it.
 */
import { KitError } from "../errors.ts";
import { invalidOption } from "../validate.ts";
import type { ClientTarget } from "./redis-target.ts";
import {
  type IoredisOptions,
  readIoredis,
  readIoredisCluster,
  readNodeRedis,
  readNodeRedisCluster,
  readUpstash,
} from "./given-client-options.ts";

/** An ioredis `Redis` or `Cluster`. */
export interface IoredisClient {
  readonly status: string;
  readonly isCluster: boolean;
  call(command: string, ...parts: (string | Buffer | number)[]): Promise<unknown>;
  callBuffer(command: string, ...parts: (string | Buffer | number)[]): Promise<unknown>;
}

/** What `createClient` of node-redis makes, from version 5 on. */
export interface NodeRedisClient {
  readonly isOpen: boolean;
  readonly isReady: boolean;
  readonly options: object | undefined;
  sendCommand(parts: (string | Buffer)[], options?: object): Promise<unknown>;
  withTypeMapping(mapping: object): unknown;
}

/** What `createCluster` of node-redis makes, from version 5 on. */
export interface NodeRedisCluster {
  readonly isOpen: boolean;
  readonly masters: readonly object[];
  sendCommand(
    firstKey: string | undefined,
    isReadonly: boolean,
    parts: (string | Buffer)[],
    options?: object,
  ): Promise<unknown>;
  nodeClient(node: never): unknown;
  withTypeMapping(mapping: object): unknown;
}

/** A `Redis` of @upstash/redis. */
export interface UpstashClient {
  readYourWritesSyncToken: string | undefined;
  pipeline(): object;
  scriptLoad(script: string): Promise<string>;
}

/** A client that the application made, connects and closes; the kit only sends commands through it. */
export type GivenClient = IoredisClient | NodeRedisClient | NodeRedisCluster | UpstashClient;

const EXPECTED =
  "a URL, its parts, false for memory, or a client: an ioredis Redis or Cluster, a node-redis client or cluster (version 5 or later), an @upstash/redis Redis";

type Members = Record<string, unknown>;

function has(value: object, ...methods: readonly string[]): boolean {
  return methods.every((name) => typeof (value as Members)[name] === "function");
}

/** An object literal, also of another realm. */
function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** The target behind a client, or undefined where the value is none. */
function targetOf(value: object): ClientTarget | undefined {
  const members = value as Members;
  if (has(value, "call", "callBuffer") && typeof members["status"] === "string") {
    return members["isCluster"] === true
      ? readIoredisCluster(value as { options: IoredisOptions })
      : readIoredis(value as { options: IoredisOptions });
  }
  if (has(value, "sendCommand") && typeof members["isOpen"] === "boolean") {
    if (!has(value, "withTypeMapping")) throw tooOld();
    if (has(value, "nodeClient")) return readNodeRedisCluster(value);
    // Pools and Sentinels of node-redis have other signatures under the same names.
    return typeof members["isReady"] === "boolean" && "isPubSubActive" in value
      ? readNodeRedis(value)
      : undefined;
  }
  const requester: unknown = has(value, "pipeline", "scriptLoad") ? members["client"] : undefined;
  if (typeof requester !== "object" || requester === null || !has(requester, "request")) {
    return undefined;
  }
  return readUpstash(value, requester);
}

function tooOld(): KitError {
  return new KitError("INVALID_OPTION", {
    message: "Option `redis` is a client of node-redis before version 5.",
    fix: "Update the package `redis` to version 5 or later, or give the kit the URL.",
  });
}

/** A client among the parts of a URL. */
function refuseMixture(parts: Members): void {
  for (const [name, part] of Object.entries(parts)) {
    if (typeof part !== "object" || part === null || isPlain(part)) continue;
    if (targetOf(part) === undefined) continue;
    throw new KitError("INVALID_OPTION", {
      message: `Option \`redis\` holds a client as \`${name}\` among the parts of an address.`,
      fix: "Pass the client alone, createKit({ redis: client }): address, TLS and credentials are the client's own.",
    });
  }
}

/**
 * Recognises a client; undefined where the value is something else that may be right.
 *
 * @throws KitError `INVALID_OPTION` for a client that cannot be used, and says what would
 */
export function recogniseClient(value: unknown): ClientTarget | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const target = targetOf(value);
  if (target !== undefined) return target;
  if (isPlain(value)) {
    refuseMixture(value as Members);
    return undefined;
  }
  const { name } = value.constructor as { name?: unknown };
  throw new KitError("INVALID_OPTION", {
    message: `Option \`redis\` is an object of class ${String(name)}, which the kit cannot speak through.`,
    fix: `Pass ${EXPECTED}.`,
  });
}

/**
 * Refuses what the kit does to connections of its own and cannot do to the application's.
 *
 * @throws KitError `INVALID_OPTION`
 */
export function checkBesideClient(options: { waitUntil?: unknown; idleTimeout?: unknown }): void {
  for (const name of ["waitUntil", "idleTimeout"] as const) {
    if (options[name] === undefined) continue;
    throw invalidOption(
      name,
      options[name],
      "left out beside a client of the application's, which the kit neither opens nor closes",
    );
  }
}
