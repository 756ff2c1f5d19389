/** The contract over every deployment. */
import { afterAll, beforeAll, beforeEach, describe } from "@jest/globals";
import type { RedisOptions } from "../../src/config/redis-options.ts";
import { type Authority, createAuthority } from "../support/certificates.ts";
import { declareContract } from "../support/connection-contract.ts";
import { openWatched } from "../support/connections.ts";
import { startCluster } from "../support/redis-cluster.ts";
import { startSentinel } from "../support/redis-sentinel.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { startRestEmulator } from "../support/rest-emulator.ts";

/** One that runs. */
interface Deployment {
  readonly redis: string | RedisOptions;
  flush(): Promise<unknown>;
  stop(): Promise<void>;
}

const alone = (server: RedisServer, redis: string | RedisOptions): Deployment => ({
  redis,
  flush: () => server.client.flushall(),
  stop: () => server.stop(),
});

/** A server's files, by the authority `own`. */
async function filesOf(own: Authority): Promise<{ ca: string; cert: string; key: string }> {
  const { certFile, keyFile } = await own.issue("127.0.0.1");
  return { ca: own.caFile, cert: certFile, key: keyFile };
}

async function sentinel(own: Authority, isTls: boolean): Promise<Deployment> {
  const tls = isTls ? await filesOf(own) : undefined;
  const [password, sentinelPassword] = ["data-s3cret", "sentinel-s3cret"];
  const deployment = await startSentinel({ password, sentinelPassword, ...(tls && { tls }) });
  const master = await deployment.master();
  return {
    redis: { url: deployment.url, sentinelPassword, ...(tls && { ca: own.ca }) },
    flush: () => master.client.flushall(),
    stop: () => deployment.stop(),
  };
}

async function cluster(own: Authority, isTls: boolean): Promise<Deployment> {
  const tls = isTls ? await filesOf(own) : undefined;
  const group = await startCluster({ password: "s3cret", ...(tls && { tls }) });
  return {
    redis: { url: group.url, ...(tls && { ca: own.ca }) },
    flush: () => group.flush(),
    stop: () => group.stop(),
  };
}

describe.each<[string, (own: Authority) => Promise<Deployment>]>([
  [
    "one server over TCP",
    async () => {
      const server = await startRedis({ tcp: true });
      return alone(server, server.url);
    },
  ],
  [
    "one server over a unix socket, with a password and a database",
    async () => {
      const server = await startRedis({ args: ["--requirepass", "s3cret"] });
      server.client.options.password = "s3cret";
      return alone(server, { url: `unix://${server.socketPath}?db=3`, token: "s3cret" });
    },
  ],
  [
    "one server over TLS",
    async (own) => {
      const server = await startRedis({ tls: await filesOf(own) });
      return alone(server, { url: `rediss://127.0.0.1:${server.tlsPort}`, ca: own.ca });
    },
  ],
  [
    "one server over mutual TLS",
    async (own) => {
      const server = await startRedis({ tls: { ...(await filesOf(own)), authClients: true } });
      const { cert, key } = await own.issue("client.example");
      const url = `rediss://127.0.0.1:${server.tlsPort}`;
      return alone(server, { url, ca: own.ca, cert, key });
    },
  ],
  [
    "a REST service",
    async () => {
      const server = await startRedis();
      const { socketPath } = server;
      const service = await startRestEmulator({ socketPath, tokens: ["t0ken"] });
      return {
        redis: { url: service.url, token: "t0ken" },
        flush: () => server.client.flushall(),
        stop: async () => {
          await service.stop();
          await server.stop();
        },
      };
    },
  ],
  ["a master behind Sentinels", (own) => sentinel(own, false)],
  ["a master behind Sentinels, over TLS", (own) => sentinel(own, true)],
  ["a Cluster", (own) => cluster(own, false)],
  ["a Cluster over TLS", (own) => cluster(own, true)],
])("%s", (_name, start) => {
  let own: Authority;
  let deployment: Deployment;
  beforeAll(async () => {
    own = await createAuthority();
    deployment = await start(own);
  });
  beforeEach(() => deployment.flush());
  afterAll(async () => {
    await deployment?.stop();
    own.remove();
  });
  declareContract(() => openWatched({ redis: deployment.redis }).connection);
});
