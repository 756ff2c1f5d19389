/** What others may have put into a session's key: no request fails for it. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import { makeKit, serve } from "../support/kit.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { sessionApp, signedIn } from "../support/session-app.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
beforeEach(() => server.client.flushall());
afterAll(() => server.stop());

/** Asks with the cookie of a session whose key `put` has filled. */
async function ask(put: (key: string) => Promise<unknown>) {
  const kit = makeKit({ redis: server.url });
  const errors: string[] = [];
  kit.on("redis-error", ({ error }) => void errors.push(error.code));
  const url = await serve(sessionApp(kit));
  const { cookie, id } = await signedIn(url, "7");
  const key = `session:${id}`;
  await server.client.del(key);
  await put(key);
  // A request that hangs is told apart from a slow one long before the test's own limit.
  const get = () => fetch(`${url}/me`, { headers: { cookie }, signal: AbortSignal.timeout(5_000) });
  const post = () =>
    fetch(`${url}/data`, {
      method: "POST",
      signal: AbortSignal.timeout(5_000),
      headers: { cookie, "content-type": "application/json" },
      body: '{"cart":1}',
    });
  return { get, post, put: () => put(key), key, errors };
}

describe("a value that is no session", () => {
  it.each([
    '{"cookie":[]}',
    '{"cookie":{"originalMaxAge":"soon"}}',
    '{"cookie":{"originalMaxAge":60000,"expires":"never"}}',
    '{"cookie":{"expires":"never"}}',
    '{"cookie":{"maxAge":"soon"}}',
    '{"cookie":{"path":5}}',
    '{"cookie":{"domain":"a b;"}}',
    '{"cookie":{"sameSite":"sometimes"}}',
    '{"cookie":{},"$kit":{"v":1,"created":"then"}}',
    '{"cookie":{},"$kit":{"v":2,"created":{}}}',
    '{"cookie":{},"$kit":5}',
    '{"cookie":{},"passport":5}',
    '{"cookie":{},"passport":{"user":{}}}',
    '{"cookie":{},"userId":["7"]}',
    '{"cookie":{},"ended":5}',
    '{"cookie":{},"ended":{"reason":{},"at":"x"}}',
    '{"cookie":{},"__proto__":{"userId":"7"}}',
    '{"cookie":{},"constructor":1,"save":1,"req":1,"id":"x"}',
  ])("fails no request: %s", async (text) => {
    const { get, post, put } = await ask((key) => server.client.set(key, text, "PX", 60_000));
    const read = await get();
    expect([read.status, ((await read.json()) as { user: unknown }).user]).toEqual([200, null]);
    await put();
    expect((await post()).status).toBe(200);
    for (const key of await server.client.keys("*")) {
      expect([key, (await server.client.pttl(key)) > 0]).toEqual([key, true]);
    }
  });

  it("of another type is dropped and reported", async () => {
    const { get, key, errors } = await ask((at) => server.client.rpush(at, "a"));
    expect((await get()).status).toBe(200);
    expect(await server.client.exists(key)).toBe(0);
    expect(errors).toContain("SESSION_CORRUPT");
  });

  it("of any JSON, beside a cookie of any JSON, fails no request", async () => {
    let text = "";
    const { get, put } = await ask((key) => server.client.set(key, text, "PX", 60_000));
    const cookie = fc.record(
      { originalMaxAge: fc.jsonValue(), expires: fc.jsonValue(), httpOnly: fc.jsonValue() },
      { requiredKeys: [] },
    );
    const value = fc.oneof(
      fc.jsonValue(),
      fc.record({ cookie, data: fc.jsonValue(), ended: fc.jsonValue(), userId: fc.jsonValue() }),
    );
    await fc.assert(
      fc.asyncProperty(value, async (session) => {
        text = JSON.stringify(session);
        await put();
        const response = await get();
        await response.text();
        return response.status === 200;
      }),
      { numRuns: 150, endOnFailure: true },
    );
  });
});
