import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { type Authority, createAuthority } from "../support/certificates.ts";
import { createBrowser, type Example, startListening, stopExamples } from "../support/example.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { startProxy } from "../support/tcp-proxy.ts";

const DEMO = { username: "demo", password: "demo" };
const PASSWORD = "right-passw0rd";

/** What is wrong in one configuration; the rest is right. */
interface Mistake {
  scheme?: string;
  login?: string;
  to?: () => number;
  ca?: () => string;
}

describe("the example in production, on a Redis with TLS", () => {
  let own: Authority;
  let foreign: Authority;
  let redis: RedisServer;
  let misnamed: RedisServer;

  beforeAll(async () => {
    [own, foreign] = await Promise.all([createAuthority(), createAuthority("Foreign CA")]);
    const [right, wrong] = await Promise.all([own.issue("127.0.0.1"), own.issue("redis.example")]);
    const tls = { ca: own.caFile, cert: right.certFile, key: right.keyFile };
    const other = { ca: own.caFile, cert: wrong.certFile, key: wrong.keyFile };
    const args = ["--requirepass", PASSWORD];
    [redis, misnamed] = await Promise.all([
      startRedis({ tcp: true, tls, args }),
      startRedis({ tls: other, args }),
    ]);
    redis.client.options.password = PASSWORD; // It connects at its first command.
  });
  afterEach(stopExamples);
  afterAll(async () => {
    await Promise.all([redis.stop(), misnamed.stop()]);
    own.remove();
    foreign.remove();
  });

  const start = (env: Record<string, string> = {}): Promise<Example> =>
    startListening({
      NODE_ENV: "production",
      SESSION_SECRET: "secret-of-the-test",
      REDIS_URL: `rediss://:${PASSWORD}@127.0.0.1:${redis.tlsPort}`,
      REDIS_CA: own.caFile,
      ...env,
    });

  it("says that it is connected over TLS, without the password, and warns of nothing", async () => {
    const example = await start();
    const health = await (await fetch(`${example.url}/health`)).json();
    expect(health).toMatchObject({ status: "ok", connection: "tcp", tls: true });
    expect(example.warnings()).toEqual([]);
    expect(example.lines().join("\n")).toContain(`rediss://127.0.0.1:${redis.tlsPort}`);
    expect(example.lines().join("\n")).not.toContain(PASSWORD);
  });

  it("logs in behind a proxy that it trusts, with a cookie that only https carries", async () => {
    await redis.client.flushall();
    const { url } = await start({ TRUST_PROXY: "1" });
    const browser = createBrowser(url, { "X-Forwarded-Proto": "https" });
    const answer = await browser("POST", "/login", DEMO);
    expect(answer.status).toBe(200);
    const [cookie, ...more] = answer.headers.getSetCookie();
    expect(more).toEqual([]);
    expect(cookie).toMatch(/^__Host-sid=/);
    expect(cookie).toMatch(/; Secure/);
    expect(cookie).toMatch(/; HttpOnly/);
    expect(cookie).toMatch(/; Path=\//);
    expect(cookie).toMatch(/; SameSite=Lax/);
    expect(cookie).not.toMatch(/Domain/);
    const me = await browser("GET", "/me");
    expect(me.status).toBe(200);
    expect(await me.json()).toEqual({ user: "demo" });
    expect(await redis.client.scard("user:demo:sessions")).toBe(1);
  });

  it.each([
    ["over plain http", {}, {}],
    ["through a proxy that it does not trust", {}, { "X-Forwarded-Proto": "https" }],
    [
      "through a trusted proxy that was spoken to in plain http",
      { TRUST_PROXY: "1" },
      { "X-Forwarded-Proto": "http" },
    ],
  ])("refuses a login %s, says how to mend it, and writes nothing", async (_how, env, headers) => {
    await redis.client.flushall();
    const { url } = await start(env);
    const answer = await createBrowser(url, headers)("POST", "/login", DEMO);
    expect(answer.status).toBe(500);
    expect(answer.headers.getSetCookie()).toEqual([]);
    expect(await answer.json()).toMatchObject({
      error: "COOKIE_NOT_SENDABLE",
      fix: expect.stringContaining("trust proxy"),
    });
    expect(await redis.client.keys("session:*")).toEqual([]);
    expect(await redis.client.keys("user:*")).toEqual([]);
  });

  it.each([
    ["a CA that did not sign", "TLS_CERTIFICATE_REJECTED", { ca: () => foreign.caFile }],
    ["a certificate of another name", "TLS_CERTIFICATE_REJECTED", { to: () => misnamed.tlsPort }],
    ["TLS to a plaintext port", "TLS_NOT_OFFERED", { to: () => redis.port }],
    ["plaintext to a TLS port", "TLS_EXPECTED", { scheme: "redis", ca: () => "" }],
    ["a wrong password", "REDIS_AUTH_FAILED", { login: ":wr0ng-passw0rd@" }],
    ["no password", "REDIS_AUTH_FAILED", { login: "" }],
  ] as [string, string, Mistake][])(
    "reports %s in exactly one line, with the code %s",
    async (_what, code, { scheme = "rediss", login = `:${PASSWORD}@`, to, ca }) => {
      const proxy = await startProxy({ port: to?.() ?? redis.tlsPort });
      try {
        const example = await start({
          REDIS_URL: `${scheme}://${login}127.0.0.1:${proxy.port}`,
          REDIS_CA: ca?.() ?? own.caFile,
          REDIS_ALLOW_PLAINTEXT: "127.0.0.1",
        });
        await until(() => example.warnings().length > 0, "the error line");
        const health = await fetch(`${example.url}/health`);
        expect(health.status).toBe(503);
        expect(await health.json()).toMatchObject({ status: "down", problem: code });
        // Later attempts add nothing.
        const before = proxy.accepted();
        await until(() => proxy.accepted() >= before + 2, "it has tried twice more");
        expect(example.warnings()).toEqual([expect.stringContaining(`[${code}]`)]);
        expect(example.warnings()[0]).toContain(`127.0.0.1:${proxy.port}`);
        expect(example.lines().join("\n")).not.toMatch(/right-passw0rd|wr0ng-passw0rd/);
      } finally {
        await proxy.stop();
      }
    },
  );
});
