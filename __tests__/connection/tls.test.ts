import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { KitOptions } from "express-redis-kit";
import { type Authority, createAuthority, type Identity } from "../support/certificates.ts";
import { openWatched, rejection } from "../support/connections.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";

const PASSWORD = "p@ss/w0rd%";

describe("TLS to a real server", () => {
  let own: Authority;
  let foreign: Authority;
  let server: RedisServer;
  beforeAll(async () => {
    [own, foreign] = await Promise.all([createAuthority(), createAuthority("Foreign CA")]);
    const { certFile, keyFile } = await own.issue("127.0.0.1", "localhost");
    server = await startRedis({
      tcp: true,
      tls: { ca: own.caFile, cert: certFile, key: keyFile },
      args: ["--requirepass", PASSWORD],
    });
  });
  afterAll(async () => {
    await server.stop();
    own.remove();
    foreign.remove();
  });

  const credentials = `:${encodeURIComponent(PASSWORD)}@`;
  const url = (host = "127.0.0.1") => `rediss://${credentials}${host}:${server.tlsPort}`;
  const open = (redis: Exclude<KitOptions["redis"], string | false | undefined>) =>
    openWatched({ redis: { url: url(), ca: own.ca, ...redis } });

  it("works with the right CA, as text and as a file, by address and by name", async () => {
    for (const redis of [{}, { ca: own.caFile }, { url: url("localhost") }]) {
      const { connection, errors } = open(redis);
      await connection.ready();
      await connection.set("k", "1", { ttl: 1000 });
      expect(await connection.get("k")).toBe("1");
      expect(connection.state()).toMatchObject({ state: "ready", tls: true });
      expect(errors).toEqual([]);
    }
  });

  it("works with an upper-case scheme, and is TLS then too", async () => {
    const { connection } = open({ url: url().replace("rediss", "REDISS") });
    await connection.ready();
    expect(connection.state().tls).toBe(true);
  });

  it.each([
    ["a foreign CA", () => ({ ca: foreign.ca })],
    ["no CA at all", () => ({ ca: undefined })],
  ])("rejects the certificate with %s, and the fix names REDIS_CA", async (_what, given) => {
    const { ca } = given();
    const { connection, errors } = openWatched({ redis: { url: url(), ...(ca && { ca }) } });
    const error = await rejection(connection.ready());
    expect(error).toMatchObject({ code: "TLS_CERTIFICATE_REJECTED", outcome: "notSent" });
    expect(error.message).toContain("127.0.0.1");
    expect(error.fix).toContain("REDIS_CA");
    expect(error.message).not.toContain(PASSWORD);
    expect(errors.map(({ code }) => code)).toEqual(["TLS_CERTIFICATE_REJECTED"]);
  });

  it("tells commands the diagnosis too, not only ready()", async () => {
    const { connection } = open({ ca: foreign.ca });
    expect((await rejection(connection.get("k"))).code).toBe("TLS_CERTIFICATE_REJECTED");
  });

  it("finds TLS missing on a plaintext port", async () => {
    const { connection, errors } = open({
      url: `rediss://${credentials}127.0.0.1:${server.port}`,
    });
    const error = await rejection(connection.ready());
    expect(error).toMatchObject({ code: "TLS_NOT_OFFERED", outcome: "notSent" });
    expect(error.message).toContain(`127.0.0.1:${server.port}`);
    expect(errors.map(({ code }) => code)).toEqual(["TLS_NOT_OFFERED"]);
  });

  it("finds TLS expected on a TLS port that is spoken to in plaintext", async () => {
    const { connection, errors } = openWatched({
      redis: `redis://${credentials}127.0.0.1:${server.tlsPort}`,
    });
    const error = await rejection(connection.ready());
    expect(error).toMatchObject({ code: "TLS_EXPECTED", outcome: "notSent" });
    expect(error.fix).toContain("rediss://");
    expect(errors.map(({ code }) => code)).toEqual(["TLS_EXPECTED"]);
  });

  it.each([
    ["a wrong password", "user:wr0ng-secret@", /rejected/],
    ["a wrong password without a user", ":wr0ng-secret@", /rejected/],
    ["no password", "", /none was given/],
  ])("is told of %s as REDIS_AUTH_FAILED, without printing it", async (_what, login, words) => {
    const { connection, errors } = open({ url: `rediss://${login}127.0.0.1:${server.tlsPort}` });
    const error = await rejection(connection.ready());
    expect(error.code).toBe("REDIS_AUTH_FAILED");
    expect(error.message).toMatch(words);
    expect(error.message).not.toContain("wr0ng-secret");
    expect(error.fix).toContain("REDIS_URL");
    expect(errors.map(({ code }) => code)).toEqual(["REDIS_AUTH_FAILED"]);
  });
});

describe("a certificate made for another name", () => {
  let own: Authority;
  let server: RedisServer;
  beforeAll(async () => {
    own = await createAuthority();
    const { certFile, keyFile } = await own.issue("redis.example");
    server = await startRedis({ tls: { ca: own.caFile, cert: certFile, key: keyFile } });
  });
  afterAll(async () => {
    await server.stop();
    own.remove();
  });

  it.each(["127.0.0.1", "localhost"])("is rejected, and the error names %s", async (host) => {
    const { connection } = openWatched({
      redis: { url: `rediss://${host}:${server.tlsPort}`, ca: own.ca },
    });
    const error = await rejection(connection.ready());
    expect(error.code).toBe("TLS_CERTIFICATE_REJECTED");
    expect(error.message).toContain(`'${host}'`);
    expect(error.fix).toContain("REDIS_SERVERNAME");
  });

  it("is accepted where REDIS_SERVERNAME says that name", async () => {
    const { connection } = openWatched(
      {},
      {
        REDIS_URL: `rediss://127.0.0.1:${server.tlsPort}`,
        REDIS_CA: own.caFile,
        REDIS_SERVERNAME: "redis.example",
      },
    );
    await connection.ready();
    await connection.ping();
  });

  it("is rejected where REDIS_SERVERNAME says a third name", async () => {
    const { connection } = openWatched({
      redis: {
        url: `rediss://127.0.0.1:${server.tlsPort}`,
        ca: own.ca,
        servername: "other.example",
      },
    });
    const error = await rejection(connection.ready());
    expect(error.code).toBe("TLS_CERTIFICATE_REJECTED");
    expect(error.message).toContain("'other.example'");
  });

  it("is taken unverified only where allowUnverifiedTls names the host", async () => {
    const redis = { url: `rediss://127.0.0.1:${server.tlsPort}`, rejectUnauthorized: false };
    const { connection } = openWatched({ redis, allowUnverifiedTls: ["127.0.0.1"] });
    await connection.ready();
    expect(connection.state().tls).toBe(true);
  });
});

describe("mutual TLS", () => {
  let own: Authority;
  let foreign: Authority;
  let server: RedisServer;
  let client: Identity;
  beforeAll(async () => {
    [own, foreign] = await Promise.all([createAuthority(), createAuthority("Foreign CA")]);
    const { certFile, keyFile } = await own.issue("127.0.0.1");
    client = await own.issue("client.example");
    server = await startRedis({
      tls: { ca: own.caFile, cert: certFile, key: keyFile, authClients: true },
    });
  });
  afterAll(async () => {
    await server.stop();
    own.remove();
    foreign.remove();
  });
  const env = () => ({ REDIS_URL: `rediss://127.0.0.1:${server.tlsPort}`, REDIS_CA: own.caFile });

  it("works with a client certificate, as files and as text", async () => {
    for (const pair of [
      { REDIS_CERT: client.certFile, REDIS_KEY: client.keyFile },
      { REDIS_CERT: client.cert, REDIS_KEY: client.key.replaceAll("\n", "\\n") },
    ]) {
      const { connection } = openWatched({}, { ...env(), ...pair });
      await connection.ready();
      await connection.ping();
    }
  });

  it("without a client certificate says that one is asked for, and the fix names the variables", async () => {
    const { connection } = openWatched({}, env());
    const error = await rejection(connection.ready());
    expect(error.code).toBe("TLS_CERTIFICATE_REJECTED");
    expect(error.message).toContain("client certificate");
    expect(error.fix).toMatch(/REDIS_CERT and REDIS_KEY/);
  });

  it("with a certificate of a foreign authority says so, once", async () => {
    const stranger = await foreign.issue("client.example");
    const { connection, errors } = openWatched(
      {},
      { ...env(), REDIS_CERT: stranger.certFile, REDIS_KEY: stranger.keyFile },
    );
    const error = await rejection(connection.ready());
    expect(error.code).toBe("TLS_CERTIFICATE_REJECTED");
    expect(error.message).toContain("client certificate");
    expect(errors).toHaveLength(1);
  });

  it("with a certificate and a key that do not belong together is a KitError", async () => {
    const { keyFile } = await own.issue("client.example");
    const { connection } = openWatched(
      {},
      { ...env(), REDIS_CERT: client.certFile, REDIS_KEY: keyFile },
    );
    const error = await rejection(connection.ready());
    expect(error.name).toBe("KitError");
    expect(error.message).toMatch(/key/i);
  });
});
