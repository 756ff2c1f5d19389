/** What a given client's own options say: where it leads, how it is secured, and what the kit cannot work with. */
import { KitError } from "../errors.ts";
import { type ClientTarget, type Endpoint, printEndpoint } from "./redis-target.ts";

/** The options of TLS that weaken it, wherever a client keeps them. */
interface TlsOptions {
  readonly rejectUnauthorized?: boolean;
  readonly checkServerIdentity?: unknown;
}

/** Of ioredis's options, those that matter here. */
export interface IoredisOptions {
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
  readonly db?: number;
  readonly name?: string;
  readonly sentinels?: readonly Partial<Endpoint>[] | null;
  readonly tls?: TlsOptions | null;
  readonly enableTLSForSentinelMode?: boolean;
  readonly keyPrefix?: unknown;
  readonly stringNumbers?: boolean;
  readonly enableAutoPipelining?: boolean;
  /** Of a Cluster: the options of each node. */
  readonly redisOptions?: IoredisOptions;
  readonly scaleReads?: unknown;
}

/** Of node-redis's options, those that matter here. */
interface NodeRedisOptions {
  readonly url?: string;
  readonly database?: number;
  readonly keyPrefix?: unknown;
  readonly socket?: Partial<Endpoint> & { path?: string; tls?: unknown } & TlsOptions;
}

function refuse(message: string, fix: string): KitError {
  return new KitError("INVALID_OPTION", {
    message: `The client given as \`redis\` ${message}`,
    fix,
  });
}

/** Most clients prefix single-key commands only. */
function refuseKeyPrefix({ keyPrefix }: { readonly keyPrefix?: unknown }): void {
  if (keyPrefix === undefined || keyPrefix === null || keyPrefix === "") return;
  throw refuse(
    "has a `keyPrefix`, which some commands of the kit would carry and others, such as SCAN, would not.",
    "Give the kit a client without it, and set createKit({ namespace }) instead.",
  );
}

function lower(host: string): string {
  return host.toLowerCase();
}

function weaknessOf(tls: TlsOptions | null | undefined): TlsOptions {
  const { rejectUnauthorized, checkServerIdentity } = tls ?? {};
  return {
    ...(rejectUnauthorized !== undefined && { rejectUnauthorized }),
    ...(checkServerIdentity !== undefined && { checkServerIdentity }),
  };
}

function checkIoredis(options: IoredisOptions): void {
  refuseKeyPrefix(options);
  if (options.stringNumbers === true) {
    throw refuse(
      "has `stringNumbers: true`, so that a number can no longer be told from a text.",
      "Give the kit a client without it, such as client.duplicate({ stringNumbers: false }).",
    );
  }
  if (options.enableAutoPipelining === true) {
    // ioredis 6.0.0, autoPipelining.js: a pipelined `callBuffer` loses its command's name.
    throw refuse(
      "has `enableAutoPipelining: true`, under which ioredis mistakes commands that answer bytes.",
      "Give the kit a client without it, such as client.duplicate({ enableAutoPipelining: false }).",
    );
  }
}

const BASE = { kind: "client", isCluster: false } as const;

/** @throws KitError `INVALID_OPTION` */
export function readIoredis(client: { readonly options: IoredisOptions }): ClientTarget {
  const { options } = client;
  checkIoredis(options);
  const { sentinels, path, name, tls, host = "localhost", port = 6379, db = 0 } = options;
  const common = { ...BASE, library: "ioredis", client, weakness: weaknessOf(tls) } as const;
  if (sentinels) {
    // ioredis 6.0.0, SentinelConnector: `tls` alone does not encrypt the way to the master.
    const isEncrypted = Boolean(tls) && options.enableTLSForSentinelMode === true;
    const endpoints = sentinels.map((one) => ({
      host: one.host ?? "localhost",
      port: one.port ?? 26_379,
    }));
    const scheme = isEncrypted ? "rediss" : "redis";
    return {
      ...common,
      isEncrypted,
      address: `${scheme}+sentinel://${endpoints.map(printEndpoint).join(",")}/${name ?? ""}`,
      hosts: endpoints.map((one) => lower(one.host)),
    };
  }
  const isEncrypted = Boolean(tls);
  if (path) return { ...common, isEncrypted, address: `unix://${path}`, hosts: [] };
  const scheme = isEncrypted ? "rediss" : "redis";
  const address = `${scheme}://${printEndpoint({ host, port })}/${db}`;
  return { ...common, isEncrypted, address, hosts: [lower(host)] };
}

/** A startup node: a port, a URL, or its parts. */
type StartupNode = number | string | Partial<Endpoint>;

function endpointOf(node: StartupNode): Endpoint {
  if (typeof node === "number") return { host: "127.0.0.1", port: node };
  if (typeof node === "object") return { host: node.host ?? "127.0.0.1", port: node.port ?? 6379 };
  const text = node.includes("://") ? node : `redis://${node}`;
  const { hostname, port } = URL.canParse(text) ? new URL(text) : { hostname: "", port: "" };
  return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 6379) };
}

/** @throws KitError `INVALID_OPTION` */
export function readIoredisCluster(client: {
  readonly options: IoredisOptions;
  readonly startupNodes?: readonly StartupNode[];
}): ClientTarget {
  const { options, startupNodes = [] } = client;
  const nodeOptions = options.redisOptions ?? {};
  checkIoredis(options);
  checkIoredis(nodeOptions);
  const { scaleReads = "master" } = options;
  if (scaleReads !== "master") {
    throw refuse(
      "has `scaleReads` other than 'master': a replica may still know a session that was ended.",
      "Give the kit a Cluster without it.",
    );
  }
  const nodes = startupNodes.map(endpointOf);
  // Nodes that the Cluster names later are opened with `redisOptions` alone.
  const isEncrypted = Boolean(nodeOptions.tls);
  return {
    ...BASE,
    library: "ioredis",
    isCluster: true,
    client,
    isEncrypted,
    weakness: weaknessOf(nodeOptions.tls),
    address: `${isEncrypted ? "rediss" : "redis"}://${nodes.map(printEndpoint).join(",")}`,
    hosts: nodes.map((node) => lower(node.host)),
  };
}

/** node-redis encrypts for `true` only, and in silence for nothing else. */
function isNodeRedisEncrypted(options: NodeRedisOptions | undefined): boolean {
  return options?.socket?.tls === true;
}

/** @throws KitError `INVALID_OPTION` */
export function readNodeRedis(client: object): ClientTarget {
  const { options = {} } = client as { readonly options?: NodeRedisOptions };
  refuseKeyPrefix(options);
  const { host = "localhost", port = 6379, path } = options.socket ?? {};
  const isEncrypted = isNodeRedisEncrypted(options);
  const scheme = isEncrypted ? "rediss" : "redis";
  const isUnix = path !== undefined;
  return {
    ...BASE,
    library: "node-redis",
    client,
    isEncrypted,
    weakness: weaknessOf(options.socket),
    address: isUnix
      ? `unix://${path}`
      : `${scheme}://${printEndpoint({ host, port })}/${options.database ?? 0}`,
    hosts: isUnix ? [] : [lower(host)],
  };
}

function rootOf({ url, socket }: NodeRedisOptions): Endpoint {
  if (url !== undefined) return endpointOf(url);
  return { host: socket?.host ?? "localhost", port: socket?.port ?? 6379 };
}

/** @throws KitError `INVALID_OPTION` */
export function readNodeRedisCluster(client: {
  readonly _options?: NodeRedisOptions & {
    rootNodes?: readonly NodeRedisOptions[];
    defaults?: NodeRedisOptions;
  };
}): ClientTarget {
  const { _options: options = {} } = client;
  const { rootNodes = [], defaults, keyPrefix } = options;
  refuseKeyPrefix({ keyPrefix: keyPrefix ?? defaults?.keyPrefix });
  const nodes = rootNodes.map(rootOf);
  // Nodes that the Cluster names later are opened with `defaults` alone.
  const isEncrypted = isNodeRedisEncrypted(defaults);
  return {
    ...BASE,
    library: "node-redis",
    isCluster: true,
    client,
    isEncrypted,
    weakness: weaknessOf(defaults?.socket),
    address: `${isEncrypted ? "rediss" : "redis"}://${nodes.map(printEndpoint).join(",")}`,
    hosts: nodes.map((node) => lower(node.host)),
  };
}

/** @throws KitError `INVALID_OPTION` */
export function readUpstash(
  client: object,
  requester: { readonly baseUrl?: unknown },
): ClientTarget {
  const { baseUrl } = requester;
  if (typeof baseUrl !== "string" || !URL.canParse(baseUrl)) {
    throw refuse(
      "is an @upstash/redis Redis without an address.",
      "Make it of a `url` and a `token`, not of a requester of your own.",
    );
  }
  const { protocol, host, hostname } = new URL(baseUrl);
  return {
    ...BASE,
    library: "@upstash/redis",
    client,
    isEncrypted: protocol === "https:",
    weakness: {},
    address: `${protocol}//${host}`,
    hosts: [hostname.replace(/^\[|\]$/g, "")],
  };
}
