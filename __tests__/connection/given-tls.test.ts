import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { Redis as UpstashRedis } from "@upstash/redis";
import { Cluster, Redis } from "ioredis";
import { createClient } from "redis";
import { type Authority, createAuthority, type Identity } from "../support/certificates.ts";
import { openGiven } from "../support/given.ts";
import { rejection } from "../support/connections.ts";
import { type RedisCluster, startCluster } from "../support/redis-cluster.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { type RestEmulator, startRestEmulator } from "../support/rest-emulator.ts";

const ttl = 60_000;
const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

let authority: Authority;
let identity: Identity;
beforeAll(async () => {
  authority = await createAuthority();
  identity = await authority.issue("localhost", "127.0.0.1");
});
afterAll(() => authority.remove());

/** Makes each socket of a client look as one to another machine: tests leave loopback by name only. */
function pretendRemote(client: Redis, address = "10.1.2.3"): void {
  const disguise = (): void => {
    Object.defineProperty(client.stream, "remoteAddress", { value: address });
  };
  if (client.status === "ready") disguise();
  client.on("connect", disguise);
}

function counted(server: RedisServer): Promise<number> {
  return server.client
    .info("commandstats")
    .then((text) => Number(/cmdstat_set:calls=(\d+)/.exec(text)?.[1] ?? 0));
}

describe("the sockets of an ioredis client, in production", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis({
      tcp: true,
      tls: { ca: authority.caFile, cert: identity.certFile, key: identity.keyFile },
    });
  });
  beforeEach(async () => {
    await server.client.flushall();
    await server.client.config("RESETSTAT");
  });
  afterAll(() => server.stop());

  const plain = (options: object = {}): Redis => {
    const client = new Redis({ port: server.port, retryStrategy: () => 20, ...options });
    client.on("error", () => {});
    endings.push(() => client.disconnect());
    return client;
  };
  const encrypted = (tls: object = { ca: authority.ca }): Redis =>
    plain({ port: server.tlsPort, tls });

  it("may be encrypted and verified, wherever they lead", async () => {
    const client = encrypted();
    pretendRemote(client);
    const { connection } = openGiven(client);
    await connection.ready();
    expect(await connection.set("k", "1", { ttl })).toBe(true);
    expect(connection.state().tls).toBe(true);
  });

  it("may be plain on loopback and on a unix socket", async () => {
    for (const client of [plain(), plain({ path: server.socketPath })]) {
      const { connection } = openGiven(client);
      expect(await connection.set("k", "1", { ttl })).toBe(true);
      expect(connection.state().tls).toBe(false);
    }
  });

  it("carry nothing where they are plain and lead elsewhere, whatever the options say", async () => {
    const client = plain();
    pretendRemote(client);
    const { connection, errors } = openGiven(client);
    const error = await rejection(connection.set("s3cret-key", "s3cret", { ttl }));
    expect(error).toMatchObject({ code: "PLAINTEXT_REFUSED", outcome: "notSent" });
    expect(error.fix).toContain("allowPlaintext: ['10.1.2.3']");
    expect((await rejection(connection.ready())).code).toBe("PLAINTEXT_REFUSED");
    expect(await counted(server)).toBe(0);
    expect(errors.map(({ code }) => code)).toEqual(["PLAINTEXT_REFUSED"]);
    expect(connection.state().problem?.code).toBe("PLAINTEXT_REFUSED");
  });

  it("may be plain to a host that is named, by its name or its address", async () => {
    for (const allowed of ["redis.internal", "10.1.2.3"]) {
      const client = plain();
      pretendRemote(client);
      const { connection } = openGiven(client, { allowPlaintext: [allowed] });
      await until(() => client.status === "ready", "it is connected");
      client.options.host = "redis.internal";
      expect(await connection.set("k", "1", { ttl })).toBe(true);
    }
  });

  it("are judged again after a reconnect, in both directions", async () => {
    const client = plain();
    const { connection } = openGiven(client, { deadline: "2s" });
    await connection.set("k", "1", { ttl });
    const good = client.stream;
    pretendRemote(client);
    // What was accepted stays accepted: one look a socket.
    await connection.set("k", "2", { ttl });
    client.disconnect(true);
    await until(() => client.status === "ready" && client.stream !== good, "it is back");
    expect((await rejection(connection.set("k", "3", { ttl }))).code).toBe("PLAINTEXT_REFUSED");
    expect(await server.client.get("k")).toBe("2");
    const bad = client.stream;
    client.removeAllListeners("connect");
    client.disconnect(true);
    await until(() => client.status === "ready" && client.stream !== bad, "it is back");
    expect(await connection.set("k", "4", { ttl })).toBe(true);
  });

  it("carry nothing where they are encrypted and not verified, unless the host is named", async () => {
    const client = encrypted({ rejectUnauthorized: false });
    pretendRemote(client);
    const named = openGiven(client, { allowUnverifiedTls: ["localhost", "10.1.2.3"] });
    expect(await named.connection.set("k", "1", { ttl })).toBe(true);
    // Options that grew weak after the kit had judged them.
    const grown = encrypted();
    pretendRemote(grown);
    const { connection } = openGiven(grown);
    await until(() => grown.status === "ready", "it is connected");
    const { stream } = grown;
    grown.options.tls = { rejectUnauthorized: false };
    grown.disconnect(true);
    await until(() => grown.status === "ready" && grown.stream !== stream, "it is back");
    const error = await rejection(connection.set("k", "2", { ttl }));
    expect(error).toMatchObject({ code: "TLS_NOT_PROVEN", outcome: "notSent" });
    expect(await server.client.get("k")).toBe("1");
  });

  it("are not judged outside production", async () => {
    const client = plain();
    pretendRemote(client);
    const { connection } = openGiven(client, {}, { NODE_ENV: "development" });
    expect(await connection.set("k", "1", { ttl })).toBe(true);
  });

  it("a lost socket without an address is no unix socket", async () => {
    const client = plain();
    const { connection } = openGiven(client, { deadline: 50, connectDeadline: 50 });
    await until(() => client.status === "ready", "it is connected");
    Object.defineProperty(client.stream, "remoteAddress", { value: undefined });
    expect((await rejection(connection.set("k", "1", { ttl }))).code).toBe("REDIS_UNAVAILABLE");
    expect(await counted(server)).toBe(0);
  });
});

describe("the nodes of an ioredis Cluster, in production", () => {
  let cluster: RedisCluster;
  afterEach(() => cluster.stop());

  const nodesOf = (client: Cluster): Redis[] => client.nodes("all");

  it("are all judged, and one that is refused ends all commands", async () => {
    cluster = await startCluster({ masters: 3, replicas: 0 });
    const client = new Cluster(cluster.nodes.map(({ port }) => ({ host: "127.0.0.1", port })));
    endings.push(() => client.disconnect());
    const { connection } = openGiven(client);
    await connection.ready();
    const keys = Array.from({ length: 30 }, (_, n) => `n:${n}`);
    for (const key of keys) expect(await connection.set(key, "1", { ttl })).toBe(true);
    const [node] = nodesOf(client);
    const socket = node!.stream;
    pretendRemote(node!);
    // Accepted sockets stay accepted; the one that replaces it is judged.
    expect(await connection.set("n:0", "2", { ttl })).toBe(true);
    node!.disconnect();
    await until(() => socket.destroyed, "the socket is gone");
    client.on("+node", (redis: Redis) => pretendRemote(redis));
    client.refreshSlotsCache();
    const refused = async () =>
      Promise.all(
        keys.map((key) =>
          connection.get(key).then(
            () => "answered",
            ({ code }: { code: string }) => code,
          ),
        ),
      );
    await until(async () => (await refused()).includes("PLAINTEXT_REFUSED"), "it was judged");
    expect(new Set(await refused())).toEqual(new Set(["PLAINTEXT_REFUSED"]));
  }, 40_000);

  it("may be encrypted and verified, by redisOptions", async () => {
    cluster = await startCluster({
      masters: 3,
      replicas: 0,
      tls: { ca: authority.caFile, cert: identity.certFile, key: identity.keyFile },
    });
    const client = new Cluster(
      cluster.nodes.map(({ port }) => ({ host: "127.0.0.1", port })),
      { redisOptions: { tls: { ca: authority.ca } } },
    );
    client.on("+node", (redis: Redis) => pretendRemote(redis));
    for (const node of nodesOf(client)) pretendRemote(node);
    endings.push(() => client.disconnect());
    const { connection } = openGiven(client);
    await connection.ready();
    for (let n = 0; n < 30; n += 1) {
      expect(await connection.set(`n:${n}`, "1", { ttl })).toBe(true);
    }
    expect(connection.state().tls).toBe(true);
  }, 40_000);
});

describe("clients whose sockets cannot be seen", () => {
  let server: RedisServer;
  let rest: RestEmulator;
  beforeAll(async () => {
    server = await startRedis({
      tls: { ca: authority.caFile, cert: identity.certFile, key: identity.keyFile },
    });
    rest = await startRestEmulator({
      socketPath: server.socketPath,
      tls: { cert: identity.cert, key: identity.key },
    });
  });
  afterAll(async () => {
    await rest.stop();
    await server.stop();
  });

  it("node-redis speaks TLS", async () => {
    const client = createClient({
      url: `rediss://localhost:${server.tlsPort}`,
      socket: { ca: authority.ca } as never,
    });
    await client.connect();
    endings.push(() => client.destroy());
    const { connection } = openGiven(client);
    expect(await connection.set("k", "1", { ttl })).toBe(true);
    expect(connection.state().tls).toBe(true);
  });

  it("@upstash/redis trusts no certificate of an unknown authority", async () => {
    const client = new UpstashRedis({ url: rest.url, token: "token", retry: { retries: 0 } });
    const { connection } = openGiven(client);
    const error = await rejection(connection.ready());
    expect(error.code).toBe("REDIS_UNAVAILABLE");
    expect(error.message).toMatch(/CERT|UNABLE_TO_VERIFY/);
    expect(rest.requests).toEqual([]);
  });
});
