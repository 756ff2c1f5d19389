import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { Redis as UpstashRedis } from "@upstash/redis";
import { rejection } from "../support/connections.ts";
import { openGiven } from "../support/given.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { type RestEmulator, startRestEmulator } from "../support/rest-emulator.ts";
import { count } from "../support/scripts.ts";

const ttl = 60_000;
const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

describe("an @upstash/redis client", () => {
  let server: RedisServer;
  let rest: RestEmulator;
  beforeAll(async () => {
    server = await startRedis();
  });
  beforeEach(async () => {
    await server.client.flushall();
    rest = await startRestEmulator({ socketPath: server.socketPath });
    endings.push(() => rest.stop());
  });
  afterAll(() => server.stop());

  const upstash = (options: object = {}) =>
    new UpstashRedis({ url: rest.url, token: "token", ...options });

  it("promises neither by default, and both with retries: 0", async () => {
    const byDefault = openGiven(upstash()).connection;
    const never = openGiven(upstash({ retry: { retries: 0 } })).connection;
    // `false` still sends twice.
    const once = openGiven(upstash({ retry: false })).connection;
    for (const connection of [byDefault, never, once]) await connection.ready();
    await until(() => never.state().unguaranteed.length === 0, "the signal was tried");
    expect(byDefault.state().unguaranteed).toEqual(["at-most-once"]);
    expect(once.state().unguaranteed).toEqual(["at-most-once"]);
    const asked = rest.requests.flatMap(({ commands }) => commands.map(([name]) => name));
    expect(asked).toEqual(["PING", "PING", "PING"]);
  });

  it("does not prove the deadline where its version ignores signals", async () => {
    const client = upstash({ retry: { retries: 0 } });
    const inner = (client as unknown as { client: { request(ask: object): unknown } }).client;
    const request = inner.request.bind(inner);
    inner.request = ({ ...ask }) => request({ ...ask, signal: undefined });
    const { connection } = openGiven(client);
    await connection.ready();
    await until(() => rest.requests.length === 2, "the signal was tried");
    expect(connection.state().unguaranteed).toEqual(["deadline"]);
  });

  it("sends nothing again that has timed out", async () => {
    const { connection } = openGiven(upstash({ retry: { retries: 5, backoff: () => 100 } }), {
      deadline: 50,
      connectDeadline: 1000,
    });
    await connection.ready();
    await until(() => connection.state().unguaranteed.length === 1, "the signal was tried");
    const before = rest.requests.length;
    rest.fail({ kind: "close", when: "before" });
    expect((await rejection(connection.run(count, "k", []))).code).toBe("REDIS_TIMEOUT");
    rest.heal();
    // A later request that was answered shows that the retry's time has passed.
    const later = openGiven(upstash({ retry: { retries: 1, backoff: () => 300 } })).connection;
    rest.fail({ kind: "close", when: "before" }, 1);
    await later.get("k");
    expect(rest.requests.slice(before).flatMap(({ commands }) => commands)).toHaveLength(3);
    expect(await server.client.get("k")).toBeNull();
  });

  it("with a wrong token is told so, without the token", async () => {
    const { connection } = openGiven(upstash({ token: "s3cret-token" }));
    const error = await rejection(connection.ready());
    expect(error).toMatchObject({ code: "REDIS_AUTH_FAILED", outcome: "notSent" });
    expect(JSON.stringify([error.message, error.fix, error.cause])).not.toContain("s3cret");
  });

  it.each([
    ["a proxy's page", { status: 502, body: "<html>s3cret</html>" }, "maybeExecuted"],
    ["JSON without words", { status: 500, body: "{}" }, "maybeExecuted"],
    ["words that are not Redis's", { status: 500, body: '{"error":"internal"}' }, "maybeExecuted"],
  ] as const)("explains %s", async (_name, answer, outcome) => {
    const { connection } = openGiven(upstash({ retry: { retries: 0 } }));
    await connection.ready();
    rest.fail({ kind: "answer", ...answer });
    const error = await rejection(connection.set("s3cret-key", "s3cret-value", { ttl }));
    expect(error).toMatchObject({ code: "REDIS_UNAVAILABLE", outcome });
    expect(String(error) + String(error.cause)).not.toContain("s3cret");
    for (let n = 0; n < 4; n += 1) await rejection(connection.get("k"));
    expect(connection.state().state).toBe("down");
    rest.heal();
    await until(() => connection.state().state === "ready", "a probe was answered");
  });

  it("whose server is gone knows that nothing was sent, where it tries only once", async () => {
    const { connection } = openGiven(upstash({ retry: { retries: 0 } }));
    await connection.ready();
    await rest.stop();
    await until(async () => {
      const { code, outcome } = await rejection(connection.get("k"));
      return code === "REDIS_UNAVAILABLE" && outcome === "notSent";
    }, "the loss was seen");
  });
});
